// SPDX-License-Identifier: GPL-2.0
/* SHA-256. See sha256.h. What is hashed may be a key, so nothing of it is left behind. */
#include <string.h>
#include "sha256.h"

enum { BLOCK = 64, ROUNDS = 64 };

static const __u32 constants[ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static __u32 rotate(__u32 word, unsigned int bits)
{
	return word >> bits | word << (32 - bits);
}

static __u32 read_be32(const __u8 *at)
{
	return (__u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static void write_be32(__u8 *at, __u32 word)
{
	at[0] = word >> 24;
	at[1] = word >> 16;
	at[2] = word >> 8;
	at[3] = word;
}

static void mix(__u32 state[8], const __u8 *block)
{
	__u32 w[ROUNDS], v[8], one, two;
	unsigned int i;

	for (i = 0; i < 16; i++)
		w[i] = read_be32(block + 4 * i);
	for (; i < ROUNDS; i++)
		w[i] = w[i - 16] + w[i - 7] +
		       (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, state, sizeof(v));
	for (i = 0; i < ROUNDS; i++) {
		one = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
		      ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
		two = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
		      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += one;
		v[0] = one + two;
	}
	for (i = 0; i < 8; i++)
		state[i] += v[i];
	explicit_bzero(w, sizeof(w));
	explicit_bzero(v, sizeof(v));
}

void sha256(const void *data, size_t len, __u8 digest[SHA256_LEN])
{
	__u32 state[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	size_t left = len % BLOCK, padded = left < BLOCK - 8 ? BLOCK : 2 * BLOCK, at;
	const __u8 *bytes = data;
	__u8 last[2 * BLOCK] = { };
	unsigned int i;

	for (at = 0; at + BLOCK <= len; at += BLOCK)
		mix(state, bytes + at);
	/* A one, zeros, and the length in bits. */
	memcpy(last, bytes + at, left);
	last[left] = 0x80;
	write_be32(last + padded - 8, (__u64)len * 8 >> 32);
	write_be32(last + padded - 4, len * 8);
	for (at = 0; at < padded; at += BLOCK)
		mix(state, last + at);
	for (i = 0; i < 8; i++)
		write_be32(digest + 4 * i, state[i]);
	explicit_bzero(last, sizeof(last));
}
