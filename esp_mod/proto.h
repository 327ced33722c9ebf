/* SPDX-License-Identifier: GPL-2.0 */
/* The wire format of ESP, and every limit that the module holds itself to. */
#ifndef _ESPM_PROTO_H
#define _ESPM_PROTO_H

#include <linux/build_bug.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/types.h>
#include "../netlink_uapi/esp_mod.h"

enum espm_len {
	ESPM_HDR_LEN		= 8,	/* SPI and sequence number */
	ESPM_TAIL_LEN		= 2,	/* pad length and next header */
	ESPM_UDP_LEN		= 8,
	ESPM_PAD_MAX		= 255,
	ESPM_IV_MAX		= 16,
	ESPM_ICV_MAX		= 32,
	ESPM_ESN_LEN		= 4,	/* high half of an extended number, not on the wire */
	ESPM_GCM_IV_LEN		= 8,	/* RFC 4106 section 3.1 */
	ESPM_GCM_SALT_LEN	= 4,	/* section 4 */
};

enum espm_limit {
	/* Layers of ESP that one packet may be given or relieved of here. */
	ESPM_NEST_MAX		= 4,
	ESPM_WINDOW_DEFAULT	= ESP_MOD_REPLAY_WINDOW_DEFAULT,
	ESPM_WINDOW_MAX		= ESP_MOD_REPLAY_WINDOW_MAX,
	ESPM_IPV4_MIN_MTU	= 68,
	ESPM_IPV6_MIN_MTU	= 1280,
};

enum espm_port {
	ESPM_PORT_IKE		= 500,
	ESPM_PORT_NATT		= 4500,
};

/**
 * union espm_addr - an IPv4 or IPv6 address, in network order
 * @v4: the IPv4 address; the other twelve bytes are zero then
 * @v6: the IPv6 address
 * @w: the same as words, for hashing
 *
 * The family stands beside it, in whatever holds the address.
 */
union espm_addr {
	__be32 v4;
	struct in6_addr v6;
	__be32 w[4];
};

static_assert(sizeof(struct ip_esp_hdr) == ESPM_HDR_LEN);
static_assert(sizeof(union espm_addr) == ESP_MOD_ADDR_LEN);

#endif /* _ESPM_PROTO_H */
