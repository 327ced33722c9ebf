// SPDX-License-Identifier: GPL-2.0
/* Transforms and the packets under them. See crypto.h. */
#include <crypto/authenc.h>
#include <crypto/sha2.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/ip.h>
#include "chacha.h"
#include "compat.h"
#include "crypto.h"
#include "sa.h"
#include "spread.h"

/* authenc() takes its two keys in one blob, behind a netlink attribute. */
static int set_separate_keys(struct crypto_aead *tfm, const struct espm_suite *suite,
			     const u8 *key)
{
	u32 cipher_len = suite->enc_len + suite->salt_len;
	u32 len = RTA_SPACE(sizeof(struct crypto_authenc_key_param)) + suite->auth_len + cipher_len;
	struct crypto_authenc_key_param *param;
	struct rtattr *rta;
	u8 *blob, *at;
	int err;

	blob = kzalloc(len, GFP_KERNEL);
	if (!blob)
		return -ENOMEM;
	rta = (struct rtattr *)blob;
	rta->rta_type = CRYPTO_AUTHENC_KEYA_PARAM;
	rta->rta_len = RTA_LENGTH(sizeof(*param));
	param = RTA_DATA(rta);
	param->enckeylen = cpu_to_be32(cipher_len);
	at = blob + RTA_SPACE(sizeof(*param));
	memcpy(at, key + cipher_len, suite->auth_len);
	memcpy(at + suite->auth_len, key, cipher_len);

	err = crypto_aead_setkey(tfm, blob, len);
	kfree_sensitive(blob);
	return err;
}

/*
 * The kernel's template, of drivers that answer at once. Where something better
 * stands in its place, a queue or an engine, that is what the administrator wants.
 */
static bool is_chacha_template(struct crypto_aead *tfm)
{
	return strstarts(crypto_tfm_alg_driver_name(crypto_aead_tfm(tfm)), "rfc7539esp(") &&
	       !(crypto_aead_alg(tfm)->base.cra_flags & CRYPTO_ALG_ASYNC);
}

/* Return: 0, -ENOENT if the template is to do it, or another error. */
static int take_apart(struct espm_sa *sa, struct crypto_aead *tfm, const u8 *key)
{
	struct espm_chacha *chacha;

	if (!is_chacha_template(tfm))
		return -ENOENT;
	chacha = espm_chacha_alloc(key);
	if (IS_ERR(chacha))
		return PTR_ERR(chacha);
	crypto_free_aead(tfm);
	sa->chacha = chacha;
	sa->apart = true;
	sa->room = espm_chacha_room(chacha);
	return 0;
}

/*
 * rfc4106 is GCM behind a step that makes the nonce out of salt and IV, and keeps the IV
 * out of what is authenticated. We do that step ourselves, and ask for GCM (spares 120
 * instructions a packet with AES-NI, and a request and two scatterlists where rfc4106
 * is the kernel's template). Whoever has a driver called rfc4106-something, an engine too,
 * has GCM of the same make. Under another name there is a queue, or an engine for ESP alone:
 * that is what the administrator wants, and is used as it is.
 *
 * Return: 0, whether it is GCM now or not, or an error.
 */
static int take_bare(struct espm_sa *sa, struct crypto_aead **tfm)
{
	struct crypto_aead *gcm;

	if (!strstarts(crypto_tfm_alg_driver_name(crypto_aead_tfm(*tfm)), "rfc4106"))
		return 0;
	gcm = crypto_alloc_aead("gcm(aes)", 0, 0);
	if (IS_ERR(gcm))
		return PTR_ERR(gcm);
	crypto_free_aead(*tfm);
	*tfm = gcm;
	sa->bare = true;
	return 0;
}

static int set_combined_key(struct espm_sa *sa, struct crypto_aead *tfm, const u8 *key)
{
	const struct espm_suite *suite = sa->suite;

	if (!sa->bare)
		return crypto_aead_setkey(tfm, key, suite->enc_len + suite->salt_len);
	memcpy(sa->salt, key + suite->enc_len, sizeof(sa->salt));
	return crypto_aead_setkey(tfm, key, suite->enc_len);
}

static int refuse_alg(int err, struct netlink_ext_ack *extack)
{
	if (err == -ENOENT)
		NL_SET_ERR_MSG(extack, "this kernel lacks the suite's algorithm: is its crypto module there?");
	else
		NL_SET_ERR_MSG(extack, "the suite's algorithm cannot be had now: out of memory, or interrupted");
	return err;
}

/**
 * espm_crypto_set_key() - give an SA its transform, with the keys
 * @sa: the SA, not published yet, with suite and ESN; owns what it is given
 * @key: espm_suite_key_len() bytes: cipher key, salt, integrity key
 * @extack: takes the sentence of a refusal
 *
 * Context: process, sleeps; may load modules.
 * Return: 0 or an error, with which nothing was given.
 */
int espm_crypto_set_key(struct espm_sa *sa, const u8 *key, struct netlink_ext_ack *extack)
{
	const struct espm_suite *suite = sa->suite;
	struct crypto_aead *tfm;
	int err;

	tfm = crypto_alloc_aead(sa->esn ? suite->alg_esn : suite->alg, 0, 0);
	if (IS_ERR(tfm))
		return refuse_alg(PTR_ERR(tfm), extack);
	err = take_apart(sa, tfm, key);
	if (!err)
		return 0;
	if (err == -ENOENT)
		err = take_bare(sa, &tfm);
	if (err) {
		crypto_free_aead(tfm);
		return refuse_alg(err, extack);
	}
	if (suite->auth_len)
		err = set_separate_keys(tfm, suite, key);
	else
		err = set_combined_key(sa, tfm, key);
	if (!err)
		err = crypto_aead_setauthsize(tfm, suite->icv_len);
	if (err) {
		NL_SET_ERR_MSG(extack, "the crypto driver refused the key");
		crypto_free_aead(tfm);
		return err;
	}
	sa->tfm = tfm;
	sa->room = crypto_aead_reqsize(tfm);
	return 0;
}

static void name_key(u8 *out, const char *kind, const u8 *key, u32 key_len)
{
	u8 digest[SHA256_DIGEST_SIZE];
	struct sha256_state state;

	sha256_init(&state);
	sha256_update(&state, kind, strlen(kind) + 1);
	sha256_update(&state, key, key_len);
	sha256_final(&state, digest);
	memcpy(out, digest, ESPM_FINGERPRINT_LEN);
	memzero_explicit(&state, sizeof(state));
	memzero_explicit(digest, sizeof(digest));
}

/**
 * espm_crypto_fingerprint() - a one-way name for a key, to compare two ends
 * @out: ESPM_FINGERPRINT_LEN bytes
 * @suite: the suite
 * @key: its key material
 *
 * Context: process.
 */
void espm_crypto_fingerprint(u8 *out, const struct espm_suite *suite, const u8 *key)
{
	name_key(out, suite->name, key, espm_suite_key_len(suite));
}

/**
 * espm_crypto_key_name() - a one-way name for what no two SAs may share
 * @out: ESPM_FINGERPRINT_LEN bytes
 * @suite: the suite
 * @key: its key material
 *
 * That is cipher key and salt, whose nonces would repeat also under a suite with
 * another ICV; without a cipher, the whole.
 *
 * Context: process.
 */
void espm_crypto_key_name(u8 *out, const struct espm_suite *suite, const u8 *key)
{
	name_key(out, "key", key, suite->enc_len ? suite->enc_len + suite->salt_len :
						   espm_suite_key_len(suite));
}

/**
 * espm_crypto_driver() - name of the driver that an SA uses
 * @sa: the SA
 *
 * Return: a string that lives as long as the SA.
 */
const char *espm_crypto_driver(const struct espm_sa *sa)
{
	return sa->apart ? espm_chacha_driver(sa->chacha) :
	       crypto_tfm_alg_driver_name(crypto_aead_tfm(sa->tfm));
}

/*
 * SPI, sequence number and IV stand before the payload as every ESP transform
 * wants its associated data, but for the high half of an extended number, which
 * belongs between SPI and low half. While the operation lasts, the SPI gives way
 * to it, over the last bytes of the header in front: then all is one piece
 * (spares 150 instructions a packet, both ends together).
 */
static u8 *lay_out(struct espm_op *op)
{
	__be32 high = cpu_to_be32(op->seq >> 32);
	u8 *esp = op->skb->data + op->esp;

	if (!op->sa->esn)
		return esp;
	memcpy(&op->covered, esp - ESPM_ESN_LEN, ESPM_ESN_LEN);
	memcpy(esp - ESPM_ESN_LEN, esp, ESPM_ESN_LEN);
	memcpy(esp, &high, ESPM_ESN_LEN);
	return esp - ESPM_ESN_LEN;
}

/*
 * GCM's associated data end where the text begins, so that they stand over the IV for
 * the time of the operation:
 *
 *	packet		SPI	low	IV.........	text
 *	without ESN	SPI	low	SPI	low	text
 *	with ESN	SPI	SPI	high	low	text
 */
static u8 *lay_out_bare(struct espm_op *op)
{
	__be32 high = cpu_to_be32(op->seq >> 32);
	u8 *esp = op->skb->data + op->esp;
	u8 *iv = esp + ESPM_HDR_LEN;

	memcpy(&op->covered, iv, ESPM_GCM_IV_LEN);
	if (!op->sa->esn)
		return memcpy(iv, esp, ESPM_HDR_LEN);
	memcpy(iv + ESPM_ESN_LEN, iv - ESPM_ESN_LEN, ESPM_ESN_LEN);
	memcpy(iv, &high, ESPM_ESN_LEN);
	return memcpy(iv - ESPM_ESN_LEN, esp, ESPM_ESN_LEN);
}

static void put_back_bare(struct espm_op *op)
{
	u8 *iv = op->skb->data + op->esp + ESPM_HDR_LEN;

	if (op->sa->esn)
		memcpy(iv - ESPM_ESN_LEN, iv + ESPM_ESN_LEN, ESPM_ESN_LEN);
	memcpy(iv, &op->covered, ESPM_GCM_IV_LEN);
}

static void put_back(struct espm_op *op)
{
	u8 *esp = op->skb->data + op->esp;

	if (op->sa->bare) {
		put_back_bare(op);
		return;
	}
	if (!op->sa->esn)
		return;
	memcpy(esp, esp - ESPM_ESN_LEN, ESPM_ESN_LEN);
	memcpy(esp - ESPM_ESN_LEN, &op->covered, ESPM_ESN_LEN);
}

static void done_async(struct espm_op *op, int err)
{
	/* Drivers differ in the context that they call back from. */
	local_bh_disable();
	put_back(op);
	espm_spread_done(op, err);
	local_bh_enable();
}

ESPM_CRYPTO_CALLBACK(crypto_done, struct espm_op, done_async)

enum { SPARES = 32 };

/*
 * Ops that were freed lately on this CPU: one, or as many as are in its lane.
 * Allocation, and the zeroes that hardened kernels write first, are a tenth of
 * the price of a small packet (1,300 of 14,000 instructions).
 */
struct spares {
	struct espm_local lock;
	u32 n;
	struct espm_op *op[SPARES];
};

static DEFINE_PER_CPU(struct spares, spares) = { .lock = ESPM_LOCAL_INIT };

/* KASAN is to see each op die. */
static bool keeps_spares(void)
{
	return !IS_ENABLED(CONFIG_KASAN);
}

/**
 * espm_crypto_exit() - free what is kept, once no op is left
 *
 * Context: process.
 */
void espm_crypto_exit(void)
{
	struct spares *kept;
	int cpu;

	for_each_possible_cpu(cpu) {
		kept = per_cpu_ptr(&spares, cpu);
		while (kept->n)
			kfree(kept->op[--kept->n]);
	}
}

/**
 * espm_op_alloc() - begin the work on a packet
 * @sa: its SA; the op takes over the caller's reference
 * @skb: the packet; the op takes it over
 *
 * Context: softirqs off.
 * Return: the op, or NULL without memory, and then nothing was taken over.
 */
struct espm_op *espm_op_alloc(struct espm_sa *sa, struct sk_buff *skb)
{
	struct spares *kept = this_cpu_ptr(&spares);
	struct espm_op *op = NULL;

	lockdep_assert(in_softirq());
	espm_local_lock(&spares.lock);
	if (kept->n)
		op = kept->op[--kept->n];
	espm_local_unlock(&spares.lock);
	if (unlikely(!op || op->room < sa->room)) {
		kfree(op);
		op = kmalloc(sizeof(*op) + sa->room, GFP_ATOMIC);
		if (!op)
			return NULL;
		op->room = sa->room;
	}
	op->skb = skb;
	op->sa = sa;
	op->dev = NULL;
	op->encap = 0;
	op->depth = 0;
	return op;
}

/**
 * espm_op_free() - end the work on a packet
 * @op: the op; gives its references back and frees the packet if it still
 *	holds one
 *
 * Context: softirqs off.
 */
void espm_op_free(struct espm_op *op)
{
	struct spares *kept = this_cpu_ptr(&spares);

	lockdep_assert(in_softirq());
	if (op->skb)
		kfree_skb(op->skb);
	if (op->dev)
		dev_put(op->dev);
	espm_sa_put(op->sa);
	espm_local_lock(&spares.lock);
	if (keeps_spares() && kept->n < SPARES) {
		kept->op[kept->n++] = op;
		op = NULL;
	}
	espm_local_unlock(&spares.lock);
	kfree(op);
}

static int crypt_apart(struct espm_op *op, bool seal)
{
	const struct espm_suite *suite = op->sa->suite;
	u8 *esp = op->skb->data + op->esp, *text = esp + ESPM_HDR_LEN + suite->iv_len;
	u32 len = op->len - ESPM_HDR_LEN - suite->iv_len - suite->icv_len;
	const u8 *data = lay_out(op);
	u32 data_len = esp + ESPM_HDR_LEN - data;

	if (!seal)
		return espm_chacha_open(op->sa->chacha, op + 1, op->iv, data, data_len, text, len);
	if (WARN_ON_ONCE(text - op->skb->head < ESPM_CHACHA_BLOCK))
		return -EINVAL;
	return espm_chacha_seal(op->sa->chacha, op + 1, op->iv, data, data_len, text, len);
}

/* @crypt_len: bytes behind the IV that the transform is told of */
static void prepare(struct espm_op *op, u32 crypt_len)
{
	u32 data_len = (op->sa->esn ? ESPM_ESN_LEN : 0) + ESPM_HDR_LEN;
	u32 iv_len = op->sa->suite->iv_len;
	u8 *data;

	if (op->sa->bare) {
		/* The two overlap. */
		memmove(op->iv + ESPM_GCM_SALT_LEN, op->iv, ESPM_GCM_IV_LEN);
		memcpy(op->iv, op->sa->salt, ESPM_GCM_SALT_LEN);
		data = lay_out_bare(op);
	} else {
		data = lay_out(op);
		data_len += iv_len;
	}
	/* As sg_init_one(), without its call of memset(). */
	op->sg = (struct scatterlist){};
	sg_init_marker(&op->sg, 1);
	sg_set_buf(&op->sg, data, data_len + op->len - ESPM_HDR_LEN - iv_len);

	aead_request_set_tfm(&op->req, op->sa->tfm);
	aead_request_set_callback(&op->req, 0, crypto_done, op);
	aead_request_set_crypt(&op->req, &op->sg, &op->sg, crypt_len, op->iv);
	aead_request_set_ad(&op->req, data_len);
}

/**
 * espm_crypto_seal() - encrypt and authenticate
 * @op: the packet, with SPI, sequence number, payload and trailer in place,
 *	room for the ICV, and the IV in @op->iv
 *
 * Context: softirqs off.
 * Return: 0, -EINPROGRESS (the driver calls espm_output_done()), or an error.
 */
int espm_crypto_seal(struct espm_op *op)
{
	struct ip_esp_hdr *esp = (void *)op->skb->data + op->esp;
	const struct espm_suite *suite = op->sa->suite;
	int err;

	memcpy(esp->enc_data, op->iv, suite->iv_len);
	if (op->sa->apart) {
		err = crypt_apart(op, true);
	} else {
		prepare(op, op->len - ESPM_HDR_LEN - suite->iv_len - suite->icv_len);
		err = crypto_aead_encrypt(&op->req);
	}
	if (err != -EINPROGRESS)
		put_back(op);
	return err;
}

/**
 * espm_crypto_open() - verify and decrypt
 * @op: the packet, at least as long as header, IV, trailer and ICV
 *
 * Context: softirqs off.
 * Return: 0, -EBADMSG for a wrong ICV, -EINPROGRESS (the driver calls
 * espm_input_done()), or another error.
 */
int espm_crypto_open(struct espm_op *op)
{
	struct ip_esp_hdr *esp = (void *)op->skb->data + op->esp;
	u32 iv_len = op->sa->suite->iv_len;
	int err;

	memcpy(op->iv, esp->enc_data, iv_len);
	if (op->sa->apart) {
		err = crypt_apart(op, false);
	} else {
		prepare(op, op->len - ESPM_HDR_LEN - iv_len);
		err = crypto_aead_decrypt(&op->req);
	}
	if (err != -EINPROGRESS)
		put_back(op);
	return err;
}
