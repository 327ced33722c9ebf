// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: every handler checks the whole request before it
 * changes anything, and every refusal says why in one sentence.
 */
#include <linux/module.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include "encap.h"
#include "flow.h"
#include "input.h"
#include "main.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "notify.h"
#include "output.h"

static bool userns;
module_param(userns, bool, 0644);
MODULE_PARM_DESC(userns, "let CAP_NET_ADMIN of a user namespace configure its own network namespaces");

/**
 * espm_nl_may_configure() - may a sender configure this namespace?
 * @skb: the request
 * @extack: takes the sentence of a refusal
 *
 * The operations' flag asks for the capability in the socket's user namespace.
 *
 * Return: 0 or -EPERM.
 */
int espm_nl_may_configure(const struct sk_buff *skb, struct netlink_ext_ack *extack)
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
 * must be what espm_nl_may_configure() asks for.
 *
 * Return: true if so.
 */
bool espm_netlink_may_show(const struct net *net)
{
	return READ_ONCE(userns) || net->user_ns == &init_user_ns;
}

/* espctl stats */
int esp_mod_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = espm_nl_net(info);
	struct sk_buff *msg;
	void *hdr;
	u32 i;
	int err;

	err = espm_nl_may_configure(skb, info->extack);
	if (err)
		return err;
	/* Names and sentences of every counter outgrow the default size. */
	msg = genlmsg_new(4 * GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &espm_family, 0, info->genlhdr->cmd);
	err = hdr ? nla_put_string(msg, ESPM_A_STATS_VERSION, ESPM_VERSION) : -EMSGSIZE;
	for (i = 0; i < ESPM_COUNTERS && !err; i++)
		err = espm_nl_counter_fill(msg, ESPM_A_STATS_COUNTERS, i,
					   espm_stats_sum(en->stats, i));
	return espm_nl_finish_reply(info, msg, hdr, err);
}

/* espctl limits */

static const struct {
	int attr;
	u32 offset;
} quotas[] = {
	{ ESPM_A_LIMITS_SAS, offsetof(struct espm_quota, sas) },
	{ ESPM_A_LIMITS_POLICIES, offsetof(struct espm_quota, policies) },
	{ ESPM_A_LIMITS_RESERVATIONS, offsetof(struct espm_quota, reservations) },
	{ ESPM_A_LIMITS_SAS_PER_REQID, offsetof(struct espm_quota, sas_per_reqid) },
	{ ESPM_A_LIMITS_SAS_PER_SPI, offsetof(struct espm_quota, sas_per_spi) },
};

static u32 *quota_at(struct espm_quota *quota, u32 i)
{
	return (void *)quota + quotas[i].offset;
}

int esp_mod_nl_limits_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = espm_nl_net(info);
	struct espm_quota quota;
	struct sk_buff *msg;
	void *hdr;
	int err;
	u32 i;

	err = espm_nl_may_configure(skb, info->extack);
	if (err)
		return err;
	msg = espm_nl_begin_reply(info, &hdr);
	if (!msg)
		return -ENOMEM;
	err = mutex_lock_killable(&en->lock);
	if (!err) {
		quota = en->quota;
		mutex_unlock(&en->lock);
	}
	for (i = 0; i < ARRAY_SIZE(quotas) && !err; i++)
		err = nla_put_u32(msg, quotas[i].attr, *quota_at(&quota, i));
	return espm_nl_finish_reply(info, msg, hdr, err);
}

static int quota_read(struct sk_buff *skb, struct genl_info *info, struct espm_quota *quota)
{
	bool any = false;
	u32 i, value;

	for (i = 0; i < ARRAY_SIZE(quotas); i++) {
		struct nlattr *attr = info->attrs[quotas[i].attr];

		if (!attr)
			continue;
		value = nla_get_u32(attr);
		/* Memory is the host's. */
		if (value > *quota_at(quota, i) && !netlink_capable(skb, CAP_NET_ADMIN))
			return ESPM_REFUSE(info, attr, -EPERM,
					   "to raise a limit needs CAP_NET_ADMIN in the initial user namespace");
		*quota_at(quota, i) = value;
		any = true;
	}
	return any ? 0 : ESPM_REFUSE(info, NULL, -EINVAL, "name the limits to be set");
}

int esp_mod_nl_limits_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = espm_nl_net(info);
	struct espm_quota quota;
	int err;

	err = espm_nl_may_configure(skb, info->extack);
	if (err)
		return err;
	if (mutex_lock_killable(&en->lock))
		return -EINTR;
	quota = en->quota;
	err = quota_read(skb, info, &quota);
	if (!err)
		en->quota = quota;
	mutex_unlock(&en->lock);
	return err;
}

/* espctl explain */

static int explain_read(struct genl_info *info, struct espm_flow *flow)
{
	struct nlattr **attrs = info->attrs;
	u16 src_family, dst_family;
	int err;

	err = espm_nl_need(info, ESPM_A_EXPLAIN_DIRECTION, "explain needs a direction") ?:
	      espm_nl_need(info, ESPM_A_EXPLAIN_SRC, "explain needs a source address") ?:
	      espm_nl_need(info, ESPM_A_EXPLAIN_DST, "explain needs a destination address") ?:
	      espm_nl_need(info, ESPM_A_EXPLAIN_PROTOCOL, "explain needs a protocol") ?:
	      espm_nl_read_addr(info, attrs[ESPM_A_EXPLAIN_SRC], &flow->src, &src_family) ?:
	      espm_nl_read_addr(info, attrs[ESPM_A_EXPLAIN_DST], &flow->dst, &dst_family);
	if (err)
		return err;
	if (src_family != dst_family)
		return ESPM_REFUSE(info, attrs[ESPM_A_EXPLAIN_DST], -EINVAL,
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
	    espm_nl_addr_fill(msg, ESPM_A_EXPLAIN_OUTER_SRC, &path->src, path->name.family) ||
	    espm_nl_addr_fill(msg, ESPM_A_EXPLAIN_OUTER_DST, &path->name.dst, path->name.family) ||
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
	     espm_nl_counter_fill(msg, ESPM_A_EXPLAIN_COUNTER, told->why, 0)))
		return -EMSGSIZE;
	return told->sa ? explain_sa_fill(msg, told->sa) : 0;
}

int esp_mod_nl_explain_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = espm_nl_net(info);
	struct espm_explained told;
	struct espm_flow flow = {};
	struct sk_buff *msg;
	void *hdr;
	int err;
	u8 dir;

	err = espm_nl_may_configure(skb, info->extack) ?: explain_read(info, &flow);
	if (err)
		return err;
	msg = espm_nl_begin_reply(info, &hdr);
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
	return espm_nl_finish_reply(info, msg, hdr, err);
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
	/* A namespace's lock is all that changes need; others do not wait for them. */
	.parallel_ops	= true,
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
