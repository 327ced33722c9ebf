// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	netlink_uapi/esp_mod.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "compat.h"
#include "netlink_gen.h"

#include "../netlink_uapi/esp_mod.h"

/* Common nested types */
const struct nla_policy esp_mod_lifetime_nl_policy[ESPM_A_LIFE_PAD + 1] = {
	[ESPM_A_LIFE_SOFT_BYTES] = { .type = NLA_U64, },
	[ESPM_A_LIFE_HARD_BYTES] = { .type = NLA_U64, },
	[ESPM_A_LIFE_SOFT_PACKETS] = { .type = NLA_U64, },
	[ESPM_A_LIFE_HARD_PACKETS] = { .type = NLA_U64, },
	[ESPM_A_LIFE_SOFT_SECONDS] = { .type = NLA_U32, },
	[ESPM_A_LIFE_HARD_SECONDS] = { .type = NLA_U32, },
	[ESPM_A_LIFE_SOFT_USE_SECONDS] = { .type = NLA_U32, },
	[ESPM_A_LIFE_HARD_USE_SECONDS] = { .type = NLA_U32, },
};

const struct nla_policy esp_mod_policy_name_nl_policy[ESPM_A_POLICY_ID + 1] = {
	[ESPM_A_POLICY_ID] = { .type = NLA_U32, },
};

const struct nla_policy esp_mod_policy_new_nl_policy[ESPM_A_POLICY_ON_DEMAND + 1] = {
	[ESPM_A_POLICY_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_POLICY_PRIORITY] = { .type = NLA_U32, },
	[ESPM_A_POLICY_ACTION] = NLA_POLICY_MAX(NLA_U8, 2),
	[ESPM_A_POLICY_REQID] = NLA_POLICY_MIN(NLA_U32, 1),
	[ESPM_A_POLICY_SELECTOR] = NLA_POLICY_NESTED(esp_mod_selector_nl_policy),
	[ESPM_A_POLICY_FAMILY] = { .type = NLA_U8, },
	[ESPM_A_POLICY_ON_DEMAND] = NLA_POLICY_MAX(NLA_U8, 1),
};

const struct nla_policy esp_mod_sa_change_nl_policy[ESPM_A_SA_PIN + 1] = {
	[ESPM_A_SA_ID] = { .type = NLA_U32, },
	[ESPM_A_SA_SPI] = { .type = NLA_U32, },
	[ESPM_A_SA_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_SRC] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_NEW_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_ENCAP_SPORT] = { .type = NLA_U16, },
	[ESPM_A_SA_ENCAP_DPORT] = { .type = NLA_U16, },
	[ESPM_A_SA_REQID] = NLA_POLICY_MIN(NLA_U32, 1),
	[ESPM_A_SA_LIFETIME] = NLA_POLICY_NESTED(esp_mod_lifetime_nl_policy),
	[ESPM_A_SA_KEEPALIVE] = { .type = NLA_U16, },
	[ESPM_A_SA_DUMMY] = { .type = NLA_U16, },
	[ESPM_A_SA_PIN] = NLA_POLICY_MAX(NLA_U8, 1),
};

const struct nla_policy esp_mod_sa_name_nl_policy[ESPM_A_SA_DST + 1] = {
	[ESPM_A_SA_ID] = { .type = NLA_U32, },
	[ESPM_A_SA_SPI] = { .type = NLA_U32, },
	[ESPM_A_SA_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
};

const struct nla_policy esp_mod_sa_new_nl_policy[ESPM_A_SA_PIN + 1] = {
	[ESPM_A_SA_SPI] = { .type = NLA_U32, },
	[ESPM_A_SA_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_MODE] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_SRC] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_SUITE] = { .type = NLA_NUL_STRING, .len = ESP_MOD_SUITE_NAME_MAX, },
	[ESPM_A_SA_KEY] = NLA_POLICY_MAX_LEN(ESP_MOD_KEY_LEN_MAX),
	[ESPM_A_SA_REQID] = NLA_POLICY_MIN(NLA_U32, 1),
	[ESPM_A_SA_ESN] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_REPLAY_WINDOW] = { .type = NLA_U32, },
	[ESPM_A_SA_ENCAP_SPORT] = { .type = NLA_U16, },
	[ESPM_A_SA_ENCAP_DPORT] = { .type = NLA_U16, },
	[ESPM_A_SA_SELECTOR] = NLA_POLICY_NESTED(esp_mod_selector_nl_policy),
	[ESPM_A_SA_DSCP] = NLA_POLICY_MAX(NLA_U8, 63),
	[ESPM_A_SA_ECN] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_DF] = NLA_POLICY_MAX(NLA_U8, 2),
	[ESPM_A_SA_TTL] = NLA_POLICY_MIN(NLA_U8, 1),
	[ESPM_A_SA_TFC] = { .type = NLA_U16, },
	[ESPM_A_SA_MSS_CLAMP] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_KEEPALIVE] = { .type = NLA_U16, },
	[ESPM_A_SA_LIFETIME] = NLA_POLICY_NESTED(esp_mod_lifetime_nl_policy),
	[ESPM_A_SA_DUMMY] = { .type = NLA_U16, },
	[ESPM_A_SA_ROAM] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_SEQ] = { .type = NLA_U64, },
	[ESPM_A_SA_PIN] = NLA_POLICY_MAX(NLA_U8, 1),
};

const struct nla_policy esp_mod_selector_nl_policy[ESPM_A_SEL_DPORT_LAST + 1] = {
	[ESPM_A_SEL_SRC_FIRST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SEL_SRC_LAST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SEL_DST_FIRST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SEL_DST_LAST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SEL_PROTOCOL] = { .type = NLA_U8, },
	[ESPM_A_SEL_SPORT_FIRST] = { .type = NLA_U16, },
	[ESPM_A_SEL_SPORT_LAST] = { .type = NLA_U16, },
	[ESPM_A_SEL_DPORT_FIRST] = { .type = NLA_U16, },
	[ESPM_A_SEL_DPORT_LAST] = { .type = NLA_U16, },
};

const struct nla_policy esp_mod_step_nl_policy[ESPM_A_STEP_POLICY_FLUSH + 1] = {
	[ESPM_A_STEP_SA_ADD] = NLA_POLICY_NESTED(esp_mod_sa_new_nl_policy),
	[ESPM_A_STEP_SA_UPDATE] = NLA_POLICY_NESTED(esp_mod_sa_change_nl_policy),
	[ESPM_A_STEP_SA_DEL] = NLA_POLICY_NESTED(esp_mod_sa_name_nl_policy),
	[ESPM_A_STEP_SA_FLUSH] = { .type = NLA_FLAG, },
	[ESPM_A_STEP_POLICY_ADD] = NLA_POLICY_NESTED(esp_mod_policy_new_nl_policy),
	[ESPM_A_STEP_POLICY_DEL] = NLA_POLICY_NESTED(esp_mod_policy_name_nl_policy),
	[ESPM_A_STEP_POLICY_FLUSH] = { .type = NLA_FLAG, },
};

/* ESPM_CMD_SA_ADD - do */
const struct nla_policy esp_mod_sa_add_nl_policy[ESPM_A_SA_PIN + 1] = {
	[ESPM_A_SA_SPI] = { .type = NLA_U32, },
	[ESPM_A_SA_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_MODE] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_SRC] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_SUITE] = { .type = NLA_NUL_STRING, .len = ESP_MOD_SUITE_NAME_MAX, },
	[ESPM_A_SA_KEY] = NLA_POLICY_MAX_LEN(ESP_MOD_KEY_LEN_MAX),
	[ESPM_A_SA_REQID] = NLA_POLICY_MIN(NLA_U32, 1),
	[ESPM_A_SA_ESN] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_REPLAY_WINDOW] = { .type = NLA_U32, },
	[ESPM_A_SA_ENCAP_SPORT] = { .type = NLA_U16, },
	[ESPM_A_SA_ENCAP_DPORT] = { .type = NLA_U16, },
	[ESPM_A_SA_SELECTOR] = NLA_POLICY_NESTED(esp_mod_selector_nl_policy),
	[ESPM_A_SA_DSCP] = NLA_POLICY_MAX(NLA_U8, 63),
	[ESPM_A_SA_ECN] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_DF] = NLA_POLICY_MAX(NLA_U8, 2),
	[ESPM_A_SA_TTL] = NLA_POLICY_MIN(NLA_U8, 1),
	[ESPM_A_SA_TFC] = { .type = NLA_U16, },
	[ESPM_A_SA_MSS_CLAMP] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_KEEPALIVE] = { .type = NLA_U16, },
	[ESPM_A_SA_LIFETIME] = NLA_POLICY_NESTED(esp_mod_lifetime_nl_policy),
	[ESPM_A_SA_DUMMY] = { .type = NLA_U16, },
	[ESPM_A_SA_ROAM] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_SEQ] = { .type = NLA_U64, },
	[ESPM_A_SA_PIN] = NLA_POLICY_MAX(NLA_U8, 1),
};

/* ESPM_CMD_SA_DEL - do */
const struct nla_policy esp_mod_sa_del_nl_policy[ESPM_A_SA_DST + 1] = {
	[ESPM_A_SA_ID] = { .type = NLA_U32, },
	[ESPM_A_SA_SPI] = { .type = NLA_U32, },
	[ESPM_A_SA_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
};

/* ESPM_CMD_SA_GET - do */
const struct nla_policy esp_mod_sa_get_nl_policy[ESPM_A_SA_DST + 1] = {
	[ESPM_A_SA_ID] = { .type = NLA_U32, },
	[ESPM_A_SA_SPI] = { .type = NLA_U32, },
	[ESPM_A_SA_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
};

/* ESPM_CMD_SA_FLUSH - do */
const struct nla_policy esp_mod_sa_flush_nl_policy[1 + 1] = {
};

/* ESPM_CMD_POLICY_ADD - do */
const struct nla_policy esp_mod_policy_add_nl_policy[ESPM_A_POLICY_ON_DEMAND + 1] = {
	[ESPM_A_POLICY_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_POLICY_PRIORITY] = { .type = NLA_U32, },
	[ESPM_A_POLICY_ACTION] = NLA_POLICY_MAX(NLA_U8, 2),
	[ESPM_A_POLICY_REQID] = NLA_POLICY_MIN(NLA_U32, 1),
	[ESPM_A_POLICY_SELECTOR] = NLA_POLICY_NESTED(esp_mod_selector_nl_policy),
	[ESPM_A_POLICY_FAMILY] = { .type = NLA_U8, },
	[ESPM_A_POLICY_ON_DEMAND] = NLA_POLICY_MAX(NLA_U8, 1),
};

/* ESPM_CMD_POLICY_DEL - do */
const struct nla_policy esp_mod_policy_del_nl_policy[ESPM_A_POLICY_ID + 1] = {
	[ESPM_A_POLICY_ID] = { .type = NLA_U32, },
};

/* ESPM_CMD_POLICY_GET - do */
const struct nla_policy esp_mod_policy_get_nl_policy[ESPM_A_POLICY_ID + 1] = {
	[ESPM_A_POLICY_ID] = { .type = NLA_U32, },
};

/* ESPM_CMD_POLICY_FLUSH - do */
const struct nla_policy esp_mod_policy_flush_nl_policy[1 + 1] = {
};

/* ESPM_CMD_STATS_GET - do */
const struct nla_policy esp_mod_stats_get_nl_policy[1 + 1] = {
};

/* ESPM_CMD_EXPLAIN - do */
const struct nla_policy esp_mod_explain_nl_policy[ESPM_A_EXPLAIN_DPORT + 1] = {
	[ESPM_A_EXPLAIN_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_EXPLAIN_SRC] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_EXPLAIN_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_EXPLAIN_PROTOCOL] = { .type = NLA_U8, },
	[ESPM_A_EXPLAIN_SPORT] = { .type = NLA_U16, },
	[ESPM_A_EXPLAIN_DPORT] = { .type = NLA_U16, },
};

/* ESPM_CMD_SA_UPDATE - do */
const struct nla_policy esp_mod_sa_update_nl_policy[ESPM_A_SA_PIN + 1] = {
	[ESPM_A_SA_ID] = { .type = NLA_U32, },
	[ESPM_A_SA_SPI] = { .type = NLA_U32, },
	[ESPM_A_SA_DIRECTION] = NLA_POLICY_MAX(NLA_U8, 1),
	[ESPM_A_SA_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_SRC] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_NEW_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_ENCAP_SPORT] = { .type = NLA_U16, },
	[ESPM_A_SA_ENCAP_DPORT] = { .type = NLA_U16, },
	[ESPM_A_SA_REQID] = NLA_POLICY_MIN(NLA_U32, 1),
	[ESPM_A_SA_LIFETIME] = NLA_POLICY_NESTED(esp_mod_lifetime_nl_policy),
	[ESPM_A_SA_KEEPALIVE] = { .type = NLA_U16, },
	[ESPM_A_SA_DUMMY] = { .type = NLA_U16, },
	[ESPM_A_SA_PIN] = NLA_POLICY_MAX(NLA_U8, 1),
};

/* ESPM_CMD_SA_RESERVE - do */
const struct nla_policy esp_mod_sa_reserve_nl_policy[ESPM_A_SA_SPI_LAST + 1] = {
	[ESPM_A_SA_DST] = NLA_POLICY_MAX_LEN(ESP_MOD_ADDR_LEN),
	[ESPM_A_SA_SPI] = { .type = NLA_U32, },
	[ESPM_A_SA_SPI_LAST] = { .type = NLA_U32, },
	[ESPM_A_SA_LIFETIME] = NLA_POLICY_NESTED(esp_mod_lifetime_nl_policy),
};

/* ESPM_CMD_APPLY - do */
const struct nla_policy esp_mod_apply_nl_policy[ESPM_A_APPLY_STEP + 1] = {
	[ESPM_A_APPLY_STEP] = NLA_POLICY_NESTED(esp_mod_step_nl_policy),
};

/* ESPM_CMD_LIMITS_GET - do */
const struct nla_policy esp_mod_limits_get_nl_policy[1 + 1] = {
};

/* ESPM_CMD_LIMITS_SET - do */
const struct nla_policy esp_mod_limits_set_nl_policy[ESPM_A_LIMITS_SAS_PER_SPI + 1] = {
	[ESPM_A_LIMITS_SAS] = { .type = NLA_U32, },
	[ESPM_A_LIMITS_POLICIES] = { .type = NLA_U32, },
	[ESPM_A_LIMITS_RESERVATIONS] = { .type = NLA_U32, },
	[ESPM_A_LIMITS_SAS_PER_REQID] = { .type = NLA_U32, },
	[ESPM_A_LIMITS_SAS_PER_SPI] = { .type = NLA_U32, },
};

/* Ops table for esp_mod */
const struct genl_ops esp_mod_nl_ops[15] = {
	{
		.cmd		= ESPM_CMD_SA_ADD,
		.doit		= esp_mod_nl_sa_add_doit,
		.policy		= esp_mod_sa_add_nl_policy,
		.maxattr	= ESPM_A_SA_PIN,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_SA_DEL,
		.doit		= esp_mod_nl_sa_del_doit,
		.policy		= esp_mod_sa_del_nl_policy,
		.maxattr	= ESPM_A_SA_DST,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_SA_GET,
		.doit		= esp_mod_nl_sa_get_doit,
		.dumpit		= esp_mod_nl_sa_get_dumpit,
		.policy		= esp_mod_sa_get_nl_policy,
		.maxattr	= ESPM_A_SA_DST,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_SA_FLUSH,
		.doit		= esp_mod_nl_sa_flush_doit,
		.policy		= esp_mod_sa_flush_nl_policy,
		.maxattr	= 1,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_POLICY_ADD,
		.doit		= esp_mod_nl_policy_add_doit,
		.policy		= esp_mod_policy_add_nl_policy,
		.maxattr	= ESPM_A_POLICY_ON_DEMAND,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_POLICY_DEL,
		.doit		= esp_mod_nl_policy_del_doit,
		.policy		= esp_mod_policy_del_nl_policy,
		.maxattr	= ESPM_A_POLICY_ID,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_POLICY_GET,
		.doit		= esp_mod_nl_policy_get_doit,
		.dumpit		= esp_mod_nl_policy_get_dumpit,
		.policy		= esp_mod_policy_get_nl_policy,
		.maxattr	= ESPM_A_POLICY_ID,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_POLICY_FLUSH,
		.doit		= esp_mod_nl_policy_flush_doit,
		.policy		= esp_mod_policy_flush_nl_policy,
		.maxattr	= 1,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_STATS_GET,
		.doit		= esp_mod_nl_stats_get_doit,
		.policy		= esp_mod_stats_get_nl_policy,
		.maxattr	= 1,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_EXPLAIN,
		.doit		= esp_mod_nl_explain_doit,
		.policy		= esp_mod_explain_nl_policy,
		.maxattr	= ESPM_A_EXPLAIN_DPORT,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_SA_UPDATE,
		.doit		= esp_mod_nl_sa_update_doit,
		.policy		= esp_mod_sa_update_nl_policy,
		.maxattr	= ESPM_A_SA_PIN,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_SA_RESERVE,
		.doit		= esp_mod_nl_sa_reserve_doit,
		.policy		= esp_mod_sa_reserve_nl_policy,
		.maxattr	= ESPM_A_SA_SPI_LAST,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_APPLY,
		.doit		= esp_mod_nl_apply_doit,
		.policy		= esp_mod_apply_nl_policy,
		.maxattr	= ESPM_A_APPLY_STEP,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_LIMITS_GET,
		.doit		= esp_mod_nl_limits_get_doit,
		.policy		= esp_mod_limits_get_nl_policy,
		.maxattr	= 1,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= ESPM_CMD_LIMITS_SET,
		.doit		= esp_mod_nl_limits_set_doit,
		.policy		= esp_mod_limits_set_nl_policy,
		.maxattr	= ESPM_A_LIMITS_SAS_PER_SPI,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
};
