// SPDX-License-Identifier: GPL-2.0
/* What requests say of policies. What that means is told by netlink_uapi/esp_mod.yaml. */
#include <net/genetlink.h>
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"

/**
 * espm_nl_policy_read() - the policy that a request describes
 * @info: the request
 * @policy: result, for espm_spd_stage()
 *
 * Return: 0 or an error, with its sentence.
 */
int espm_nl_policy_read(struct genl_info *info, struct espm_policy *policy)
{
	struct nlattr **attrs = info->attrs;
	u8 sel_family = 0;
	int err;

	err = espm_nl_need(info, ESPM_A_POLICY_DIRECTION, "a policy needs a direction") ?:
	      espm_nl_need(info, ESPM_A_POLICY_ACTION, "a policy needs an action: bypass, discard or protect");
	if (err)
		return err;
	memset(policy, 0, sizeof(*policy));
	policy->dir = nla_get_u8(attrs[ESPM_A_POLICY_DIRECTION]);
	policy->action = nla_get_u8(attrs[ESPM_A_POLICY_ACTION]);
	policy->priority = attrs[ESPM_A_POLICY_PRIORITY] ?
			   nla_get_u32(attrs[ESPM_A_POLICY_PRIORITY]) : ESP_MOD_PRIORITY_DEFAULT;
	if (policy->action == ESPM_ACTION_PROTECT) {
		err = espm_nl_need(info, ESPM_A_POLICY_REQID, "protect needs the reqid of its SAs");
		if (err)
			return err;
		policy->reqid = nla_get_u32(attrs[ESPM_A_POLICY_REQID]);
	} else if (attrs[ESPM_A_POLICY_REQID]) {
		return ESPM_REFUSE(info, attrs[ESPM_A_POLICY_REQID], -EINVAL,
				   "only protect has a reqid");
	}
	if (attrs[ESPM_A_POLICY_ON_DEMAND] && nla_get_u8(attrs[ESPM_A_POLICY_ON_DEMAND])) {
		if (policy->action != ESPM_ACTION_PROTECT || policy->dir != ESPM_DIR_OUT)
			return ESPM_REFUSE(info, attrs[ESPM_A_POLICY_ON_DEMAND], -EINVAL,
					   "only an outbound policy that protects asks for SAs");
		policy->on_demand = true;
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
			return ESPM_REFUSE(info, attrs[ESPM_A_POLICY_FAMILY], -EINVAL,
					   "the family is 4 or 6");
		}
	}
	return espm_nl_read_selector(info, attrs[ESPM_A_POLICY_SELECTOR], sel_family, &policy->sel);
}

/**
 * espm_nl_policy_find() - the policy that a request names
 * @info: the request
 * @en: the namespace
 *
 * Context: any, under rcu_read_lock().
 * Return: the policy, borrowed, or an ERR_PTR(), with its sentence.
 */
struct espm_policy *espm_nl_policy_find(struct genl_info *info, struct espm_net *en)
{
	struct espm_policy *policy;
	int err;

	err = espm_nl_need(info, ESPM_A_POLICY_ID, "name the policy by its id");
	if (err)
		return ERR_PTR(err);
	policy = espm_spd_find_id_rcu(en, nla_get_u32(info->attrs[ESPM_A_POLICY_ID]));
	if (!policy || espm_spd_is_gone(en, policy)) {
		NL_SET_ERR_MSG(info->extack, "there is no such policy");
		return ERR_PTR(-ENOENT);
	}
	return policy;
}

/* espctl policy show, of one policy */
int esp_mod_nl_policy_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct espm_net *en = espm_nl_net(info);
	struct espm_policy *policy;
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
	policy = espm_nl_policy_find(info, en);
	err = IS_ERR(policy) ? PTR_ERR(policy) : espm_policy_fill(msg, policy);
	rcu_read_unlock();
	return espm_nl_finish_reply(info, msg, hdr, err);
}

/* espctl policy show */
int esp_mod_nl_policy_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct espm_net *en = espm_net_of(sock_net(skb->sk));
	unsigned long id = cb->args[0];
	struct espm_policy *policy;
	bool full = true;
	void *hdr;
	int err;

	/* Message by message, between changes. */
	if (mutex_lock_killable(&en->lock))
		return -EINTR;
	err = espm_nl_begin_dump(cb, espm_spd_generation(&en->spd) + en->spd.round);
	rcu_read_lock();
	for (; !err && (policy = espm_spd_next_rcu(en, &id)); id++) {
		if (espm_spd_is_gone(en, policy))
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &espm_family,
				  NLM_F_MULTI, ESPM_CMD_POLICY_GET);
		if (!hdr)
			break;
		genl_dump_check_consistent(cb, hdr);
		if (espm_policy_fill(skb, policy)) {
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
