/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys: read from a file, a descriptor or standard input, never from the
 * command line; kept out of swap and core dumps, wiped when sent.
 */
#ifndef _ESPCTL_KEY_H
#define _ESPCTL_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* More than any suite has, so that the kernel may say what is too long. */
enum { KEY_BYTES_MAX = 128 };

struct key {
	size_t len;
	__u8 bytes[KEY_BYTES_MAX];
};

bool key_word_is_key(const char *word);
int key_misuse(void);
int key_read(struct key *key, const char *from);
void key_guard(void);
void key_wipe(void *memory, size_t size);

#endif /* _ESPCTL_KEY_H */
