/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	netlink_uapi/esp_mod.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_ESP_MOD_H
#define _UAPI_LINUX_ESP_MOD_H

#define ESPM_GENL_NAME		"esp_mod"
#define ESPM_GENL_VERSION	1

#define ESP_MOD_ADDR_LEN		16
#define ESP_MOD_KEY_LEN_MAX		100
#define ESP_MOD_SUITE_NAME_MAX		31
#define ESP_MOD_SPI_MIN			256
#define ESP_MOD_REPLAY_WINDOW_DEFAULT	1024
#define ESP_MOD_REPLAY_WINDOW_MAX	65536
#define ESP_MOD_PRIORITY_DEFAULT	1000

/**
 * enum espm_direction
 * @ESPM_DIR_IN: Packets that arrive from the network.
 * @ESPM_DIR_OUT: Packets that leave to the network.
 */
enum espm_direction {
	ESPM_DIR_IN,
	ESPM_DIR_OUT,

	/* private: */
	__ESPM_DIR_MAX,
	ESPM_DIR_MAX = (__ESPM_DIR_MAX - 1)
};

/**
 * enum espm_mode
 * @ESPM_MODE_TRANSPORT: ESP between the IP header and its payload.
 * @ESPM_MODE_TUNNEL: The whole packet inside ESP, under a new IP header.
 */
enum espm_mode {
	ESPM_MODE_TRANSPORT,
	ESPM_MODE_TUNNEL,

	/* private: */
	__ESPM_MODE_MAX,
	ESPM_MODE_MAX = (__ESPM_MODE_MAX - 1)
};

/**
 * enum espm_action
 * @ESPM_ACTION_BYPASS: Let the packet pass in clear.
 * @ESPM_ACTION_DISCARD: Drop the packet.
 * @ESPM_ACTION_PROTECT: Apply ESP with an SA of the policy's reqid.
 */
enum espm_action {
	ESPM_ACTION_BYPASS,
	ESPM_ACTION_DISCARD,
	ESPM_ACTION_PROTECT,

	/* private: */
	__ESPM_ACTION_MAX,
	ESPM_ACTION_MAX = (__ESPM_ACTION_MAX - 1)
};

/**
 * enum espm_df - The bit "don't fragment" of an outer IPv4 header.
 * @ESPM_DF_COPY: As the packet inside has it, and set over IPv6.
 * @ESPM_DF_CLEAR: Never; what does not fit travels in fragments, and nobody is
 *   told.
 * @ESPM_DF_SET: Wherever the packet fits whole.
 */
enum espm_df {
	ESPM_DF_COPY,
	ESPM_DF_CLEAR,
	ESPM_DF_SET,

	/* private: */
	__ESPM_DF_MAX,
	ESPM_DF_MAX = (__ESPM_DF_MAX - 1)
};

/**
 * enum espm_sa_state - States only move forward.
 * @ESPM_SA_LARVAL: The SPI is reserved, keys are missing.
 * @ESPM_SA_VALID: In use.
 * @ESPM_SA_DYING: Past a soft limit; still used until a newer SA comes.
 * @ESPM_SA_EXPIRED: Past a hard limit, or out of sequence numbers: its packets
 *   are dropped until it is deleted.
 * @ESPM_SA_DEAD: Deleted.
 */
enum espm_sa_state {
	ESPM_SA_LARVAL,
	ESPM_SA_VALID,
	ESPM_SA_DYING,
	ESPM_SA_EXPIRED,
	ESPM_SA_DEAD,

	/* private: */
	__ESPM_SA_MAX,
	ESPM_SA_MAX = (__ESPM_SA_MAX - 1)
};

/**
 * enum espm_life - What the life of an SA is measured by.
 * @ESPM_LIFE_BYTES: Bytes under the cipher: payload, padding and trailer (RFC
 *   4301 section 4.4.2.1).
 * @ESPM_LIFE_PACKETS: Packets sealed, or authenticated.
 * @ESPM_LIFE_SECONDS: Seconds since the SA was added, those of suspend
 *   included.
 * @ESPM_LIFE_USE_SECONDS: Seconds since its first packet.
 */
enum espm_life {
	ESPM_LIFE_BYTES,
	ESPM_LIFE_PACKETS,
	ESPM_LIFE_SECONDS,
	ESPM_LIFE_USE_SECONDS,

	/* private: */
	__ESPM_LIFE_MAX,
	ESPM_LIFE_MAX = (__ESPM_LIFE_MAX - 1)
};

/**
 * enum espm_answer_kind
 * @ESPM_ANSWER_PASS: The packet goes on as it is.
 * @ESPM_ANSWER_DROP: The packet is dropped.
 * @ESPM_ANSWER_PROTECT: The packet is sealed with the SA that is named.
 */
enum espm_answer_kind {
	ESPM_ANSWER_PASS,
	ESPM_ANSWER_DROP,
	ESPM_ANSWER_PROTECT,

	/* private: */
	__ESPM_ANSWER_MAX,
	ESPM_ANSWER_MAX = (__ESPM_ANSWER_MAX - 1)
};

enum {
	ESPM_A_SEL_SRC_FIRST = 1,
	ESPM_A_SEL_SRC_LAST,
	ESPM_A_SEL_DST_FIRST,
	ESPM_A_SEL_DST_LAST,
	ESPM_A_SEL_PROTOCOL,
	ESPM_A_SEL_SPORT_FIRST,
	ESPM_A_SEL_SPORT_LAST,
	ESPM_A_SEL_DPORT_FIRST,
	ESPM_A_SEL_DPORT_LAST,

	__ESPM_A_SEL_MAX
};
#define ESPM_A_SEL_MAX (__ESPM_A_SEL_MAX - 1)

enum {
	ESPM_A_COUNTER_NAME = 1,
	ESPM_A_COUNTER_VALUE,
	ESPM_A_COUNTER_DESCRIPTION,
	ESPM_A_COUNTER_PAD,
	ESPM_A_COUNTER_DROP,

	__ESPM_A_COUNTER_MAX
};
#define ESPM_A_COUNTER_MAX (__ESPM_A_COUNTER_MAX - 1)

enum {
	ESPM_A_LIFE_SOFT_BYTES = 1,
	ESPM_A_LIFE_HARD_BYTES,
	ESPM_A_LIFE_SOFT_PACKETS,
	ESPM_A_LIFE_HARD_PACKETS,
	ESPM_A_LIFE_SOFT_SECONDS,
	ESPM_A_LIFE_HARD_SECONDS,
	ESPM_A_LIFE_SOFT_USE_SECONDS,
	ESPM_A_LIFE_HARD_USE_SECONDS,
	ESPM_A_LIFE_PAD,

	__ESPM_A_LIFE_MAX
};
#define ESPM_A_LIFE_MAX (__ESPM_A_LIFE_MAX - 1)

enum {
	ESPM_A_USAGE_BYTES = 1,
	ESPM_A_USAGE_PACKETS,
	ESPM_A_USAGE_SECONDS,
	ESPM_A_USAGE_USE_SECONDS,
	ESPM_A_USAGE_PAD,

	__ESPM_A_USAGE_MAX
};
#define ESPM_A_USAGE_MAX (__ESPM_A_USAGE_MAX - 1)

enum {
	ESPM_A_SA_ID = 1,
	ESPM_A_SA_SPI,
	ESPM_A_SA_DIRECTION,
	ESPM_A_SA_MODE,
	ESPM_A_SA_SRC,
	ESPM_A_SA_DST,
	ESPM_A_SA_SUITE,
	ESPM_A_SA_KEY,
	ESPM_A_SA_REQID,
	ESPM_A_SA_ESN,
	ESPM_A_SA_REPLAY_WINDOW,
	ESPM_A_SA_ENCAP_SPORT,
	ESPM_A_SA_ENCAP_DPORT,
	ESPM_A_SA_SELECTOR,
	ESPM_A_SA_STATE,
	ESPM_A_SA_SEQ,
	ESPM_A_SA_PACKETS,
	ESPM_A_SA_BYTES,
	ESPM_A_SA_FINGERPRINT,
	ESPM_A_SA_DRIVER,
	ESPM_A_SA_OVERHEAD,
	ESPM_A_SA_DROPS,
	ESPM_A_SA_PAD,
	ESPM_A_SA_DSCP,
	ESPM_A_SA_ECN,
	ESPM_A_SA_DF,
	ESPM_A_SA_TTL,
	ESPM_A_SA_TFC,
	ESPM_A_SA_MSS_CLAMP,
	ESPM_A_SA_KEEPALIVE,
	ESPM_A_SA_MTU,
	ESPM_A_SA_LIFETIME,
	ESPM_A_SA_USAGE,
	ESPM_A_SA_SOFT_LIMIT,
	ESPM_A_SA_HARD_LIMIT,
	ESPM_A_SA_DUMMY,
	ESPM_A_SA_ROAM,
	ESPM_A_SA_NEW_DST,

	__ESPM_A_SA_MAX
};
#define ESPM_A_SA_MAX (__ESPM_A_SA_MAX - 1)

enum {
	ESPM_A_POLICY_ID = 1,
	ESPM_A_POLICY_DIRECTION,
	ESPM_A_POLICY_PRIORITY,
	ESPM_A_POLICY_ACTION,
	ESPM_A_POLICY_REQID,
	ESPM_A_POLICY_SELECTOR,
	ESPM_A_POLICY_FAMILY,
	ESPM_A_POLICY_PACKETS,
	ESPM_A_POLICY_PAD,

	__ESPM_A_POLICY_MAX
};
#define ESPM_A_POLICY_MAX (__ESPM_A_POLICY_MAX - 1)

enum {
	ESPM_A_STATS_COUNTERS = 1,
	ESPM_A_STATS_VERSION,

	__ESPM_A_STATS_MAX
};
#define ESPM_A_STATS_MAX (__ESPM_A_STATS_MAX - 1)

enum {
	ESPM_A_EXPLAIN_DIRECTION = 1,
	ESPM_A_EXPLAIN_SRC,
	ESPM_A_EXPLAIN_DST,
	ESPM_A_EXPLAIN_PROTOCOL,
	ESPM_A_EXPLAIN_SPORT,
	ESPM_A_EXPLAIN_DPORT,
	ESPM_A_EXPLAIN_ANSWER,
	ESPM_A_EXPLAIN_POLICY,
	ESPM_A_EXPLAIN_REQID,
	ESPM_A_EXPLAIN_SA,
	ESPM_A_EXPLAIN_SPI,
	ESPM_A_EXPLAIN_MODE,
	ESPM_A_EXPLAIN_OUTER_SRC,
	ESPM_A_EXPLAIN_OUTER_DST,
	ESPM_A_EXPLAIN_MTU,
	ESPM_A_EXPLAIN_COUNTER,

	__ESPM_A_EXPLAIN_MAX
};
#define ESPM_A_EXPLAIN_MAX (__ESPM_A_EXPLAIN_MAX - 1)

enum {
	ESPM_CMD_SA_ADD = 1,
	ESPM_CMD_SA_DEL,
	ESPM_CMD_SA_GET,
	ESPM_CMD_SA_FLUSH,
	ESPM_CMD_POLICY_ADD,
	ESPM_CMD_POLICY_DEL,
	ESPM_CMD_POLICY_GET,
	ESPM_CMD_POLICY_FLUSH,
	ESPM_CMD_STATS_GET,
	ESPM_CMD_EXPLAIN,
	ESPM_CMD_SA_ADD_NTF,
	ESPM_CMD_SA_DEL_NTF,
	ESPM_CMD_SA_FLUSH_NTF,
	ESPM_CMD_POLICY_ADD_NTF,
	ESPM_CMD_POLICY_DEL_NTF,
	ESPM_CMD_POLICY_FLUSH_NTF,
	ESPM_CMD_SA_SOFT_NTF,
	ESPM_CMD_SA_HARD_NTF,
	ESPM_CMD_SA_SEQ_NEAR_NTF,
	ESPM_CMD_SA_SEQ_END_NTF,
	ESPM_CMD_SA_ICV_NTF,
	ESPM_CMD_SA_UPDATE,
	ESPM_CMD_SA_UPDATE_NTF,
	ESPM_CMD_SA_MAPPING_NTF,

	__ESPM_CMD_MAX
};
#define ESPM_CMD_MAX (__ESPM_CMD_MAX - 1)

#define ESP_MOD_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_ESP_MOD_H */
