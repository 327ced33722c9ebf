// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: every handler checks the whole request before it
 * changes anything, and every refusal says why in one sentence.
 */
#include <linux/inetdevice.h>
#include <linux/module.h>
#include <linux/random.h>
#include <net/genetlink.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include "crypto.h"
#include "encap.h"
#include "expire.h"
#include "flow.h"
#include "idle.h"
#include "input.h"
#include "main.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "notify.h"
#include "output.h"
#include "selector.h"
#include "suite.h"

static bool userns;
module_param(userns, bool, 0644);
MODULE_PARM_DESC(userns, "let CAP_NET_ADMIN of a user namespace configure its own network namespaces");

#define REFUSE(info, attr, err, sentence) ({					\
	if (attr)								\
		NL_SET_BAD_ATTR((info)->extack, attr);				\
	NL_SET_ERR_MSG((info)->extack, sentence);				\
	err;									\
})

static int need(struct genl_info *info, int attr, const char *sentence)
{
	if (info->attrs[attr])
		return 0;
	NL_SET_ERR_ATTR_MISS(info->extack, NULL, attr);
	info->extack->_msg = sentence;
	return -EINVAL;
}

/* The operations' flag asks for the capability in the socket's user namespace. */
static int may_configure(const struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	if (READ_ONCE(userns) || netlink_capable(skb, CAP_NET_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack, "needs CAP_NET_ADMIN in the initial user namespace, or the module parameter userns=1");
	return -EPERM;
}

/**
 * espm_netlink_may_show() - may events of a namespace be told in it?
 * @net: the namespace
 *
 * Whoever has CAP_NET_ADMIN in the user namespace that owns it may listen; that
 * must be what may_configure() asks for.
 *
 * Return: true if so.
 */
bool espm_netlink_may_show(const struct net *net)
{
	return READ_ONCE(userns) || net->user_ns == &init_user_ns;
}

static struct espm_net *net_of(const struct genl_info *info)
{
	return espm_net_of(genl_info_net((struct genl_info *)info));
}

/* Selectors and addresses. */

static int read_addr(struct genl_info *info, const struct nlattr *attr, union espm_addr *addr,
		     u16 *addr_family)
{
	int len = nla_len(attr);

	if (len != sizeof(addr->v4) && len != sizeof(addr->v6))
		return REFUSE(info, attr, -EINVAL, "an address has 4 or 16 bytes");
	memset(addr, 0, sizeof(*addr));
	memcpy(addr, nla_data(attr), len);
	*addr_family = len == sizeof(addr->v4) ? AF_INET : AF_INET6;
	return 0;
}

static int read_range(struct genl_info *info, struct nlattr *first, struct nlattr *last,
		      union espm_addr *lo, union espm_addr *hi, u8 *sel_family)
{
	u16 families[2];
	int err;

	if (!first && !last)
		return 0;
	if (!first || !last)
		return REFUSE(info, first ?: last, -EINVAL,
			      "a range of addresses needs its first and its last one");
	err = read_addr(info, first, lo, &families[0]);
	if (!err)
		err = read_addr(info, last, hi, &families[1]);
	if (err)
		return err;
	if (families[0] != families[1] || (*sel_family && families[0] != *sel_family))
		return REFUSE(info, first, -EINVAL, "addresses of both families in one selector");
	if (espm_addr_cmp(lo, hi, families[0]) > 0)
		return REFUSE(info, first, -EINVAL, "the range of addresses ends before it begins");
	*sel_family = families[0];
	return 0;
}

static int read_ports(struct genl_info *info, struct nlattr *first, struct nlattr *last, u16 *lo,
		      u16 *hi)
{
	if (!first && !last)
		return 0;
	if (!first || !last)
		return REFUSE(info, first ?: last, -EINVAL,
			      "a range of ports needs its first and its last one");
	*lo = nla_get_u16(first);
	*hi = nla_get_u16(last);
	if (*lo > *hi)
		return REFUSE(info, first, -EINVAL, "the range of ports ends before it begins");
	return 0;
}

static bool has_ports(u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return true;
	default:
		return false;
	}
}

/* @sel_family narrows the selector, if the request names one elsewhere. */
static int read_selector(struct genl_info *info, struct nlattr *nest, u8 sel_family,
			 struct espm_selector *sel)
{
	struct nlattr *tb[ESPM_A_SEL_DPORT_LAST + 1] = {};
	struct espm_selector any;
	bool ports;
	int err;

	if (nest) {
		err = nla_parse_nested(tb, ESPM_A_SEL_DPORT_LAST, nest, esp_mod_selector_nl_policy,
				       info->extack);
		if (err)
			return err;
	}
	espm_selector_any(sel, 0);
	err = read_range(info, tb[ESPM_A_SEL_SRC_FIRST], tb[ESPM_A_SEL_SRC_LAST],
			 &sel->src_first, &sel->src_last, &sel_family);
	if (!err)
		err = read_range(info, tb[ESPM_A_SEL_DST_FIRST], tb[ESPM_A_SEL_DST_LAST],
				 &sel->dst_first, &sel->dst_last, &sel_family);
	if (err)
		return err;

	/* What was left out covers the whole family. */
	espm_selector_any(&any, sel_family);
	sel->family = sel_family;
	if (!tb[ESPM_A_SEL_SRC_FIRST])
		sel->src_last = any.src_last;
	if (!tb[ESPM_A_SEL_DST_FIRST])
		sel->dst_last = any.dst_last;

	if (tb[ESPM_A_SEL_PROTOCOL]) {
		sel->any_proto = false;
		sel->proto = nla_get_u8(tb[ESPM_A_SEL_PROTOCOL]);
	}
	ports = tb[ESPM_A_SEL_SPORT_FIRST] || tb[ESPM_A_SEL_SPORT_LAST] ||
		tb[ESPM_A_SEL_DPORT_FIRST] || tb[ESPM_A_SEL_DPORT_LAST];
	if (ports && (sel->any_proto || !has_ports(sel->proto)))
		return REFUSE(info, nest, -EINVAL, "ports need a protocol that has them");
	err = read_ports(info, tb[ESPM_A_SEL_SPORT_FIRST], tb[ESPM_A_SEL_SPORT_LAST],
			 &sel->sport_first, &sel->sport_last);
	if (!err)
		err = read_ports(info, tb[ESPM_A_SEL_DPORT_FIRST], tb[ESPM_A_SEL_DPORT_LAST],
				 &sel->dport_first, &sel->dport_last);
	return err;
}

static int addr_fill(struct sk_buff *msg, int attr, const union espm_addr *addr, u8 addr_family)
{
	return nla_put(msg, attr, addr_family == AF_INET ? sizeof(addr->v4) : sizeof(addr->v6),
		       addr);
}

static int selector_fill(struct sk_buff *msg, int attr, const struct espm_selector *sel)
{
	struct espm_selector any;
	struct nlattr *nest;

	nest = nla_nest_start(msg, attr);
	if (!nest)
		return -EMSGSIZE;
	espm_selector_any(&any, sel->family);
	if (sel->family &&
	    (espm_addr_cmp(&sel->src_first, &any.src_first, sel->family) ||
	     espm_addr_cmp(&sel->src_last, &any.src_last, sel->family)) &&
	    (addr_fill(msg, ESPM_A_SEL_SRC_FIRST, &sel->src_first, sel->family) ||
	     addr_fill(msg, ESPM_A_SEL_SRC_LAST, &sel->src_last, sel->family)))
		return -EMSGSIZE;
	if (sel->family &&
	    (espm_addr_cmp(&sel->dst_first, &any.dst_first, sel->family) ||
	     espm_addr_cmp(&sel->dst_last, &any.dst_last, sel->family)) &&
	    (addr_fill(msg, ESPM_A_SEL_DST_FIRST, &sel->dst_first, sel->family) ||
	     addr_fill(msg, ESPM_A_SEL_DST_LAST, &sel->dst_last, sel->family)))
		return -EMSGSIZE;
	if (!sel->any_proto && nla_put_u8(msg, ESPM_A_SEL_PROTOCOL, sel->proto))
		return -EMSGSIZE;
	if ((sel->sport_first != any.sport_first || sel->sport_last != any.sport_last) &&
	    (nla_put_u16(msg, ESPM_A_SEL_SPORT_FIRST, sel->sport_first) ||
	     nla_put_u16(msg, ESPM_A_SEL_SPORT_LAST, sel->sport_last)))
		return -EMSGSIZE;
	if ((sel->dport_first != any.dport_first || sel->dport_last != any.dport_last) &&
	    (nla_put_u16(msg, ESPM_A_SEL_DPORT_FIRST, sel->dport_first) ||
	     nla_put_u16(msg, ESPM_A_SEL_DPORT_LAST, sel->dport_last)))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int counter_fill(struct sk_buff *msg, int attr, int pad, enum espm_counter id, u64 value)
{
	struct nlattr *nest;

	nest = nla_nest_start(msg, attr);
	if (!nest || nla_put_string(msg, ESPM_A_COUNTER_NAME, espm_counter_name(id)) ||
	    nla_put_u64_64bit(msg, ESPM_A_COUNTER_VALUE, value, ESPM_A_COUNTER_PAD) ||
	    nla_put_string(msg, ESPM_A_COUNTER_DESCRIPTION, espm_counter_sentence(id)) ||
	    (espm_counter_is_drop(id) && nla_put_flag(msg, ESPM_A_COUNTER_DROP)))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/* Replies. */

static struct sk_buff *begin_reply(struct genl_info *info, void **hdr)
{
	struct sk_buff *msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (!msg)
		return NULL;
	*hdr = genlmsg_put_reply(msg, info, &espm_family, 0, info->genlhdr->cmd);
	if (!*hdr) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int finish_reply(struct genl_info *info, struct sk_buff *msg, void *hdr, int err)
{
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/*
 * The answer to an addition, which stands: whoever cannot take the answer must not
 * be told that it failed.
 */
static int finish_add(struct genl_info *info, struct sk_buff *msg, void *hdr, int err)
{
	int said = finish_reply(info, msg, hdr, err);

	return err ? said : 0;
}

/* Security associations. */

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
	int err = read_addr(info, attr, &path->src, &src_family);

	if (err)
		return err;
	path->any_src = is_any(&path->src);
	if (src_family != path->name.family)
		return REFUSE(info, attr, -EINVAL,
			      "source and destination are of different families");
	if (!path->any_src && !is_unicast(&path->src, src_family))
		return REFUSE(info, attr, -EINVAL, "the source must be a unicast address");
	return 0;
}

static int read_dst(struct genl_info *info, struct nlattr *attr, struct espm_path *path)
{
	int err = read_addr(info, attr, &path->name.dst, &path->name.family);

	if (err)
		return err;
	if (is_any(&path->name.dst) && path->name.dir == ESPM_DIR_OUT)
		return REFUSE(info, attr, -EINVAL,
			      "an outbound SA sends to somebody: it needs a destination");
	if (!is_any(&path->name.dst) && !is_unicast(&path->name.dst, path->name.family))
		return REFUSE(info, attr, -EINVAL, "the destination must be a unicast address");
	return 0;
}

static int read_encap(struct genl_info *info, struct espm_path *path)
{
	struct nlattr *sport = info->attrs[ESPM_A_SA_ENCAP_SPORT];
	struct nlattr *dport = info->attrs[ESPM_A_SA_ENCAP_DPORT];

	if (!sport && !dport)
		return 0;
	if (!sport || !dport)
		return REFUSE(info, sport ?: dport, -EINVAL,
			      "UDP encapsulation needs a source and a destination port");
	if (!nla_get_u16(sport) != !nla_get_u16(dport))
		return REFUSE(info, nla_get_u16(sport) ? dport : sport, -EINVAL,
			      "port 0 takes UDP away, and needs to be both");
	path->encap_sport = htons(nla_get_u16(sport));
	path->encap_dport = htons(nla_get_u16(dport));
	return 0;
}

static int read_suite(struct genl_info *info, struct espm_sa *sa)
{
	struct nlattr *name = info->attrs[ESPM_A_SA_SUITE];
	struct nlattr *key = info->attrs[ESPM_A_SA_KEY];
	struct crypto_aead *tfm;

	sa->suite = espm_suite_find(nla_data(name));
	if (!sa->suite) {
		NL_SET_BAD_ATTR(info->extack, name);
		info->extack->_msg = espm_suite_refusal(nla_data(name));
		return -EOPNOTSUPP;
	}
	if (nla_len(key) < espm_suite_key_len(sa->suite))
		return REFUSE(info, key, -EINVAL, "the key is too short for its suite");
	if (nla_len(key) > espm_suite_key_len(sa->suite))
		return REFUSE(info, key, -EINVAL, "the key is too long for its suite");
	tfm = espm_crypto_alloc(sa->suite, sa->esn, nla_data(key), info->extack);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	sa->tfm = tfm;
	espm_crypto_fingerprint(sa->fingerprint, sa->suite, nla_data(key));
	espm_crypto_key_name(sa->key_name, sa->suite, nla_data(key));
	get_random_bytes(&sa->iv_mix, sizeof(sa->iv_mix));
	return 0;
}

static int read_window(struct genl_info *info, u8 dir, bool esn, u32 *window)
{
	struct nlattr *attr = info->attrs[ESPM_A_SA_REPLAY_WINDOW];

	*window = attr ? nla_get_u32(attr) : ESPM_WINDOW_DEFAULT;
	if (dir == ESPM_DIR_OUT && attr)
		return REFUSE(info, attr, -EINVAL, "only an inbound SA has a replay window");
	if (*window > ESPM_WINDOW_MAX)
		return REFUSE(info, attr, -ERANGE, "a replay window has 65536 packets at most");
	if (esn && !*window)
		return REFUSE(info, attr, -EINVAL,
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
			return REFUSE(info, attrs[only_tunnel[i]], -EINVAL,
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

/**
 * struct idle - what a request says of an SA that has nothing to send
 * @given: whether it says anything
 * @kind: what is sent then
 * @limit: after how many seconds
 */
struct idle {
	bool given;
	enum espm_idle kind;
	u16 limit;
};

static int read_idle(struct genl_info *info, const struct espm_path *path, struct idle *idle)
{
	struct nlattr *keepalive = info->attrs[ESPM_A_SA_KEEPALIVE];
	struct nlattr *dummy = info->attrs[ESPM_A_SA_DUMMY];
	bool outbound = path->name.dir == ESPM_DIR_OUT;

	idle->given = keepalive || dummy;
	if (keepalive && nla_get_u16(keepalive)) {
		if (!outbound || !path->encap_sport)
			return REFUSE(info, keepalive, -EINVAL,
				      "only an outbound SA with UDP encapsulation keeps a NAT's mapping alive");
		if (dummy && nla_get_u16(dummy))
			return REFUSE(info, dummy, -EINVAL,
				      "keepalive or dummy: a dummy packet keeps a NAT's mapping, too");
		idle->kind = ESPM_IDLE_KEEPALIVE;
		idle->limit = nla_get_u16(keepalive);
	} else if (dummy && nla_get_u16(dummy)) {
		if (!outbound)
			return REFUSE(info, dummy, -EINVAL, "only an outbound SA sends dummy packets");
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
		return REFUSE(info, attr, -ERANGE, "no sequence number is left behind this one");
	if (seq && sa->dir == ESPM_DIR_OUT)
		atomic64_set(&sa->seq, seq);
	else if (seq)
		espm_replay_resume(sa->replay, seq);
	return 0;
}

static int read_roam(struct genl_info *info, struct espm_sa *sa)
{
	struct nlattr *attr = info->attrs[ESPM_A_SA_ROAM];

	if (!attr || !nla_get_u8(attr))
		return 0;
	if (sa->dir != ESPM_DIR_IN || !sa->replay->window)
		return REFUSE(info, attr, -EINVAL,
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
		return REFUSE(info, nest, -EINVAL,
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
	return *limits ? 0 : REFUSE(info, NULL, -ENOMEM, "out of memory");
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

static int sa_read(struct genl_info *info, struct espm_net *en, struct espm_sa **result)
{
	struct nlattr **attrs = info->attrs;
	struct espm_lifetime life = {};
	struct espm_path *path;
	struct idle idle = {};
	struct espm_sa *sa;
	u32 spi, window;
	bool esn;
	u8 dir;
	int err;

	err = need(info, ESPM_A_SA_SPI, "an SA needs an SPI") ?:
	      need(info, ESPM_A_SA_DIRECTION, "an SA needs a direction") ?:
	      need(info, ESPM_A_SA_MODE, "an SA needs a mode, transport or tunnel") ?:
	      need(info, ESPM_A_SA_SRC, "an SA needs a source address") ?:
	      need(info, ESPM_A_SA_DST, "an SA needs a destination address") ?:
	      need(info, ESPM_A_SA_SUITE, "an SA needs a suite, such as aes128gcm16") ?:
	      need(info, ESPM_A_SA_KEY, "an SA needs a key") ?:
	      need(info, ESPM_A_SA_REQID, "an SA needs a reqid, by which policies name it");
	if (err)
		return err;
	spi = nla_get_u32(attrs[ESPM_A_SA_SPI]);
	if (spi < ESP_MOD_SPI_MIN)
		return REFUSE(info, attrs[ESPM_A_SA_SPI], -EINVAL,
			      "SPIs 0 to 255 are reserved (RFC 4303): choose 256 or more");
	dir = nla_get_u8(attrs[ESPM_A_SA_DIRECTION]);
	esn = !attrs[ESPM_A_SA_ESN] || nla_get_u8(attrs[ESPM_A_SA_ESN]);
	if (dir == ESPM_DIR_OUT && attrs[ESPM_A_SA_SELECTOR])
		return REFUSE(info, attrs[ESPM_A_SA_SELECTOR], -EINVAL,
			      "only an inbound SA has a selector: policies select what goes out");
	err = read_window(info, dir, esn, &window);
	if (err)
		return err;

	sa = espm_sa_alloc(en, dir, htonl(spi), window);
	if (!sa)
		return REFUSE(info, NULL, -ENOMEM, "out of memory");
	sa->esn = esn;
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
	      read_selector(info, attrs[ESPM_A_SA_SELECTOR], 0, &sa->sel) ?:
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
	u64 packets, bytes, seq, drops;
	u32 i;

	espm_sa_load_sum(sa, &packets, &bytes);
	if (sa->dir == ESPM_DIR_OUT) {
		seq = atomic64_read(&sa->seq);
	} else {
		spin_lock_bh(&sa->rx_lock);
		seq = sa->replay->top;
		spin_unlock_bh(&sa->rx_lock);
	}

	if (nla_put_u32(msg, ESPM_A_SA_ID, sa->id) ||
	    nla_put_u32(msg, ESPM_A_SA_SPI, ntohl(sa->spi)) ||
	    nla_put_u8(msg, ESPM_A_SA_DIRECTION, sa->dir) ||
	    nla_put_u8(msg, ESPM_A_SA_MODE, sa->mode) ||
	    addr_fill(msg, ESPM_A_SA_SRC, &path->src, path->name.family) ||
	    addr_fill(msg, ESPM_A_SA_DST, &path->name.dst, path->name.family) ||
	    nla_put_string(msg, ESPM_A_SA_SUITE, sa->suite->name) ||
	    nla_put_u32(msg, ESPM_A_SA_REQID, sa->reqid) ||
	    nla_put_u8(msg, ESPM_A_SA_ESN, sa->esn) ||
	    nla_put_u8(msg, ESPM_A_SA_STATE, READ_ONCE(sa->state)) ||
	    nla_put_u64_64bit(msg, ESPM_A_SA_SEQ, seq, ESPM_A_SA_PAD) ||
	    nla_put_u64_64bit(msg, ESPM_A_SA_PACKETS, packets, ESPM_A_SA_PAD) ||
	    nla_put_u64_64bit(msg, ESPM_A_SA_BYTES, bytes, ESPM_A_SA_PAD) ||
	    nla_put(msg, ESPM_A_SA_FINGERPRINT, sizeof(sa->fingerprint), sa->fingerprint) ||
	    nla_put_string(msg, ESPM_A_SA_DRIVER, espm_crypto_driver(sa)) ||
	    nla_put_u32(msg, ESPM_A_SA_OVERHEAD,
			espm_path_fixed_len(path) + ESPM_TAIL_LEN + sa->suite->block - 1))
		return -EMSGSIZE;
	if (sa->dir == ESPM_DIR_IN &&
	    (nla_put_u8(msg, ESPM_A_SA_ROAM, sa->roam) ||
	     nla_put_u32(msg, ESPM_A_SA_REPLAY_WINDOW, sa->replay->window) ||
	     selector_fill(msg, ESPM_A_SA_SELECTOR, &sa->sel)))
		return -EMSGSIZE;
	if (path->encap_sport &&
	    (nla_put_u16(msg, ESPM_A_SA_ENCAP_SPORT, ntohs(path->encap_sport)) ||
	     nla_put_u16(msg, ESPM_A_SA_ENCAP_DPORT, ntohs(path->encap_dport))))
		return -EMSGSIZE;
	if (nla_put_u8(msg, ESPM_A_SA_MSS_CLAMP, sa->clamp_mss) ||
	    (sa->dir == ESPM_DIR_OUT && outer_fill(msg, sa)) || age_fill(msg, sa))
		return -EMSGSIZE;
	for (i = 0; i < ESPM_COUNTERS; i++) {
		drops = atomic_long_read(&sa->drops.count[i]);
		if (drops && counter_fill(msg, ESPM_A_SA_DROPS, ESPM_A_SA_PAD, i, drops))
			return -EMSGSIZE;
	}
	return 0;
}

/* The SA that a request names; under rcu_read_lock() or the namespace's lock. */
static struct espm_sa *sa_find(struct genl_info *info, struct espm_net *en)
{
	struct nlattr **attrs = info->attrs;
	struct espm_sa_name name = {};
	struct espm_path *path;
	struct espm_sa *sa;
	int err;

	if (attrs[ESPM_A_SA_ID]) {
		if (attrs[ESPM_A_SA_SPI] || attrs[ESPM_A_SA_DST] || attrs[ESPM_A_SA_DIRECTION]) {
			NL_SET_ERR_MSG(info->extack,
				       "name the SA by its id, or by SPI, destination and direction, not by both");
			return ERR_PTR(-EINVAL);
		}
		sa = espm_sad_find_id_rcu(en, nla_get_u32(attrs[ESPM_A_SA_ID]));
	} else {
		if (!attrs[ESPM_A_SA_SPI] || !attrs[ESPM_A_SA_DST] || !attrs[ESPM_A_SA_DIRECTION]) {
			NL_SET_ERR_MSG(info->extack,
				       "name the SA by its id, or by SPI, destination and direction");
			return ERR_PTR(-EINVAL);
		}
		err = read_addr(info, attrs[ESPM_A_SA_DST], &name.dst, &name.family);
		if (err)
			return ERR_PTR(err);
		name.spi = htonl(nla_get_u32(attrs[ESPM_A_SA_SPI]));
		name.dir = nla_get_u8(attrs[ESPM_A_SA_DIRECTION]);
		path = espm_sad_find_rcu(en, &name);
		sa = path ? path->sa : NULL;
	}
	if (!sa) {
		NL_SET_ERR_MSG(info->extack, "there is no such SA");
		return ERR_PTR(-ENOENT);
	}
	return sa;
}

/* The request, and the refusal that quotes it, outlive us. */
static void wipe_keys(struct genl_info *info)
{
	struct nlattr *attr;
	int rest;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rest)
		if (nla_type(attr) == ESPM_A_SA_KEY)
			memzero_explicit(nla_data(attr), nla_len(attr));
}

/* espctl sa add */
int esp_mod_nl_sa_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct sk_buff *msg;
	struct espm_sa *sa;
	void *hdr;
	int err;

	err = may_configure(skb, info->extack);
	if (!err)
		err = sa_read(info, en, &sa);
	wipe_keys(info);
	if (err)
		return err;
	/* Nothing may fail once the SA is there. */
	msg = begin_reply(info, &hdr);
	if (!msg) {
		espm_sa_free(sa);
		return -ENOMEM;
	}

	mutex_lock(&en->lock);
	err = espm_net_wake(en, info->extack);
	if (!err)
		err = espm_sad_add(en, sa, info->extack);
	if (err)
		espm_sa_free(sa);
	else
		err = nla_put_u32(msg, ESPM_A_SA_ID, sa->id);
	if (!err) {
		espm_idle_begin(sa);
		espm_notify_sa(en, ESPM_CMD_SA_ADD_NTF, sa);
	}
	mutex_unlock(&en->lock);
	return finish_add(info, msg, hdr, err);
}

/*
 * What an update makes of an SA, in the order in which it is done: what may fail
 * is prepared, or comes first.
 */
struct change {
	struct espm_path *path;		/* or NULL: as it is */
	struct espm_link *link;		/* or NULL: as it is */
	bool limited;
	struct espm_limits *limits;
	struct idle idle;
};

static int read_path(struct genl_info *info, struct espm_sa *sa, struct change *change)
{
	struct espm_path *old = espm_sa_own_path(sa), *path;
	struct nlattr **attrs = info->attrs;
	int err = 0;

	if (!attrs[ESPM_A_SA_SRC] && !attrs[ESPM_A_SA_NEW_DST] && !attrs[ESPM_A_SA_ENCAP_SPORT] &&
	    !attrs[ESPM_A_SA_ENCAP_DPORT])
		return read_idle(info, old, &change->idle);
	path = espm_path_clone(old);
	if (!path)
		return REFUSE(info, NULL, -ENOMEM, "out of memory");
	change->path = path;
	if (attrs[ESPM_A_SA_NEW_DST])
		err = read_dst(info, attrs[ESPM_A_SA_NEW_DST], path);
	if (!err && attrs[ESPM_A_SA_SRC])
		err = read_src(info, attrs[ESPM_A_SA_SRC], path);
	if (err)
		return err;
	if (path->name.family != old->name.family && !attrs[ESPM_A_SA_SRC])
		return REFUSE(info, attrs[ESPM_A_SA_NEW_DST], -EINVAL,
			      "source and destination are of different families");
	err = read_encap(info, path) ?: read_idle(info, path, &change->idle);
	if (err)
		return err;
	/* Who keeps a mapping alive must go on having one. */
	if (!path->encap_sport && !change->idle.given && sa->idle_limit &&
	    sa->idle_kind == ESPM_IDLE_KEEPALIVE)
		return REFUSE(info, attrs[ESPM_A_SA_ENCAP_SPORT], -EINVAL,
			      "the SA keeps a NAT's mapping alive: take keepalive away, too");
	return 0;
}

static int read_change(struct genl_info *info, struct espm_net *en, struct espm_sa *sa,
		       struct change *change)
{
	struct nlattr *reqid = info->attrs[ESPM_A_SA_REQID];
	const struct espm_limits *limits;
	struct espm_lifetime life = {};
	int err = read_path(info, sa, change);

	if (!err && info->attrs[ESPM_A_SA_LIFETIME]) {
		limits = rcu_dereference_protected(sa->limits, lockdep_is_held(&en->lock));
		if (limits)
			life = limits->life;
		err = read_lifetime(info, &life) ?: make_limits(info, &life, &change->limits);
		change->limited = !err;
	}
	if (!err && reqid && nla_get_u32(reqid) != sa->reqid) {
		change->link = espm_sad_link_get(en, nla_get_u32(reqid));
		if (!change->link)
			err = REFUSE(info, NULL, -ENOMEM, "out of memory");
	}
	return err;
}

static int apply(struct espm_net *en, struct espm_sa *sa, struct change *change,
		 struct netlink_ext_ack *extack)
{
	int err = change->path ? espm_sad_move(en, sa, change->path, extack) : 0;

	if (err)
		return err;
	if (change->link)
		espm_sad_relink(en, sa, change->link);
	if (change->limited)
		espm_expire_limit(sa, change->limits);
	if (change->idle.given) {
		espm_idle_set(sa, change->idle.kind, change->idle.limit);
		espm_idle_begin(sa);
	}
	return 0;
}

/* espctl sa update */
int esp_mod_nl_sa_update_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct change change = {};
	struct espm_sa *sa;
	int err;

	err = may_configure(skb, info->extack);
	if (err)
		return err;
	mutex_lock(&en->lock);
	rcu_read_lock();
	sa = sa_find(info, en);
	rcu_read_unlock();
	/* The lock keeps it. */
	err = PTR_ERR_OR_ZERO(sa);
	if (!err)
		err = read_change(info, en, sa, &change);
	if (!err)
		err = apply(en, sa, &change, info->extack);
	if (err) {
		espm_path_free(change.path);
		kfree(change.limits);
		if (change.link)
			espm_sad_link_put(en, change.link);
	} else {
		espm_notify_sa(en, ESPM_CMD_SA_UPDATE_NTF, sa);
	}
	mutex_unlock(&en->lock);
	return err;
}

/* espctl sa del */
int esp_mod_nl_sa_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct espm_sa *sa;
	int err;

	err = may_configure(skb, info->extack);
	if (err)
		return err;
	mutex_lock(&en->lock);
	rcu_read_lock();
	sa = sa_find(info, en);
	rcu_read_unlock();
	/* The lock keeps it. */
	if (IS_ERR(sa)) {
		err = PTR_ERR(sa);
	} else {
		espm_notify_sa(en, ESPM_CMD_SA_DEL_NTF, sa);
		espm_sad_del(en, sa);
	}
	mutex_unlock(&en->lock);
	return err;
}

/* espctl sa show, of one SA */
int esp_mod_nl_sa_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct espm_sa *sa;
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = may_configure(skb, info->extack);
	if (err)
		return err;
	msg = begin_reply(info, &hdr);
	if (!msg)
		return -ENOMEM;
	rcu_read_lock();
	sa = sa_find(info, en);
	err = IS_ERR(sa) ? PTR_ERR(sa) : espm_sa_fill(msg, sa);
	rcu_read_unlock();
	return finish_reply(info, msg, hdr, err);
}

/* A dump shows all: what would narrow it down is not understood. */
static int begin_dump(struct netlink_callback *cb, u32 changes)
{
	int err = may_configure(cb->skb, cb->extack);

	if (err)
		return err;
	if (nlmsg_attrlen(cb->nlh, GENL_HDRLEN)) {
		NL_SET_ERR_MSG(cb->extack, "a dump takes no attributes");
		return -EINVAL;
	}
	/* Else the messages say that the list has changed meanwhile. */
	cb->seq = changes ?: 1;
	return 0;
}

/* espctl sa show */
int esp_mod_nl_sa_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct espm_net *en = espm_net_of(sock_net(skb->sk));
	unsigned long id = cb->args[0];
	struct espm_sa *sa;
	void *hdr;
	int err;

	err = begin_dump(cb, READ_ONCE(en->sad.changes));
	if (err)
		return err;
	rcu_read_lock();
	for (; (sa = espm_sad_next_rcu(en, &id)); id++) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &espm_family,
				  NLM_F_MULTI, ESPM_CMD_SA_GET);
		if (!hdr)
			break;
		genl_dump_check_consistent(cb, hdr);
		if (espm_sa_fill(skb, sa)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
	}
	rcu_read_unlock();
	cb->args[0] = id;
	return skb->len;
}

/* espctl sa flush */
int esp_mod_nl_sa_flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	int err;

	err = may_configure(skb, info->extack);
	if (err)
		return err;
	mutex_lock(&en->lock);
	espm_sad_flush(en);
	espm_notify_flush(en, ESPM_CMD_SA_FLUSH_NTF);
	mutex_unlock(&en->lock);
	return 0;
}

/* Policies. */

static int policy_read(struct genl_info *info, struct espm_policy *policy)
{
	struct nlattr **attrs = info->attrs;
	u8 sel_family = 0;
	int err;

	err = need(info, ESPM_A_POLICY_DIRECTION, "a policy needs a direction") ?:
	      need(info, ESPM_A_POLICY_ACTION, "a policy needs an action: bypass, discard or protect");
	if (err)
		return err;
	memset(policy, 0, sizeof(*policy));
	policy->key.dir = nla_get_u8(attrs[ESPM_A_POLICY_DIRECTION]);
	policy->action = nla_get_u8(attrs[ESPM_A_POLICY_ACTION]);
	policy->priority = attrs[ESPM_A_POLICY_PRIORITY] ?
			   nla_get_u32(attrs[ESPM_A_POLICY_PRIORITY]) : ESP_MOD_PRIORITY_DEFAULT;
	if (policy->action == ESPM_ACTION_PROTECT) {
		err = need(info, ESPM_A_POLICY_REQID, "protect needs the reqid of its SAs");
		if (err)
			return err;
		policy->reqid = nla_get_u32(attrs[ESPM_A_POLICY_REQID]);
	} else if (attrs[ESPM_A_POLICY_REQID]) {
		return REFUSE(info, attrs[ESPM_A_POLICY_REQID], -EINVAL,
			      "only protect has a reqid");
	}
	if (attrs[ESPM_A_POLICY_FAMILY]) {
		switch (nla_get_u8(attrs[ESPM_A_POLICY_FAMILY])) {
		case 4:
			sel_family = AF_INET;
			break;
		case 6:
			sel_family = AF_INET6;
			break;
		default:
			return REFUSE(info, attrs[ESPM_A_POLICY_FAMILY], -EINVAL,
				      "the family is 4 or 6");
		}
	}
	return read_selector(info, attrs[ESPM_A_POLICY_SELECTOR], sel_family, &policy->sel);
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
	if (nla_put_u32(msg, ESPM_A_POLICY_ID, policy->id) ||
	    nla_put_u8(msg, ESPM_A_POLICY_DIRECTION, policy->key.dir) ||
	    nla_put_u32(msg, ESPM_A_POLICY_PRIORITY, policy->priority) ||
	    nla_put_u8(msg, ESPM_A_POLICY_ACTION, policy->action) ||
	    (policy->reqid && nla_put_u32(msg, ESPM_A_POLICY_REQID, policy->reqid)) ||
	    (policy->sel.family &&
	     nla_put_u8(msg, ESPM_A_POLICY_FAMILY, policy->sel.family == AF_INET ? 4 : 6)) ||
	    selector_fill(msg, ESPM_A_POLICY_SELECTOR, &policy->sel) ||
	    nla_put_u64_64bit(msg, ESPM_A_POLICY_PACKETS, espm_policy_hits(policy),
			      ESPM_A_POLICY_PAD))
		return -EMSGSIZE;
	return 0;
}

/* The policy that a request names; under rcu_read_lock() or the namespace's lock. */
static struct espm_policy *policy_find(struct genl_info *info, struct espm_net *en)
{
	struct espm_policy *policy;
	int err;

	err = need(info, ESPM_A_POLICY_ID, "name the policy by its id");
	if (err)
		return ERR_PTR(err);
	policy = espm_spd_find_id_rcu(en, nla_get_u32(info->attrs[ESPM_A_POLICY_ID]));
	if (!policy) {
		NL_SET_ERR_MSG(info->extack, "there is no such policy");
		return ERR_PTR(-ENOENT);
	}
	return policy;
}

/* espctl policy add */
int esp_mod_nl_policy_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct espm_policy policy;
	struct sk_buff *msg;
	void *hdr;
	u32 id;
	int err;

	err = may_configure(skb, info->extack);
	if (!err)
		err = policy_read(info, &policy);
	if (err)
		return err;
	/* Nothing may fail once the policy is there. */
	msg = begin_reply(info, &hdr);
	if (!msg)
		return -ENOMEM;

	mutex_lock(&en->lock);
	err = espm_net_wake(en, info->extack);
	if (!err)
		err = espm_spd_add(en, &policy, &id, info->extack);
	if (!err)
		espm_notify_policy(en, ESPM_CMD_POLICY_ADD_NTF, espm_spd_find_id_rcu(en, id));
	mutex_unlock(&en->lock);
	if (!err)
		err = nla_put_u32(msg, ESPM_A_POLICY_ID, id);
	return finish_add(info, msg, hdr, err);
}

/* espctl policy del */
int esp_mod_nl_policy_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct espm_policy *policy;
	int err;

	err = may_configure(skb, info->extack);
	if (err)
		return err;
	mutex_lock(&en->lock);
	policy = policy_find(info, en);
	if (IS_ERR(policy)) {
		err = PTR_ERR(policy);
	} else {
		espm_notify_policy(en, ESPM_CMD_POLICY_DEL_NTF, policy);
		espm_spd_del(en, policy);
	}
	mutex_unlock(&en->lock);
	return err;
}

/* espctl policy show, of one policy */
int esp_mod_nl_policy_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct espm_policy *policy;
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = may_configure(skb, info->extack);
	if (err)
		return err;
	msg = begin_reply(info, &hdr);
	if (!msg)
		return -ENOMEM;
	rcu_read_lock();
	policy = policy_find(info, en);
	err = IS_ERR(policy) ? PTR_ERR(policy) : espm_policy_fill(msg, policy);
	rcu_read_unlock();
	return finish_reply(info, msg, hdr, err);
}

/* espctl policy show */
int esp_mod_nl_policy_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct espm_net *en = espm_net_of(sock_net(skb->sk));
	unsigned long id = cb->args[0];
	struct espm_policy *policy;
	void *hdr;
	int err;

	err = begin_dump(cb, espm_spd_generation(&en->spd));
	if (err)
		return err;
	rcu_read_lock();
	for (; (policy = espm_spd_next_rcu(en, &id)); id++) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &espm_family,
				  NLM_F_MULTI, ESPM_CMD_POLICY_GET);
		if (!hdr)
			break;
		genl_dump_check_consistent(cb, hdr);
		if (espm_policy_fill(skb, policy)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
	}
	rcu_read_unlock();
	cb->args[0] = id;
	return skb->len;
}

/* espctl policy flush */
int esp_mod_nl_policy_flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	int err;

	err = may_configure(skb, info->extack);
	if (err)
		return err;
	mutex_lock(&en->lock);
	espm_spd_flush(en);
	espm_notify_flush(en, ESPM_CMD_POLICY_FLUSH_NTF);
	mutex_unlock(&en->lock);
	return 0;
}

/* Counters. */

/* espctl stats */
int esp_mod_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct sk_buff *msg;
	void *hdr;
	u32 i;
	int err;

	err = may_configure(skb, info->extack);
	if (err)
		return err;
	/* Names and sentences of every counter outgrow the default size. */
	msg = genlmsg_new(4 * GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &espm_family, 0, info->genlhdr->cmd);
	err = hdr ? nla_put_string(msg, ESPM_A_STATS_VERSION, ESPM_VERSION) : -EMSGSIZE;
	for (i = 0; i < ESPM_COUNTERS && !err; i++)
		err = counter_fill(msg, ESPM_A_STATS_COUNTERS, ESPM_A_COUNTER_PAD, i,
				   espm_stats_sum(en->stats, i));
	return finish_reply(info, msg, hdr, err);
}

/* espctl explain */

static int explain_read(struct genl_info *info, struct espm_flow *flow)
{
	struct nlattr **attrs = info->attrs;
	u16 src_family, dst_family;
	int err;

	err = need(info, ESPM_A_EXPLAIN_DIRECTION, "explain needs a direction") ?:
	      need(info, ESPM_A_EXPLAIN_SRC, "explain needs a source address") ?:
	      need(info, ESPM_A_EXPLAIN_DST, "explain needs a destination address") ?:
	      need(info, ESPM_A_EXPLAIN_PROTOCOL, "explain needs a protocol") ?:
	      read_addr(info, attrs[ESPM_A_EXPLAIN_SRC], &flow->src, &src_family) ?:
	      read_addr(info, attrs[ESPM_A_EXPLAIN_DST], &flow->dst, &dst_family);
	if (err)
		return err;
	if (src_family != dst_family)
		return REFUSE(info, attrs[ESPM_A_EXPLAIN_DST], -EINVAL,
			      "source and destination are of different families");
	flow->family = src_family;
	flow->proto = nla_get_u8(attrs[ESPM_A_EXPLAIN_PROTOCOL]);
	if (attrs[ESPM_A_EXPLAIN_SPORT])
		flow->sport = nla_get_u16(attrs[ESPM_A_EXPLAIN_SPORT]);
	if (attrs[ESPM_A_EXPLAIN_DPORT])
		flow->dport = nla_get_u16(attrs[ESPM_A_EXPLAIN_DPORT]);
	return 0;
}

static int explain_sa_fill(struct sk_buff *msg, struct espm_sa *sa)
{
	const struct espm_path *path = espm_sa_path_rcu(sa);
	u32 mtu = espm_encap_mtu(sa);

	if (nla_put_u32(msg, ESPM_A_EXPLAIN_SA, sa->id) ||
	    nla_put_u32(msg, ESPM_A_EXPLAIN_SPI, ntohl(sa->spi)) ||
	    nla_put_u8(msg, ESPM_A_EXPLAIN_MODE, sa->mode) ||
	    addr_fill(msg, ESPM_A_EXPLAIN_OUTER_SRC, &path->src, path->name.family) ||
	    addr_fill(msg, ESPM_A_EXPLAIN_OUTER_DST, &path->name.dst, path->name.family) ||
	    (mtu && nla_put_u32(msg, ESPM_A_EXPLAIN_MTU, mtu)))
		return -EMSGSIZE;
	return 0;
}

static int explain_fill(struct sk_buff *msg, const struct espm_explained *told)
{
	static const u8 answers[] = {
		[ESPM_ACCEPT]	= ESPM_ANSWER_PASS,
		[ESPM_DROP]	= ESPM_ANSWER_DROP,
		[ESPM_STEAL]	= ESPM_ANSWER_PROTECT,
	};
	const struct espm_policy *policy = told->policy;

	if (nla_put_u8(msg, ESPM_A_EXPLAIN_ANSWER, answers[told->answer]) ||
	    (policy && nla_put_u32(msg, ESPM_A_EXPLAIN_POLICY, policy->id)) ||
	    (policy && policy->reqid && nla_put_u32(msg, ESPM_A_EXPLAIN_REQID, policy->reqid)) ||
	    (told->why != ESPM_PASS &&
	     counter_fill(msg, ESPM_A_EXPLAIN_COUNTER, ESPM_A_COUNTER_PAD, told->why, 0)))
		return -EMSGSIZE;
	return told->sa ? explain_sa_fill(msg, told->sa) : 0;
}

int esp_mod_nl_explain_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = net_of(info);
	struct espm_explained told;
	struct espm_flow flow = {};
	struct sk_buff *msg;
	void *hdr;
	int err;
	u8 dir;

	err = may_configure(skb, info->extack) ?: explain_read(info, &flow);
	if (err)
		return err;
	msg = begin_reply(info, &hdr);
	if (!msg)
		return -ENOMEM;
	dir = nla_get_u8(info->attrs[ESPM_A_EXPLAIN_DIRECTION]);
	rcu_read_lock();
	local_bh_disable();
	espm_flow_imagine(&flow, en->net, dir);
	if (dir == ESPM_DIR_OUT)
		espm_output_explain(en, &flow, &told);
	else
		espm_input_explain(en, &flow, &told);
	local_bh_enable();
	err = explain_fill(msg, &told);
	if (told.sa)
		espm_sa_put(told.sa);
	rcu_read_unlock();
	return finish_reply(info, msg, hdr, err);
}

static const struct genl_multicast_group groups[] = {
	[ESP_MOD_NLGRP_EVENTS] = {
		.name	= ESP_MOD_MCGRP_EVENTS,
		.flags	= GENL_MCAST_CAP_NET_ADMIN,
	},
};

struct genl_family espm_family = {
	.name		= ESPM_GENL_NAME,
	.version	= ESPM_GENL_VERSION,
	.netnsok	= true,
	.module		= THIS_MODULE,
	.ops		= esp_mod_nl_ops,
	.n_ops		= ARRAY_SIZE(esp_mod_nl_ops),
	.mcgrps		= groups,
	.n_mcgrps	= ARRAY_SIZE(groups),
};

/**
 * espm_netlink_init() - register the family
 *
 * Context: process, sleeps.
 * Return: 0 or an error.
 */
int espm_netlink_init(void)
{
	int err = genl_register_family(&espm_family);

	if (!err)
		espm_notify_on();
	return err;
}

/**
 * espm_netlink_exit() - unregister the family; no handler runs afterwards
 *
 * Context: process, sleeps.
 */
void espm_netlink_exit(void)
{
	espm_notify_off();
	genl_unregister_family(&espm_family);
}
