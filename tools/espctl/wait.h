/* SPDX-License-Identifier: GPL-2.0 */
/* Commands that go on until a time, a count or a signal ends them. */
#ifndef _ESPCTL_WAIT_H
#define _ESPCTL_WAIT_H

#include <stdbool.h>
#include <signal.h>
#include <time.h>

void wait_expect_signals(void);
bool wait_is_over(void);
struct timespec wait_end(unsigned int seconds);
struct timespec wait_left(const struct timespec *end);
void wait_clock_text(char *text, size_t size);

#endif /* _ESPCTL_WAIT_H */
