/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What espctl says when it can't do as told: one line on standard error,
 * "espctl: WHAT: WHY", and an exit status.
 */
#ifndef _ESPCTL_SAY_H
#define _ESPCTL_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include "util.h"

enum status {
	STATUS_DONE,
	STATUS_REFUSED,		/* by the kernel, or by the machine */
	STATUS_USAGE,		/* what was typed is not the grammar */
};

int refuse(const char *fmt, ...) __printf(1, 2);
int misuse(const char *fmt, ...) __printf(1, 2);
void warn(const char *fmt, ...) __printf(1, 2);

void say_nothing(void);
void say_place(const char *file, unsigned int line);

const char *nearest(const char *word, const char *const *known, size_t count);

#endif /* _ESPCTL_SAY_H */
