// SPDX-License-Identifier: GPL-2.0
/* What requests and answers have in common. See netlink.h. */
#include <linux/inet.h>
#include <net/genetlink.h>
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "selector.h"

/**
 * espm_nl_need() - is an attribute there?
 * @info: the request
 * @attr: its number
 * @sentence: what is said if not
 *
 * Return: 0 or -EINVAL.
 */
int espm_nl_need(struct genl_info *info, int attr, const char *sentence)
{
	if (info->attrs[attr])
		return 0;
	NL_SET_ERR_ATTR_MISS(info->extack, NULL, attr);
	info->extack->_msg = sentence;
	return -EINVAL;
}

/**
 * espm_nl_net() - the namespace that a request is for
 * @info: the request
 *
 * Return: the namespace, which the socket keeps.
 */
struct espm_net *espm_nl_net(const struct genl_info *info)
{
	return espm_net_of(genl_info_net((struct genl_info *)info));
}

/**
 * espm_nl_read_addr() - read an address
 * @info: the request
 * @attr: 4 or 16 bytes
 * @addr: result, zero behind an IPv4 address
 * @addr_family: result
 *
 * Return: 0 or -EINVAL.
 */
int espm_nl_read_addr(struct genl_info *info, const struct nlattr *attr, union espm_addr *addr,
		      u16 *addr_family)
{
	int len = nla_len(attr);

	if (len != sizeof(addr->v4) && len != sizeof(addr->v6))
		return ESPM_REFUSE(info, attr, -EINVAL, "an address has 4 or 16 bytes");
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
		return ESPM_REFUSE(info, first ?: last, -EINVAL,
				   "a range of addresses needs its first and its last one");
	err = espm_nl_read_addr(info, first, lo, &families[0]);
	if (!err)
		err = espm_nl_read_addr(info, last, hi, &families[1]);
	if (err)
		return err;
	if (families[0] != families[1] || (*sel_family && families[0] != *sel_family))
		return ESPM_REFUSE(info, first, -EINVAL, "addresses of both families in one selector");
	if (espm_addr_cmp(lo, hi, families[0]) > 0)
		return ESPM_REFUSE(info, first, -EINVAL, "the range of addresses ends before it begins");
	*sel_family = families[0];
	return 0;
}

static int read_ports(struct genl_info *info, struct nlattr *first, struct nlattr *last, u16 *lo,
		      u16 *hi)
{
	if (!first && !last)
		return 0;
	if (!first || !last)
		return ESPM_REFUSE(info, first ?: last, -EINVAL,
				   "a range of ports needs its first and its last one");
	*lo = nla_get_u16(first);
	*hi = nla_get_u16(last);
	if (*lo > *hi)
		return ESPM_REFUSE(info, first, -EINVAL, "the range of ports ends before it begins");
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

/**
 * espm_nl_read_selector() - read a selector
 * @info: the request
 * @nest: its attributes, or NULL for any traffic
 * @sel_family: narrows the selector, if the request names one elsewhere; else 0
 * @sel: result
 *
 * Return: 0 or an error, with its sentence.
 */
int espm_nl_read_selector(struct genl_info *info, struct nlattr *nest, u8 sel_family,
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
		return ESPM_REFUSE(info, nest, -EINVAL, "ports need a protocol that has them");
	err = read_ports(info, tb[ESPM_A_SEL_SPORT_FIRST], tb[ESPM_A_SEL_SPORT_LAST],
			 &sel->sport_first, &sel->sport_last);
	if (!err)
		err = read_ports(info, tb[ESPM_A_SEL_DPORT_FIRST], tb[ESPM_A_SEL_DPORT_LAST],
				 &sel->dport_first, &sel->dport_last);
	return err;
}

/**
 * espm_nl_addr_fill() - write an address
 * @msg: the message
 * @attr: number of the attribute
 * @addr: the address
 * @addr_family: its family
 *
 * Return: 0 or -EMSGSIZE.
 */
int espm_nl_addr_fill(struct sk_buff *msg, int attr, const union espm_addr *addr, u8 addr_family)
{
	return nla_put(msg, attr, addr_family == AF_INET ? sizeof(addr->v4) : sizeof(addr->v6),
		       addr);
}

/**
 * espm_nl_selector_fill() - write a selector, without what it leaves open
 * @msg: the message
 * @attr: number of the attribute
 * @sel: the selector
 * @alone: whether nothing else in the message tells its family
 *
 * Return: 0 or -EMSGSIZE.
 */
int espm_nl_selector_fill(struct sk_buff *msg, int attr, const struct espm_selector *sel,
			  bool alone)
{
	struct espm_selector any;
	struct nlattr *nest;
	bool src, dst;

	nest = nla_nest_start(msg, attr);
	if (!nest)
		return -EMSGSIZE;
	espm_selector_any(&any, sel->family);
	src = sel->family && (espm_addr_cmp(&sel->src_first, &any.src_first, sel->family) ||
			      espm_addr_cmp(&sel->src_last, &any.src_last, sel->family));
	dst = sel->family && (espm_addr_cmp(&sel->dst_first, &any.dst_first, sel->family) ||
			      espm_addr_cmp(&sel->dst_last, &any.dst_last, sel->family));
	/* All addresses of one family are less than all addresses. */
	if (alone && sel->family && !dst)
		src = true;
	if (src &&
	    (espm_nl_addr_fill(msg, ESPM_A_SEL_SRC_FIRST, &sel->src_first, sel->family) ||
	     espm_nl_addr_fill(msg, ESPM_A_SEL_SRC_LAST, &sel->src_last, sel->family)))
		return -EMSGSIZE;
	if (dst &&
	    (espm_nl_addr_fill(msg, ESPM_A_SEL_DST_FIRST, &sel->dst_first, sel->family) ||
	     espm_nl_addr_fill(msg, ESPM_A_SEL_DST_LAST, &sel->dst_last, sel->family)))
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

/**
 * espm_nl_counter_fill() - write a counter
 * @msg: the message
 * @attr: number of the attribute
 * @id: the counter
 * @value: its value
 *
 * Return: 0 or -EMSGSIZE.
 */
int espm_nl_counter_fill(struct sk_buff *msg, int attr, enum espm_counter id, u64 value)
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

/**
 * espm_nl_begin_reply() - a message that answers a request
 * @info: the request
 * @hdr: result, for espm_nl_finish_reply()
 *
 * Context: process, sleeps.
 * Return: the message, the caller's; NULL without memory.
 */
struct sk_buff *espm_nl_begin_reply(struct genl_info *info, void **hdr)
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

/**
 * espm_nl_finish_reply() - send an answer
 * @info: the request
 * @msg: the answer, used up
 * @hdr: of espm_nl_begin_reply()
 * @err: why there is none, or 0
 *
 * Return: @err, or what sending says.
 */
int espm_nl_finish_reply(struct genl_info *info, struct sk_buff *msg, void *hdr, int err)
{
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/**
 * espm_nl_finish_add() - send the answer to an addition
 * @info: the request
 * @msg: the answer, used up
 * @hdr: of espm_nl_begin_reply()
 * @err: why nothing was added, or 0
 *
 * The addition stands: whoever cannot take the answer must not be told that it
 * failed.
 *
 * Return: @err.
 */
int espm_nl_finish_add(struct genl_info *info, struct sk_buff *msg, void *hdr, int err)
{
	int said = espm_nl_finish_reply(info, msg, hdr, err);

	return err ? said : 0;
}

/**
 * espm_nl_begin_dump() - is this a dump that we can give?
 * @cb: the dump
 * @changes: of what is dumped
 *
 * A dump shows all: what would narrow it down is not understood.
 *
 * Return: 0 or an error, with its sentence.
 */
int espm_nl_begin_dump(struct netlink_callback *cb, u32 changes)
{
	int err = espm_nl_may_configure(cb->skb, cb->extack);

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
