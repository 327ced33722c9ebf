/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	netlink_uapi/esp_mod.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_ESP_MOD_GEN_H
#define _LINUX_ESP_MOD_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include "../netlink_uapi/esp_mod.h"

/* Common nested types */
extern const struct nla_policy esp_mod_lifetime_nl_policy[ESPM_A_LIFE_PAD + 1];
extern const struct nla_policy esp_mod_policy_name_nl_policy[ESPM_A_POLICY_ID + 1];
extern const struct nla_policy esp_mod_policy_new_nl_policy[ESPM_A_POLICY_ON_DEMAND + 1];
extern const struct nla_policy esp_mod_sa_change_nl_policy[ESPM_A_SA_PIN + 1];
extern const struct nla_policy esp_mod_sa_name_nl_policy[ESPM_A_SA_DST + 1];
extern const struct nla_policy esp_mod_sa_new_nl_policy[ESPM_A_SA_PIN + 1];
extern const struct nla_policy esp_mod_selector_nl_policy[ESPM_A_SEL_DPORT_LAST + 1];
extern const struct nla_policy esp_mod_step_nl_policy[ESPM_A_STEP_POLICY_FLUSH + 1];

extern const struct nla_policy esp_mod_sa_add_nl_policy[ESPM_A_SA_PIN + 1];

extern const struct nla_policy esp_mod_sa_del_nl_policy[ESPM_A_SA_DST + 1];

extern const struct nla_policy esp_mod_sa_get_nl_policy[ESPM_A_SA_DST + 1];

extern const struct nla_policy esp_mod_sa_flush_nl_policy[1 + 1];

extern const struct nla_policy esp_mod_policy_add_nl_policy[ESPM_A_POLICY_ON_DEMAND + 1];

extern const struct nla_policy esp_mod_policy_del_nl_policy[ESPM_A_POLICY_ID + 1];

extern const struct nla_policy esp_mod_policy_get_nl_policy[ESPM_A_POLICY_ID + 1];

extern const struct nla_policy esp_mod_policy_flush_nl_policy[1 + 1];

extern const struct nla_policy esp_mod_stats_get_nl_policy[1 + 1];

extern const struct nla_policy esp_mod_explain_nl_policy[ESPM_A_EXPLAIN_DPORT + 1];

extern const struct nla_policy esp_mod_sa_update_nl_policy[ESPM_A_SA_PIN + 1];

extern const struct nla_policy esp_mod_sa_reserve_nl_policy[ESPM_A_SA_SPI_LAST + 1];

extern const struct nla_policy esp_mod_apply_nl_policy[ESPM_A_APPLY_STEP + 1];

extern const struct nla_policy esp_mod_limits_get_nl_policy[1 + 1];

extern const struct nla_policy esp_mod_limits_set_nl_policy[ESPM_A_LIMITS_SAS_PER_SPI + 1];

/* Ops table for esp_mod */
extern const struct genl_ops esp_mod_nl_ops[15];

int esp_mod_nl_sa_add_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_sa_del_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_sa_get_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_sa_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int esp_mod_nl_sa_flush_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_policy_add_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_policy_del_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_policy_get_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_policy_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb);
int esp_mod_nl_policy_flush_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_explain_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_sa_update_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_sa_reserve_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_apply_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_limits_get_doit(struct sk_buff *skb, struct genl_info *info);
int esp_mod_nl_limits_set_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	ESP_MOD_NLGRP_EVENTS,
};

#endif /* _LINUX_ESP_MOD_GEN_H */
