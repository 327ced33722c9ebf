// SPDX-License-Identifier: GPL-2.0
/* Signals, deadlines and the clock of commands that go on. See wait.h. */
#include <stdio.h>
#include "wait.h"

static sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	__atomic_store_n(&stopped, 1, __ATOMIC_RELAXED);
}

/* SIGINT or SIGTERM has come. */
bool wait_is_over(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED);
}

/* Only while the process waits, so that none comes between the question and the wait. */
void wait_expect_signals(void)
{
	struct sigaction action = { .sa_handler = stop };
	sigset_t both;

	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	sigprocmask(SIG_BLOCK, &both, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* When so many seconds will be over. */
struct timespec wait_end(unsigned int seconds)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	return end;
}

/* How long that is from now; zero behind it. */
struct timespec wait_left(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec = end->tv_sec - now.tv_sec;
	now.tv_nsec = end->tv_nsec - now.tv_nsec;
	if (now.tv_nsec < 0) {
		now.tv_sec--;
		now.tv_nsec += 1000000000;
	}
	return now.tv_sec < 0 ? (struct timespec){ } : now;
}

/* The time of day, to the millisecond. */
void wait_clock_text(char *text, size_t size)
{
	struct timespec now;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	len = strftime(text, size, "%H:%M:%S", localtime(&now.tv_sec));
	snprintf(text + len, size - len, ".%03ld", now.tv_nsec / 1000000);
}
