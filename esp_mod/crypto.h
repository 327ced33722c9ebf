/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One packet under crypto, and the transforms that work on it. The only room
 * that speaks to the kernel's AEADs; chacha.h does without one.
 *
 * Synchronous and asynchronous drivers take the same way. A caller writes
 *
 *	espm_output_done(op, espm_crypto_seal(op));
 *
 * and its continuation returns at once on -EINPROGRESS: the driver then calls
 * the same continuation later, with softirqs off. Between the two, spread.h may
 * put a queue and another CPU.
 */
#ifndef _ESPM_CRYPTO_H
#define _ESPM_CRYPTO_H

#include <crypto/aead.h>
#include <linux/scatterlist.h>
#include <linux/skbuff.h>
#include "proto.h"
#include "suite.h"

struct espm_lane;
struct espm_sa;
struct netlink_ext_ack;

/**
 * struct espm_op - the work on one packet; its pointers own references
 * @skb: the packet, owned: linear, unshared, uncloned, so that crypto may
 *	write to every byte of it
 * @sa: the SA, a reference
 * @dev: inbound, the device it came by, a reference; NULL outbound
 * @seq: its sequence number, the 64-bit one
 * @esp: offset of the ESP header from skb->data
 * @len: bytes from the ESP header to the end of the ICV
 * @plain: bytes of the packet without ESP, for the SA's account
 * @next_at: inbound, offset of the byte that names ESP as next header
 * @encap: bytes of UDP header in front of ESP
 * @depth: layers of ESP that the packet has been given already
 * @lane: where it waits for other CPUs, or NULL
 * @finished: in a lane: its crypto is done
 * @err: and what came of it
 * @room: bytes behind it all
 * @covered: what associated data cover during the operation
 * @iv: the IV as the transform wants it; it may write here
 * @sg: the packet from its ESP header on
 * @req: the request, followed by what the transform needs
 */
struct espm_op {
	struct sk_buff *skb;
	struct espm_sa *sa;
	struct net_device *dev;
	u64 seq;
	u32 esp;
	u32 len;
	u32 plain;
	u32 next_at;
	u8 encap;
	u8 depth;
	bool finished;
	int err;
	struct espm_lane *lane;
	u32 room;
	u64 covered;
	u8 iv[ESPM_IV_MAX] __aligned(8);
	struct scatterlist sg;
	struct aead_request req;
};

int espm_crypto_set_key(struct espm_sa *sa, const u8 *key, struct netlink_ext_ack *extack);
void espm_crypto_fingerprint(u8 *out, const struct espm_suite *suite, const u8 *key);
void espm_crypto_key_name(u8 *out, const struct espm_suite *suite, const u8 *key);
const char *espm_crypto_driver(const struct espm_sa *sa);
void espm_crypto_exit(void);
struct espm_op *espm_op_alloc(struct espm_sa *sa, struct sk_buff *skb);
void espm_op_free(struct espm_op *op);
int espm_crypto_seal(struct espm_op *op);
int espm_crypto_open(struct espm_op *op);

#endif /* _ESPM_CRYPTO_H */
