// SPDX-License-Identifier: GPL-2.0
/* All that is shown of SAs and policies: in answers, dumps and events. */
#include <net/genetlink.h>
#include "crypto.h"
#include "encap.h"
#include "expire.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "trailer.h"

/* What makes the outer header, and what else is only outbound. */
static int outer_fill(struct sk_buff *msg, struct espm_sa *sa)
{
	u16 limit = READ_ONCE(sa->idle_limit);
	u32 mtu = espm_encap_mtu(sa);
	int attr;

	attr = READ_ONCE(sa->idle_kind) == ESPM_IDLE_DUMMY ? ESPM_A_SA_DUMMY : ESPM_A_SA_KEEPALIVE;
	if ((mtu && nla_put_u32(msg, ESPM_A_SA_MTU, mtu)) ||
	    (limit && nla_put_u16(msg, attr, limit)))
		return -EMSGSIZE;
	if (sa->mode != ESPM_MODE_TUNNEL)
		return 0;
	if ((sa->dscp != ESPM_DSCP_COPY && nla_put_u8(msg, ESPM_A_SA_DSCP, sa->dscp)) ||
	    nla_put_u8(msg, ESPM_A_SA_ECN, sa->ecn) || nla_put_u8(msg, ESPM_A_SA_DF, sa->df) ||
	    (sa->ttl && nla_put_u8(msg, ESPM_A_SA_TTL, sa->ttl)) ||
	    (sa->tfc && nla_put_u16(msg, ESPM_A_SA_TFC, sa->tfc)))
		return -EMSGSIZE;
	return 0;
}

static int bound_fill(struct sk_buff *msg, int soft, int hard, const struct espm_bound *bound)
{
	if ((bound->soft && nla_put_u64_64bit(msg, soft, bound->soft, ESPM_A_LIFE_PAD)) ||
	    (bound->hard && nla_put_u64_64bit(msg, hard, bound->hard, ESPM_A_LIFE_PAD)))
		return -EMSGSIZE;
	return 0;
}

static int seconds_fill(struct sk_buff *msg, int soft, int hard, const struct espm_bound *bound)
{
	if ((bound->soft && nla_put_u32(msg, soft, div_u64(bound->soft, NSEC_PER_SEC))) ||
	    (bound->hard && nla_put_u32(msg, hard, div_u64(bound->hard, NSEC_PER_SEC))))
		return -EMSGSIZE;
	return 0;
}

static int lifetime_fill(struct sk_buff *msg, const struct espm_lifetime *life)
{
	const struct espm_bound *bound = life->bound;
	struct nlattr *nest;

	nest = nla_nest_start(msg, ESPM_A_SA_LIFETIME);
	if (!nest ||
	    bound_fill(msg, ESPM_A_LIFE_SOFT_BYTES, ESPM_A_LIFE_HARD_BYTES,
		       &bound[ESPM_LIFE_BYTES]) ||
	    bound_fill(msg, ESPM_A_LIFE_SOFT_PACKETS, ESPM_A_LIFE_HARD_PACKETS,
		       &bound[ESPM_LIFE_PACKETS]) ||
	    seconds_fill(msg, ESPM_A_LIFE_SOFT_SECONDS, ESPM_A_LIFE_HARD_SECONDS,
			 &bound[ESPM_LIFE_SECONDS]) ||
	    seconds_fill(msg, ESPM_A_LIFE_SOFT_USE_SECONDS, ESPM_A_LIFE_HARD_USE_SECONDS,
			 &bound[ESPM_LIFE_USE_SECONDS]))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_used(struct sk_buff *msg, int attr, u64 used)
{
	return nla_put_u64_64bit(msg, attr, used, ESPM_A_USAGE_PAD);
}

/* How long an SA may live, how long it has, and which limits it has reached. */
static int age_fill(struct sk_buff *msg, struct espm_sa *sa)
{
	const struct espm_limits *limits = rcu_dereference(sa->limits);
	u64 first = espm_expire_used(sa, ESPM_LIFE_USE_SECONDS);
	u32 soft = READ_ONCE(sa->soft_limit), hard = READ_ONCE(sa->hard_limit);
	struct nlattr *nest;

	if (limits && lifetime_fill(msg, &limits->life))
		return -EMSGSIZE;
	nest = nla_nest_start(msg, ESPM_A_SA_USAGE);
	if (!nest ||
	    (limits && espm_lifetime_has(&limits->life, ESPM_LIFE_BYTES) &&
	     put_used(msg, ESPM_A_USAGE_BYTES, espm_expire_used(sa, ESPM_LIFE_BYTES))) ||
	    put_used(msg, ESPM_A_USAGE_PACKETS, espm_expire_used(sa, ESPM_LIFE_PACKETS)) ||
	    put_used(msg, ESPM_A_USAGE_SECONDS,
		     div_u64(espm_expire_used(sa, ESPM_LIFE_SECONDS), NSEC_PER_SEC)) ||
	    (first && put_used(msg, ESPM_A_USAGE_USE_SECONDS, div_u64(first, NSEC_PER_SEC))))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	if ((soft < ESPM_LIVES && nla_put_u8(msg, ESPM_A_SA_SOFT_LIMIT, soft)) ||
	    (hard < ESPM_LIVES && nla_put_u8(msg, ESPM_A_SA_HARD_LIMIT, hard)))
		return -EMSGSIZE;
	return 0;
}

/* What a larval SA has not got. */
static int keyed_fill(struct sk_buff *msg, const struct espm_sa *sa, const struct espm_path *path)
{
	if (nla_put_string(msg, ESPM_A_SA_SUITE, sa->suite->name) ||
	    nla_put(msg, ESPM_A_SA_FINGERPRINT, sizeof(sa->fingerprint), sa->fingerprint) ||
	    nla_put_string(msg, ESPM_A_SA_DRIVER, espm_crypto_driver(sa)) ||
	    nla_put_u32(msg, ESPM_A_SA_OVERHEAD,
			espm_path_fixed_len(path) + ESPM_TAIL_LEN + sa->suite->block - 1))
		return -EMSGSIZE;
	return 0;
}

/* Without a window, packets that came twice may hide some that never came. */
static u64 lost(const struct espm_sa *sa, u64 seq, u64 taken)
{
	u64 due = seq - sa->first;

	return due - min(taken, due);
}

/**
 * espm_sa_fill() - every attribute of an SA, for get, dump and events
 * @msg: the message
 * @sa: the SA
 *
 * Context: process, under rcu_read_lock().
 * Return: 0 or -EMSGSIZE.
 */
int espm_sa_fill(struct sk_buff *msg, struct espm_sa *sa)
{
	const struct espm_path *path = espm_sa_path_rcu(sa);
	u64 packets, bytes, seq, taken = 0, depth = 0, drops;
	u32 i, reqid = READ_ONCE(sa->reqid);

	espm_sa_load_sum(sa, &packets, &bytes);
	if (sa->dir == ESPM_DIR_OUT) {
		seq = atomic64_read(&sa->seq);
	} else {
		spin_lock_bh(&sa->rx_lock);
		seq = sa->replay->top;
		taken = sa->taken;
		depth = sa->depth;
		spin_unlock_bh(&sa->rx_lock);
	}

	if (nla_put_u32(msg, ESPM_A_SA_ID, sa->id) ||
	    nla_put_u32(msg, ESPM_A_SA_SPI, ntohl(sa->spi)) ||
	    nla_put_u8(msg, ESPM_A_SA_DIRECTION, sa->dir) ||
	    nla_put_u8(msg, ESPM_A_SA_MODE, sa->mode) ||
	    espm_nl_addr_fill(msg, ESPM_A_SA_SRC, &path->src, path->name.family) ||
	    espm_nl_addr_fill(msg, ESPM_A_SA_DST, &path->name.dst, path->name.family) ||
	    (reqid && nla_put_u32(msg, ESPM_A_SA_REQID, reqid)) ||
	    nla_put_u8(msg, ESPM_A_SA_ESN, sa->esn) ||
	    nla_put_u8(msg, ESPM_A_SA_STATE, READ_ONCE(sa->state)) ||
	    nla_put_u64_64bit(msg, ESPM_A_SA_SEQ, seq, ESPM_A_SA_PAD) ||
	    nla_put_u64_64bit(msg, ESPM_A_SA_PACKETS, packets, ESPM_A_SA_PAD) ||
	    nla_put_u64_64bit(msg, ESPM_A_SA_BYTES, bytes, ESPM_A_SA_PAD) ||
	    (espm_sa_is_keyed(sa) && keyed_fill(msg, sa, path)))
		return -EMSGSIZE;
	if (sa->dir == ESPM_DIR_IN &&
	    (nla_put_u8(msg, ESPM_A_SA_ROAM, sa->roam) ||
	     nla_put_u64_64bit(msg, ESPM_A_SA_LOST, lost(sa, seq, taken), ESPM_A_SA_PAD) ||
	     nla_put_u64_64bit(msg, ESPM_A_SA_REORDER, depth, ESPM_A_SA_PAD) ||
	     nla_put_u32(msg, ESPM_A_SA_REPLAY_WINDOW, sa->replay->window) ||
	     espm_nl_selector_fill(msg, ESPM_A_SA_SELECTOR, &sa->sel, true)))
		return -EMSGSIZE;
	if (path->encap_sport &&
	    (nla_put_u16(msg, ESPM_A_SA_ENCAP_SPORT, ntohs(path->encap_sport)) ||
	     nla_put_u16(msg, ESPM_A_SA_ENCAP_DPORT, ntohs(path->encap_dport))))
		return -EMSGSIZE;
	if (nla_put_u8(msg, ESPM_A_SA_MSS_CLAMP, sa->clamp_mss) ||
	    (READ_ONCE(sa->pin) && nla_put_u8(msg, ESPM_A_SA_PIN, 1)) ||
	    (sa->dir == ESPM_DIR_OUT && outer_fill(msg, sa)) || age_fill(msg, sa))
		return -EMSGSIZE;
	for (i = 0; i < ESPM_COUNTERS; i++) {
		drops = atomic_long_read(&sa->drops.count[i]);
		if (drops && espm_nl_counter_fill(msg, ESPM_A_SA_DROPS, i, drops))
			return -EMSGSIZE;
	}
	return 0;
}

/**
 * espm_policy_fill() - every attribute of a policy, for get, dump and events
 * @msg: the message
 * @policy: the policy
 *
 * Context: process, under rcu_read_lock() or the namespace's lock.
 * Return: 0 or -EMSGSIZE.
 */
int espm_policy_fill(struct sk_buff *msg, const struct espm_policy *policy)
{
	const struct espm_drops *drops = READ_ONCE(policy->drops);
	u64 count;
	u32 i;

	if (nla_put_u32(msg, ESPM_A_POLICY_ID, policy->id) ||
	    nla_put_u8(msg, ESPM_A_POLICY_DIRECTION, policy->dir) ||
	    nla_put_u32(msg, ESPM_A_POLICY_PRIORITY, policy->priority) ||
	    nla_put_u8(msg, ESPM_A_POLICY_ACTION, policy->action) ||
	    (policy->reqid && nla_put_u32(msg, ESPM_A_POLICY_REQID, policy->reqid)) ||
	    (policy->on_demand && nla_put_u8(msg, ESPM_A_POLICY_ON_DEMAND, 1)) ||
	    (policy->sel.family &&
	     nla_put_u8(msg, ESPM_A_POLICY_FAMILY, policy->sel.family == AF_INET ? 4 : 6)) ||
	    espm_nl_selector_fill(msg, ESPM_A_POLICY_SELECTOR, &policy->sel, false) ||
	    nla_put_u64_64bit(msg, ESPM_A_POLICY_PACKETS, espm_policy_hits(policy),
			      ESPM_A_POLICY_PAD))
		return -EMSGSIZE;
	for (i = 0; drops && i < ESPM_COUNTERS; i++) {
		count = atomic_long_read(&drops->count[i]);
		if (count && espm_nl_counter_fill(msg, ESPM_A_POLICY_DROPS, i, count))
			return -EMSGSIZE;
	}
	return 0;
}
