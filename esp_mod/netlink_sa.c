// SPDX-License-Identifier: GPL-2.0
/* What requests say of SAs. What that means is told by netlink_uapi/esp_mod.yaml. */
#include <linux/inetdevice.h>
#include <linux/random.h>
#include <net/genetlink.h>
#include <net/ipv6.h>
#include "crypto.h"
#include "expire.h"
#include "idle.h"
#include "main.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "notify.h"
#include "suite.h"

enum { SAS_IN_MAKING = 1024 };	/* beside those that a namespace may have */

static bool is_unicast(const union espm_addr *addr, u16 addr_family)
{
	if (addr_family == AF_INET)
		return !ipv4_is_zeronet(addr->v4) && !ipv4_is_multicast(addr->v4) &&
		       !ipv4_is_lbcast(addr->v4);
	return !ipv6_addr_any(&addr->v6) && !ipv6_addr_is_multicast(&addr->v6);
}

static bool is_any(const union espm_addr *addr)
{
	return !memchr_inv(addr, 0, sizeof(*addr));
}

static int read_src(struct genl_info *info, struct nlattr *attr, struct espm_path *path)
{
	u16 src_family;
	int err = espm_nl_read_addr(info, attr, &path->src, &src_family);

	if (err)
		return err;
	path->any_src = is_any(&path->src);
	if (src_family != path->name.family)
		return ESPM_REFUSE(info, attr, -EINVAL,
				   "source and destination are of different families");
	if (!path->any_src && !is_unicast(&path->src, src_family))
		return ESPM_REFUSE(info, attr, -EINVAL, "the source must be a unicast address");
	return 0;
}

static int read_dst(struct genl_info *info, struct nlattr *attr, struct espm_path *path)
{
	int err = espm_nl_read_addr(info, attr, &path->name.dst, &path->name.family);

	if (err)
		return err;
	if (is_any(&path->name.dst) && path->name.dir == ESPM_DIR_OUT)
		return ESPM_REFUSE(info, attr, -EINVAL,
				   "an outbound SA sends to somebody: it needs a destination");
	if (!is_any(&path->name.dst) && !is_unicast(&path->name.dst, path->name.family))
		return ESPM_REFUSE(info, attr, -EINVAL, "the destination must be a unicast address");
	return 0;
}

static int read_encap(struct genl_info *info, struct espm_path *path)
{
	struct nlattr *sport = info->attrs[ESPM_A_SA_ENCAP_SPORT];
	struct nlattr *dport = info->attrs[ESPM_A_SA_ENCAP_DPORT];

	if (!sport && !dport)
		return 0;
	if (!sport || !dport)
		return ESPM_REFUSE(info, sport ?: dport, -EINVAL,
				   "UDP encapsulation needs a source and a destination port");
	if (!nla_get_u16(sport) != !nla_get_u16(dport))
		return ESPM_REFUSE(info, nla_get_u16(sport) ? dport : sport, -EINVAL,
				   "port 0 takes UDP away, and needs to be both");
	path->encap_sport = htons(nla_get_u16(sport));
	path->encap_dport = htons(nla_get_u16(dport));
	return 0;
}

static int read_suite(struct genl_info *info, struct espm_sa *sa)
{
	struct nlattr *name = info->attrs[ESPM_A_SA_SUITE];
	struct nlattr *key = info->attrs[ESPM_A_SA_KEY];
	int err;

	sa->suite = espm_suite_find(nla_data(name));
	if (!sa->suite) {
		NL_SET_BAD_ATTR(info->extack, name);
		info->extack->_msg = espm_suite_refusal(nla_data(name));
		return -EOPNOTSUPP;
	}
	if (nla_len(key) < espm_suite_key_len(sa->suite))
		return ESPM_REFUSE(info, key, -EINVAL, "the key is too short for its suite");
	if (nla_len(key) > espm_suite_key_len(sa->suite))
		return ESPM_REFUSE(info, key, -EINVAL, "the key is too long for its suite");
	err = espm_crypto_set_key(sa, nla_data(key), info->extack);
	if (err)
		return err;
	espm_crypto_fingerprint(sa->fingerprint, sa->suite, nla_data(key));
	espm_crypto_key_name(sa->key_name.name, sa->suite, nla_data(key));
	get_random_bytes(&sa->iv_mix, sizeof(sa->iv_mix));
	return 0;
}

static int read_window(struct genl_info *info, u8 dir, bool esn, u32 *window)
{
	struct nlattr *attr = info->attrs[ESPM_A_SA_REPLAY_WINDOW];

	*window = attr ? nla_get_u32(attr) : ESPM_WINDOW_DEFAULT;
	if (dir == ESPM_DIR_OUT && attr)
		return ESPM_REFUSE(info, attr, -EINVAL, "only an inbound SA has a replay window");
	if (*window > ESPM_WINDOW_MAX)
		return ESPM_REFUSE(info, attr, -ERANGE, "a replay window has 65536 packets at most");
	if (esn && !*window)
		return ESPM_REFUSE(info, attr, -EINVAL,
				   "extended sequence numbers need a replay window (RFC 4303): turn them off too");
	return 0;
}

static int read_outer(struct genl_info *info, struct espm_sa *sa)
{
	static const int only_tunnel[] = { ESPM_A_SA_DSCP, ESPM_A_SA_ECN, ESPM_A_SA_DF,
					   ESPM_A_SA_TTL, ESPM_A_SA_TFC };
	struct nlattr **attrs = info->attrs;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(only_tunnel); i++)
		if (attrs[only_tunnel[i]] &&
		    (sa->dir != ESPM_DIR_OUT || sa->mode != ESPM_MODE_TUNNEL))
			return ESPM_REFUSE(info, attrs[only_tunnel[i]], -EINVAL,
					   "only an outbound SA in tunnel mode makes an outer header, or pads");
	sa->dscp = attrs[ESPM_A_SA_DSCP] ? nla_get_u8(attrs[ESPM_A_SA_DSCP]) : ESPM_DSCP_COPY;
	sa->ecn = !attrs[ESPM_A_SA_ECN] || nla_get_u8(attrs[ESPM_A_SA_ECN]);
	if (attrs[ESPM_A_SA_DF])
		sa->df = nla_get_u8(attrs[ESPM_A_SA_DF]);
	if (attrs[ESPM_A_SA_TTL])
		sa->ttl = nla_get_u8(attrs[ESPM_A_SA_TTL]);
	if (attrs[ESPM_A_SA_TFC])
		sa->tfc = nla_get_u16(attrs[ESPM_A_SA_TFC]);
	sa->clamp_mss = !attrs[ESPM_A_SA_MSS_CLAMP] || nla_get_u8(attrs[ESPM_A_SA_MSS_CLAMP]);
	return 0;
}

static int read_idle(struct genl_info *info, const struct espm_path *path,
		     struct espm_nl_idle *idle)
{
	struct nlattr *keepalive = info->attrs[ESPM_A_SA_KEEPALIVE];
	struct nlattr *dummy = info->attrs[ESPM_A_SA_DUMMY];
	bool outbound = path->name.dir == ESPM_DIR_OUT;

	idle->given = keepalive || dummy;
	if (keepalive && nla_get_u16(keepalive)) {
		if (!outbound || !path->encap_sport)
			return ESPM_REFUSE(info, keepalive, -EINVAL,
					   "only an outbound SA with UDP encapsulation keeps a NAT's mapping alive");
		if (dummy && nla_get_u16(dummy))
			return ESPM_REFUSE(info, dummy, -EINVAL,
					   "keepalive or dummy: a dummy packet keeps a NAT's mapping, too");
		idle->kind = ESPM_IDLE_KEEPALIVE;
		idle->limit = nla_get_u16(keepalive);
	} else if (dummy && nla_get_u16(dummy)) {
		if (!outbound)
			return ESPM_REFUSE(info, dummy, -EINVAL, "only an outbound SA sends dummy packets");
		idle->kind = ESPM_IDLE_DUMMY;
		idle->limit = nla_get_u16(dummy);
	}
	return 0;
}

/* Where the numbers of a restored SA go on. */
static int read_seq(struct genl_info *info, struct espm_sa *sa)
{
	struct nlattr *attr = info->attrs[ESPM_A_SA_SEQ];
	u64 seq = attr ? nla_get_u64(attr) : 0;

	if (seq >= espm_sa_last_seq(sa))
		return ESPM_REFUSE(info, attr, -ERANGE, "no sequence number is left behind this one");
	if (seq && sa->dir == ESPM_DIR_OUT)
		atomic64_set(&sa->seq, seq);
	else if (seq)
		espm_replay_resume(sa->replay, seq);
	sa->first = seq;
	return 0;
}

static int read_pin(struct genl_info *info, const struct espm_sa *sa, bool *pin)
{
	struct nlattr *attr = info->attrs[ESPM_A_SA_PIN];

	*pin = attr ? nla_get_u8(attr) : sa->pin;
	if (*pin && sa->dir != ESPM_DIR_OUT)
		return ESPM_REFUSE(info, attr, -EINVAL,
				   "only an outbound SA is chosen, and can be pinned");
	return 0;
}

static int read_roam(struct genl_info *info, struct espm_sa *sa)
{
	struct nlattr *attr = info->attrs[ESPM_A_SA_ROAM];

	if (!attr || !nla_get_u8(attr))
		return 0;
	if (sa->dir != ESPM_DIR_IN || !sa->replay->window)
		return ESPM_REFUSE(info, attr, -EINVAL,
				   "only an inbound SA with a replay window can tell where its peer is");
	sa->roam = true;
	return 0;
}

/* Change those limits that are named. */
static void change_lifetime(struct nlattr **tb, struct espm_lifetime *life)
{
	struct espm_bound *bound = life->bound;

	if (tb[ESPM_A_LIFE_SOFT_BYTES])
		bound[ESPM_LIFE_BYTES].soft = nla_get_u64(tb[ESPM_A_LIFE_SOFT_BYTES]);
	if (tb[ESPM_A_LIFE_HARD_BYTES])
		bound[ESPM_LIFE_BYTES].hard = nla_get_u64(tb[ESPM_A_LIFE_HARD_BYTES]);
	if (tb[ESPM_A_LIFE_SOFT_PACKETS])
		bound[ESPM_LIFE_PACKETS].soft = nla_get_u64(tb[ESPM_A_LIFE_SOFT_PACKETS]);
	if (tb[ESPM_A_LIFE_HARD_PACKETS])
		bound[ESPM_LIFE_PACKETS].hard = nla_get_u64(tb[ESPM_A_LIFE_HARD_PACKETS]);
	if (tb[ESPM_A_LIFE_SOFT_SECONDS])
		bound[ESPM_LIFE_SECONDS].soft =
			nla_get_u32(tb[ESPM_A_LIFE_SOFT_SECONDS]) * (u64)NSEC_PER_SEC;
	if (tb[ESPM_A_LIFE_HARD_SECONDS])
		bound[ESPM_LIFE_SECONDS].hard =
			nla_get_u32(tb[ESPM_A_LIFE_HARD_SECONDS]) * (u64)NSEC_PER_SEC;
	if (tb[ESPM_A_LIFE_SOFT_USE_SECONDS])
		bound[ESPM_LIFE_USE_SECONDS].soft =
			nla_get_u32(tb[ESPM_A_LIFE_SOFT_USE_SECONDS]) * (u64)NSEC_PER_SEC;
	if (tb[ESPM_A_LIFE_HARD_USE_SECONDS])
		bound[ESPM_LIFE_USE_SECONDS].hard =
			nla_get_u32(tb[ESPM_A_LIFE_HARD_USE_SECONDS]) * (u64)NSEC_PER_SEC;
}

/* @life: the limits that there are, changed by the request */
static int read_lifetime(struct genl_info *info, struct espm_lifetime *life)
{
	struct nlattr *nest = info->attrs[ESPM_A_SA_LIFETIME];
	struct nlattr *tb[ESPM_A_LIFE_MAX + 1];
	int err;

	if (!nest)
		return 0;
	err = nla_parse_nested(tb, ESPM_A_LIFE_MAX, nest, esp_mod_lifetime_nl_policy,
			       info->extack);
	if (err)
		return err;
	change_lifetime(tb, life);
	if (!espm_lifetime_is_ordered(life))
		return ESPM_REFUSE(info, nest, -EINVAL,
				   "a soft limit must be lower than the hard one of its kind");
	return 0;
}

/* @limits: result, %NULL for none, else the caller's */
static int make_limits(struct genl_info *info, const struct espm_lifetime *life,
		       struct espm_limits **limits)
{
	*limits = NULL;
	if (espm_lifetime_is_endless(life))
		return 0;
	*limits = espm_expire_limits(life);
	return *limits ? 0 : ESPM_REFUSE(info, NULL, -ENOMEM, "out of memory");
}

static int start_limits(struct genl_info *info, struct espm_sa *sa,
			const struct espm_lifetime *life)
{
	struct espm_limits *limits;
	int err = make_limits(info, life, &limits);

	if (!err)
		espm_expire_limit(sa, limits);
	return err;
}

/**
 * espm_nl_sa_read() - make the SA that a request describes
 * @info: the request
 * @en: the namespace
 * @result: a larval SA, complete; the caller's
 *
 * Context: process, sleeps; may load modules.
 * Return: 0 or an error, with its sentence.
 */
int espm_nl_sa_read(struct genl_info *info, struct espm_net *en, struct espm_sa **result)
{
	struct nlattr **attrs = info->attrs;
	struct espm_lifetime life = {};
	struct espm_path *path;
	struct espm_nl_idle idle = {};
	struct espm_sa *sa;
	u32 spi, window;
	bool esn;
	u8 dir;
	int err;

	err = espm_nl_need(info, ESPM_A_SA_SPI, "an SA needs an SPI") ?:
	      espm_nl_need(info, ESPM_A_SA_DIRECTION, "an SA needs a direction") ?:
	      espm_nl_need(info, ESPM_A_SA_MODE, "an SA needs a mode, transport or tunnel") ?:
	      espm_nl_need(info, ESPM_A_SA_SRC, "an SA needs a source address") ?:
	      espm_nl_need(info, ESPM_A_SA_DST, "an SA needs a destination address") ?:
	      espm_nl_need(info, ESPM_A_SA_SUITE, "an SA needs a suite, such as aes128gcm16") ?:
	      espm_nl_need(info, ESPM_A_SA_KEY, "an SA needs a key") ?:
	      espm_nl_need(info, ESPM_A_SA_REQID, "an SA needs a reqid, by which policies name it");
	if (err)
		return err;
	spi = nla_get_u32(attrs[ESPM_A_SA_SPI]);
	if (spi < ESP_MOD_SPI_MIN)
		return ESPM_REFUSE(info, attrs[ESPM_A_SA_SPI], -EINVAL,
				   "SPIs 0 to 255 are reserved (RFC 4303): choose 256 or more");
	dir = nla_get_u8(attrs[ESPM_A_SA_DIRECTION]);
	esn = !attrs[ESPM_A_SA_ESN] || nla_get_u8(attrs[ESPM_A_SA_ESN]);
	if (dir == ESPM_DIR_OUT && attrs[ESPM_A_SA_SELECTOR])
		return ESPM_REFUSE(info, attrs[ESPM_A_SA_SELECTOR], -EINVAL,
				   "only an inbound SA has a selector: policies select what goes out");
	err = read_window(info, dir, esn, &window);
	if (err)
		return err;

	/* Twice, so that a file can replace all there are; what is not yet freed counts, too. */
	if (atomic_read(&en->sas) >= 2ULL * READ_ONCE(en->quota.sas) + SAS_IN_MAKING)
		return ESPM_REFUSE(info, NULL, -ENOSPC,
				   "too many SAs are being made or freed here at once: try again");
	sa = espm_sa_alloc(en, dir, htonl(spi), window);
	if (!sa)
		return ESPM_REFUSE(info, NULL, -ENOMEM, "out of memory");
	sa->esn = esn;
	/* Routers keep a flow together by it (RFC 6437); what flows are inside, it hides. */
	sa->label = cpu_to_be32(get_random_u32() & be32_to_cpu(IPV6_FLOWLABEL_MASK));
	sa->mode = nla_get_u8(attrs[ESPM_A_SA_MODE]);
	sa->reqid = nla_get_u32(attrs[ESPM_A_SA_REQID]);
	path = espm_sa_own_path(sa);
	err = read_dst(info, attrs[ESPM_A_SA_DST], path) ?:
	      read_src(info, attrs[ESPM_A_SA_SRC], path) ?:
	      read_encap(info, path) ?:
	      read_outer(info, sa) ?:
	      read_idle(info, path, &idle) ?:
	      read_roam(info, sa) ?:
	      read_seq(info, sa) ?:
	      read_pin(info, sa, &sa->pin) ?:
	      espm_nl_read_selector(info, attrs[ESPM_A_SA_SELECTOR], 0, &sa->sel) ?:
	      read_lifetime(info, &life) ?:
	      start_limits(info, sa, &life) ?:
	      read_suite(info, sa);
	espm_idle_set(sa, idle.kind, idle.limit);
	if (err) {
		espm_sa_free(sa);
		return err;
	}
	*result = sa;
	return 0;
}

static int read_name(struct genl_info *info, struct espm_sa_name *name)
{
	struct nlattr **attrs = info->attrs;
	int err;

	memset(name, 0, sizeof(*name));
	if (attrs[ESPM_A_SA_ID]) {
		if (!attrs[ESPM_A_SA_SPI] && !attrs[ESPM_A_SA_DST] && !attrs[ESPM_A_SA_DIRECTION])
			return 0;
		NL_SET_ERR_MSG(info->extack,
			       "name the SA by its id, or by SPI, destination and direction, not by both");
		return -EINVAL;
	}
	if (!attrs[ESPM_A_SA_SPI] || !attrs[ESPM_A_SA_DST] || !attrs[ESPM_A_SA_DIRECTION]) {
		NL_SET_ERR_MSG(info->extack,
			       "name the SA by its id, or by SPI, destination and direction");
		return -EINVAL;
	}
	err = espm_nl_read_addr(info, attrs[ESPM_A_SA_DST], &name->dst, &name->family);
	name->spi = htonl(nla_get_u32(attrs[ESPM_A_SA_SPI]));
	name->dir = nla_get_u8(attrs[ESPM_A_SA_DIRECTION]);
	return err;
}

/* Under rcu_read_lock(), to be shown. */
static struct espm_sa *find_rcu(struct genl_info *info, struct espm_net *en)
{
	struct espm_sa_name name;
	struct espm_path *path;
	struct espm_sa *sa;
	int err = read_name(info, &name);

	if (err)
		return ERR_PTR(err);
	if (info->attrs[ESPM_A_SA_ID]) {
		sa = espm_sad_find_id_rcu(en, nla_get_u32(info->attrs[ESPM_A_SA_ID]));
	} else {
		path = espm_sad_find_rcu(en, &name);
		sa = path ? path->sa : NULL;
	}
	if (sa && espm_sad_is_gone(sa))
		sa = NULL;
	return sa ?: ERR_PTR(ESPM_REFUSE(info, NULL, -ENOENT, "there is no such SA"));
}

/**
 * espm_nl_sa_find() - the SA that a request names, to be changed
 * @info: the request
 * @en: the namespace, locked
 *
 * Context: process.
 * Return: the SA, which the lock keeps, or an ERR_PTR(), with its sentence.
 */
struct espm_sa *espm_nl_sa_find(struct genl_info *info, struct espm_net *en)
{
	struct espm_sa_name name;
	struct espm_sa *sa;
	int err = read_name(info, &name);

	if (err)
		return ERR_PTR(err);
	if (info->attrs[ESPM_A_SA_ID]) {
		rcu_read_lock();
		sa = espm_sad_find_id_rcu(en, nla_get_u32(info->attrs[ESPM_A_SA_ID]));
		rcu_read_unlock();
		if (sa && (sa->doomed || espm_sad_is_gone(sa)))
			sa = NULL;
	} else {
		sa = espm_sad_find_locked(en, &name);
	}
	return sa ?: ERR_PTR(ESPM_REFUSE(info, NULL, -ENOENT, "there is no such SA"));
}

/* espctl sa reserve */
int esp_mod_nl_sa_reserve_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	u32 first = attrs[ESPM_A_SA_SPI] ? nla_get_u32(attrs[ESPM_A_SA_SPI]) : ESP_MOD_SPI_FIRST;
	u32 last = attrs[ESPM_A_SA_SPI_LAST] ? nla_get_u32(attrs[ESPM_A_SA_SPI_LAST]) :
		   attrs[ESPM_A_SA_SPI] ? first : ESP_MOD_SPI_LAST;
	struct espm_lifetime life = {
		.bound[ESPM_LIFE_SECONDS].hard = ESP_MOD_RESERVE_SECONDS * (u64)NSEC_PER_SEC,
	};
	struct espm_net *en = espm_nl_net(info);
	struct sk_buff *msg;
	struct espm_sa *sa;
	void *hdr;
	int err;

	err = espm_nl_may_configure(skb, info->extack) ?:
	      espm_nl_need(info, ESPM_A_SA_DST, "a reservation needs the address that packets will come to");
	if (err)
		return err;
	if (first < ESP_MOD_SPI_MIN || last < first)
		return ESPM_REFUSE(info, attrs[ESPM_A_SA_SPI], -EINVAL,
				   "a range of SPIs goes up, and begins at 256 or more");
	sa = espm_sa_alloc(en, ESPM_DIR_IN, 0, 0);
	if (!sa)
		return ESPM_REFUSE(info, NULL, -ENOMEM, "out of memory");
	msg = espm_nl_begin_reply(info, &hdr);
	err = msg ? 0 : -ENOMEM;
	if (!err)
		err = read_dst(info, attrs[ESPM_A_SA_DST], espm_sa_own_path(sa)) ?:
		      read_lifetime(info, &life) ?:
		      start_limits(info, sa, &life);
	if (!err && mutex_lock_killable(&en->lock))
		err = -EINTR;
	if (err) {
		espm_sa_free(sa);
		return msg ? espm_nl_finish_add(info, msg, hdr, err) : err;
	}
	err = espm_net_wake(en, info->extack) ?:
	      espm_sad_reserve(en, sa, first, last, info->extack);
	if (err) {
		espm_sa_free(sa);
	} else {
		espm_notify_sa(en, ESPM_CMD_SA_ADD_NTF, sa);
		if (nla_put_u32(msg, ESPM_A_SA_ID, sa->id) ||
		    nla_put_u32(msg, ESPM_A_SA_SPI, ntohl(sa->spi)))
			err = -EMSGSIZE;
	}
	espm_net_rest(en);
	mutex_unlock(&en->lock);
	return espm_nl_finish_add(info, msg, hdr, err);
}

static int read_path(struct genl_info *info, struct espm_sa *sa, struct espm_nl_change *change)
{
	struct espm_path *old = espm_sa_own_path(sa), *path;
	struct nlattr **attrs = info->attrs;
	int err = 0;

	if (!attrs[ESPM_A_SA_SRC] && !attrs[ESPM_A_SA_NEW_DST] && !attrs[ESPM_A_SA_ENCAP_SPORT] &&
	    !attrs[ESPM_A_SA_ENCAP_DPORT])
		return read_idle(info, old, &change->idle);
	path = espm_path_clone(old);
	if (!path)
		return ESPM_REFUSE(info, NULL, -ENOMEM, "out of memory");
	change->path = path;
	if (attrs[ESPM_A_SA_NEW_DST])
		err = read_dst(info, attrs[ESPM_A_SA_NEW_DST], path);
	if (!err && attrs[ESPM_A_SA_SRC])
		err = read_src(info, attrs[ESPM_A_SA_SRC], path);
	if (err)
		return err;
	if (path->name.family != old->name.family && !attrs[ESPM_A_SA_SRC])
		return ESPM_REFUSE(info, attrs[ESPM_A_SA_NEW_DST], -EINVAL,
				   "source and destination are of different families");
	err = read_encap(info, path) ?: read_idle(info, path, &change->idle);
	if (err)
		return err;
	/* Who keeps a mapping alive must go on having one. */
	if (!path->encap_sport && !change->idle.given && sa->idle_limit &&
	    sa->idle_kind == ESPM_IDLE_KEEPALIVE)
		return ESPM_REFUSE(info, attrs[ESPM_A_SA_ENCAP_SPORT], -EINVAL,
				   "the SA keeps a NAT's mapping alive: take keepalive away, too");
	return 0;
}

static const struct espm_limits *limits_of(const struct espm_net *en, const struct espm_sa *sa)
{
	return rcu_dereference_protected(sa->limits, lockdep_is_held(&en->lock));
}

static int read_limits(struct genl_info *info, struct espm_net *en, struct espm_sa *sa,
		       struct espm_nl_change *change)
{
	const struct espm_limits *limits = limits_of(en, sa);
	struct espm_lifetime life = {};
	int err;

	if (!info->attrs[ESPM_A_SA_LIFETIME])
		return 0;
	if (limits)
		life = limits->life;
	err = read_lifetime(info, &life) ?: make_limits(info, &life, &change->limits);
	change->limited = !err;
	return err;
}

static int change_reqid(struct genl_info *info, struct espm_net *en, struct espm_sa *sa,
			u32 reqid, struct espm_nl_change *change)
{
	struct espm_link *link;
	int err;

	if (reqid == sa->reqid)
		return 0;
	link = espm_sad_link_get(en, reqid);
	if (!link)
		return ESPM_REFUSE(info, NULL, -ENOMEM, "out of memory");
	err = espm_sad_admit_reqid(en, link, info->extack);
	if (err) {
		espm_sad_link_put(en, link);
		return err;
	}
	espm_sad_promise(en, link, 1);
	change->link = link;
	return 0;
}

/* Free what was made for a change; its path is not in the SAD. */
static void free_change(struct espm_net *en, struct espm_nl_change *change)
{
	espm_path_free(change->path);
	kfree(change->limits);
	if (change->link) {
		espm_sad_promise(en, change->link, -1);
		espm_sad_link_put(en, change->link);
	}
}

static int stage_change(struct genl_info *info, struct espm_net *en, struct espm_sa *sa,
			struct espm_nl_change *change, int err)
{
	if (!err && change->path)
		err = espm_sad_stage_move(en, sa, change->path, info->extack);
	if (err)
		free_change(en, change);
	else
		sa->changing = true;
	return err;
}

/**
 * espm_nl_sa_change_read() - prepare what a request changes of an SA
 * @info: the request
 * @en: the namespace, locked
 * @sa: the SA
 * @change: result
 *
 * Context: process, sleeps.
 * Return: 0, and espm_nl_sa_change_make() or espm_nl_sa_change_undo() must follow;
 * or an error, with its sentence.
 */
int espm_nl_sa_change_read(struct genl_info *info, struct espm_net *en, struct espm_sa *sa,
			   struct espm_nl_change *change)
{
	struct nlattr *reqid = info->attrs[ESPM_A_SA_REQID];
	int err;

	*change = (struct espm_nl_change){};
	if (!espm_sa_is_keyed(sa))
		return ESPM_REFUSE(info, NULL, -EBUSY,
				   "the SPI is reserved: there is no SA yet to update");
	if (sa->changing || READ_ONCE(sa->state) == ESPM_SA_LARVAL)
		return ESPM_REFUSE(info, NULL, -EBUSY,
				   "the transaction adds or changes this SA already: say it there");
	err = read_path(info, sa, change) ?: read_pin(info, sa, &change->pin) ?:
	      read_limits(info, en, sa, change);
	if (!err && reqid)
		err = change_reqid(info, en, sa, nla_get_u32(reqid), change);
	return stage_change(info, en, sa, change, err);
}

/* Is all the same of two SAs that no change could make so? */
static bool is_alike(const struct espm_sa *a, const struct espm_sa *b)
{
	return a->suite == b->suite && a->mode == b->mode && a->esn == b->esn &&
	       a->dscp == b->dscp && a->ecn == b->ecn && a->df == b->df && a->ttl == b->ttl &&
	       a->tfc == b->tfc && a->clamp_mss == b->clamp_mss && a->roam == b->roam &&
	       espm_selector_equal(&a->sel, &b->sel) &&
	       (!a->replay || a->replay->window == b->replay->window);
}

static bool is_same_path(const struct espm_path *a, const struct espm_path *b)
{
	return a->any_src == b->any_src && a->encap_sport == b->encap_sport &&
	       a->encap_dport == b->encap_dport && !memcmp(&a->name, &b->name, sizeof(a->name)) &&
	       !espm_addr_cmp(&a->src, &b->src, a->name.family);
}

/* @wanted: of an SA in the making; gets what was followed since */
static int change_path(struct genl_info *info, const struct espm_sa *sa,
		       struct espm_path *wanted, struct espm_nl_change *change)
{
	const struct espm_path *old = espm_sa_own_path(sa);

	/* Who followed its peer knows better where that is. */
	change->roamed = sa->roamed && wanted->name.family == old->name.family &&
			 !wanted->encap_sport == !old->encap_sport;
	if (change->roamed && sa->dir == ESPM_DIR_IN) {
		wanted->src = old->src;
		wanted->any_src = old->any_src;
		wanted->encap_sport = old->encap_sport;
	} else if (change->roamed) {
		wanted->name.dst = old->name.dst;
		wanted->encap_dport = old->encap_dport;
	}
	if (is_same_path(old, wanted))
		return 0;
	change->path = espm_path_clone(wanted);
	if (!change->path)
		return ESPM_REFUSE(info, NULL, -ENOMEM, "out of memory");
	change->path->sa = old->sa;
	return 0;
}

static int change_limits(struct genl_info *info, struct espm_net *en, const struct espm_sa *sa,
			 const struct espm_sa *wanted, struct espm_nl_change *change)
{
	const struct espm_limits *old = limits_of(en, sa), *new = limits_of(en, wanted);

	/* What was saved names the rest of its limits; here are the limits, and what is used. */
	if (info->attrs[ESPM_A_SA_SEQ])
		return 0;
	if (!old == !new && (!old || !memcmp(&old->life, &new->life, sizeof(old->life))))
		return 0;
	change->limited = true;
	return new ? make_limits(info, &new->life, &change->limits) : 0;
}

/**
 * espm_nl_sa_change_into() - prepare to make of an SA what another one would be
 * @info: the request
 * @en: the namespace, locked
 * @sa: an SA of its SAD
 * @wanted: a larval one of the same key, that stays the caller's; its path gets what
 *	the other one has followed
 * @change: result
 *
 * So an SA that is added again lives on: with the key go its sequence numbers,
 * lest a nonce comes twice, and its window, lest a packet does.
 *
 * Context: process, sleeps.
 * Return: as espm_nl_sa_change_read()
 */
int espm_nl_sa_change_into(struct genl_info *info, struct espm_net *en, struct espm_sa *sa,
			   const struct espm_sa *wanted, struct espm_nl_change *change)
{
	int err;

	*change = (struct espm_nl_change){};
	if (!espm_sa_usable(sa))
		return ESPM_REFUSE(info, info->attrs[ESPM_A_SA_KEY], -EKEYREJECTED,
				   "the SA with this key has expired: give the new one another key");
	if (!is_alike(sa, wanted))
		return ESPM_REFUSE(info, info->attrs[ESPM_A_SA_KEY], -EKEYREJECTED,
				   "the SA with this key differs in what no update can change: give the new one another key");
	if (sa->idle_limit != wanted->idle_limit ||
	    (sa->idle_limit && sa->idle_kind != wanted->idle_kind)) {
		change->idle.given = true;
		change->idle.kind = wanted->idle_kind;
		change->idle.limit = wanted->idle_limit;
	}
	change->pin = wanted->pin;
	err = change_path(info, sa, espm_sa_own_path(wanted), change) ?:
	      change_limits(info, en, sa, wanted, change) ?:
	      change_reqid(info, en, sa, wanted->reqid, change);
	return stage_change(info, en, sa, change, err);
}

/**
 * espm_nl_sa_change_undo() - let an SA be as it was
 * @en: the namespace, locked
 * @sa: the SA
 * @change: what was prepared
 *
 * Context: process.
 */
void espm_nl_sa_change_undo(struct espm_net *en, struct espm_sa *sa,
			    struct espm_nl_change *change)
{
	sa->changing = false;
	if (change->path)
		espm_sad_unstage_move(en, sa, change->path);
	change->path = NULL;
	free_change(en, change);
}

/**
 * espm_nl_sa_change_make() - change an SA
 * @en: the namespace, locked
 * @sa: the SA
 * @change: what was prepared, used up; its link, if any, the SA's by espm_sad_leave()
 *
 * Context: process, sleeps.
 */
void espm_nl_sa_change_make(struct espm_net *en, struct espm_sa *sa,
			    struct espm_nl_change *change)
{
	sa->changing = false;
	if (change->path) {
		espm_sad_move(en, sa, change->path);
		sa->roamed = change->roamed;
	}
	espm_sad_pin(en, sa, change->pin);
	if (change->link)
		espm_sad_join(en, sa);
	else
		espm_sad_choose(en, sa);
	if (change->limited)
		espm_expire_limit(sa, change->limits);
	if (change->idle.given) {
		espm_idle_set(sa, change->idle.kind, change->idle.limit);
		espm_idle_begin(sa);
	}
}

/* espctl sa show, of one SA */
int esp_mod_nl_sa_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = espm_nl_net(info);
	struct espm_sa *sa;
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = espm_nl_may_configure(skb, info->extack);
	if (err)
		return err;
	msg = espm_nl_begin_reply(info, &hdr);
	if (!msg)
		return -ENOMEM;
	rcu_read_lock();
	sa = find_rcu(info, en);
	err = IS_ERR(sa) ? PTR_ERR(sa) : espm_sa_fill(msg, sa);
	rcu_read_unlock();
	return espm_nl_finish_reply(info, msg, hdr, err);
}

/* espctl sa show */
int esp_mod_nl_sa_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct espm_net *en = espm_net_of(sock_net(skb->sk));
	unsigned long id = cb->args[0];
	struct espm_sa *sa;
	bool full = true;
	void *hdr;
	int err;

	/* Message by message, between changes. */
	if (mutex_lock_killable(&en->lock))
		return -EINTR;
	err = espm_nl_begin_dump(cb, en->sad.changes);
	rcu_read_lock();
	for (; !err && (sa = espm_sad_next_rcu(en, &id)); id++) {
		if (espm_sad_is_gone(sa))
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &espm_family,
				  NLM_F_MULTI, ESPM_CMD_SA_GET);
		if (!hdr)
			break;
		genl_dump_check_consistent(cb, hdr);
		if (espm_sa_fill(skb, sa)) {
			genlmsg_cancel(skb, hdr);
			/* One that no message can hold must not look like the end. */
			full = skb->len;
			break;
		}
		genlmsg_end(skb, hdr);
	}
	rcu_read_unlock();
	mutex_unlock(&en->lock);
	if (err)
		return err;
	cb->args[0] = id;
	return full ? skb->len : -EMSGSIZE;
}
