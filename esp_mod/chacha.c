// SPDX-License-Identifier: GPL-2.0
/* ChaCha20-Poly1305 for packets in one piece. See chacha.h. */
#include <crypto/algapi.h>
#include <crypto/chacha.h>
#include <crypto/hash.h>
#include <crypto/poly1305.h>
#include <crypto/skcipher.h>
#include <linux/err.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "chacha.h"

enum {
	SALT_LEN	= 4,
	IV_LEN		= 8,
	/* Data is SPI and sequence number: a block of the MAC holds it. */
	DATA_MAX	= POLY1305_BLOCK_SIZE,
};

/**
 * struct espm_chacha - the key of one SA
 * @cipher: ChaCha20, owned, with the key inside
 * @mac: Poly1305, owned; its key is another one for each packet
 * @salt: the first bytes of each nonce
 * @driver: names of both drivers
 */
struct espm_chacha {
	struct crypto_skcipher *cipher;
	struct crypto_shash *mac;
	u8 salt[SALT_LEN];
	char driver[2 * CRYPTO_MAX_ALG_NAME];
};

/**
 * espm_chacha_alloc() - take the key of an SA
 * @key: 32 bytes of key, 4 of salt
 *
 * Context: process, sleeps; may load modules.
 * Return: what espm_chacha_free() frees, or an ERR_PTR(): -ENOENT where the kernel
 * has not both of them by themselves.
 */
struct espm_chacha *espm_chacha_alloc(const u8 *key)
{
	struct espm_chacha *chacha;
	int err;

	chacha = kzalloc(sizeof(*chacha), GFP_KERNEL);
	if (!chacha)
		return ERR_PTR(-ENOMEM);
	/* None that is asynchronous: that would be the template's affair. */
	chacha->cipher = crypto_alloc_skcipher("chacha20", 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(chacha->cipher)) {
		err = PTR_ERR(chacha->cipher);
		goto err_chacha;
	}
	chacha->mac = crypto_alloc_shash("poly1305", 0, 0);
	if (IS_ERR(chacha->mac)) {
		err = PTR_ERR(chacha->mac);
		goto err_cipher;
	}
	err = crypto_skcipher_setkey(chacha->cipher, key, CHACHA_KEY_SIZE);
	if (err)
		goto err_mac;
	memcpy(chacha->salt, key + CHACHA_KEY_SIZE, SALT_LEN);
	snprintf(chacha->driver, sizeof(chacha->driver), "%s,%s",
		 crypto_tfm_alg_driver_name(crypto_skcipher_tfm(chacha->cipher)),
		 crypto_tfm_alg_driver_name(crypto_shash_tfm(chacha->mac)));
	return chacha;

err_mac:
	crypto_free_shash(chacha->mac);
err_cipher:
	crypto_free_skcipher(chacha->cipher);
err_chacha:
	kfree_sensitive(chacha);
	return ERR_PTR(err);
}

/**
 * espm_chacha_free() - wipe and free a key
 * @chacha: from espm_chacha_alloc(), or NULL
 *
 * Context: process.
 */
void espm_chacha_free(struct espm_chacha *chacha)
{
	if (!chacha)
		return;
	crypto_free_shash(chacha->mac);
	crypto_free_skcipher(chacha->cipher);
	kfree_sensitive(chacha);
}

/**
 * espm_chacha_driver() - what ciphers and hashes
 * @chacha: the key
 *
 * Return: names of both drivers, which live as long as @chacha.
 */
const char *espm_chacha_driver(const struct espm_chacha *chacha)
{
	return chacha->driver;
}

/**
 * struct work - memory for one packet: on the stack hardened kernels would fill it with zeroes
 * @sg: what the stream is put over
 * @start: where the stream begins: number of a block, and nonce
 * @front: the key of the MAC, and then the data, padded
 * @back: the text's last bytes, padded, and the lengths
 * @kept: what stood in front of the text
 * @req: the request, and what its driver needs; the MAC's follows
 */
struct work {
	struct scatterlist sg;
	struct {
		__le32 block;
		u8 salt[SALT_LEN];
		u8 iv[IV_LEN];
	} start;
	u8 front[POLY1305_KEY_SIZE + DATA_MAX];
	u8 back[2 * POLY1305_BLOCK_SIZE];
	u8 kept[ESPM_CHACHA_BLOCK];
	struct skcipher_request req;
};

static u32 mac_at(const struct espm_chacha *chacha)
{
	return ALIGN(sizeof(struct work) + crypto_skcipher_reqsize(chacha->cipher),
		     CRYPTO_MINALIGN);
}

/**
 * espm_chacha_room() - memory for the work on one packet
 * @chacha: the key
 *
 * Return: bytes, of memory that is aligned as kmalloc()'s.
 */
u32 espm_chacha_room(const struct espm_chacha *chacha)
{
	return mac_at(chacha) + sizeof(struct shash_desc) + crypto_shash_descsize(chacha->mac);
}

/* Put the stream, from this block on, over @len bytes. */
static int crypt(const struct espm_chacha *chacha, struct work *work, u32 block, const u8 *iv,
		 u8 *at, u32 len)
{
	work->start.block = cpu_to_le32(block);
	memcpy(work->start.salt, chacha->salt, SALT_LEN);
	memcpy(work->start.iv, iv, IV_LEN);
	/* As sg_init_one(), without its call of memset(). */
	work->sg = (struct scatterlist){};
	sg_init_marker(&work->sg, 1);
	sg_set_buf(&work->sg, at, len);
	skcipher_request_set_tfm(&work->req, chacha->cipher);
	skcipher_request_set_callback(&work->req, 0, NULL, NULL);
	skcipher_request_set_crypt(&work->req, &work->sg, &work->sg, len, &work->start);
	return crypto_skcipher_encrypt(&work->req);
}

/* With its key in @work->front */
static int authenticate(const struct espm_chacha *chacha, struct work *work, const u8 *data,
			u32 data_len, const u8 *text, u32 len, u8 *icv)
{
	struct shash_desc *desc = (void *)work + mac_at(chacha);
	u8 *padded = work->front + POLY1305_KEY_SIZE, *end = work->back;
	const __le64 lens[] = { cpu_to_le64(data_len), cpu_to_le64(len) };
	u32 rest = len % POLY1305_BLOCK_SIZE;

	memset(padded, 0, DATA_MAX);
	memcpy(padded, data, data_len);
	/* Whole blocks only: a part of one costs a turn of its own (500 instructions of two). */
	if (rest) {
		memset(end, 0, POLY1305_BLOCK_SIZE);
		memcpy(end, text + len - rest, rest);
		end += POLY1305_BLOCK_SIZE;
	}
	memcpy(end, lens, sizeof(lens));
	end += sizeof(lens);
	desc->tfm = chacha->mac;
	/* What Poly1305 is given first it takes for its key. */
	return crypto_shash_init(desc) ?:
	       crypto_shash_update(desc, work->front, sizeof(work->front)) ?:
	       crypto_shash_update(desc, text, len - rest) ?:
	       crypto_shash_finup(desc, work->back, end - work->back, icv);
}

/**
 * espm_chacha_seal() - encrypt and authenticate
 * @chacha: the key
 * @room: espm_chacha_room() bytes, nobody else's meanwhile
 * @iv: 8 bytes, never the same twice under a key; not those in the packet
 * @data: what is authenticated only
 * @data_len: bytes of it, 16 at most
 * @text: what is encrypted in place; ESPM_CHACHA_BLOCK bytes in front of it are
 *	written to, and put back; 16 bytes behind it take the ICV
 * @len: bytes of it
 *
 * Context: any; not in an interrupt.
 * Return: 0, or what a driver says.
 */
int espm_chacha_seal(const struct espm_chacha *chacha, void *room, const u8 *iv,
		     const u8 *data, u32 data_len, u8 *text, u32 len)
{
	u8 *first = text - ESPM_CHACHA_BLOCK;
	struct work *work = room;
	int err;

	/* Block 0 comes out of zeroes, and in one go with the others (spares 700). */
	memcpy(work->kept, first, ESPM_CHACHA_BLOCK);
	memset(first, 0, ESPM_CHACHA_BLOCK);
	err = crypt(chacha, work, 0, iv, first, ESPM_CHACHA_BLOCK + len);
	memcpy(work->front, first, POLY1305_KEY_SIZE);
	memcpy(first, work->kept, ESPM_CHACHA_BLOCK);
	return err ?: authenticate(chacha, work, data, data_len, text, len, text + len);
}

/**
 * espm_chacha_open() - verify, and only then decrypt
 * @chacha: the key
 * @room: espm_chacha_room() bytes, nobody else's meanwhile
 * @iv: 8 bytes
 * @data: what is authenticated only
 * @data_len: bytes of it, 16 at most
 * @text: what is decrypted in place, with 16 bytes of ICV behind it
 * @len: bytes of it, without the ICV
 *
 * Context: any; not in an interrupt.
 * Return: 0, -EBADMSG for a wrong ICV, which leaves @text as it was, or what a
 * driver says.
 */
int espm_chacha_open(const struct espm_chacha *chacha, void *room, const u8 *iv,
		     const u8 *data, u32 data_len, u8 *text, u32 len)
{
	u8 icv[POLY1305_DIGEST_SIZE];
	struct work *work = room;
	int err;

	memset(work->front, 0, POLY1305_KEY_SIZE);
	err = crypt(chacha, work, 0, iv, work->front, POLY1305_KEY_SIZE) ?:
	      authenticate(chacha, work, data, data_len, text, len, icv);
	if (err)
		return err;
	if (crypto_memneq(icv, text + len, sizeof(icv)))
		return -EBADMSG;
	return crypt(chacha, work, 1, iv, text, len);
}
