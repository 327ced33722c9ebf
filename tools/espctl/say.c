// SPDX-License-Identifier: GPL-2.0
/* Errors, and the nearest word to a mistyped one. See say.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "say.h"

static const char *place;
static unsigned int place_line;

/* What is said from now on is about a line of a file; of none for NULL. */
void say_place(const char *file, unsigned int line)
{
	place = file;
	place_line = line;
}

static bool silent;

/* From now on, for whoever asks in the middle of what is being typed. */
void say_nothing(void)
{
	silent = true;
}

static void say(const char *kind, const char *fmt, va_list ap)
{
	if (silent)
		return;
	/* One line each, in order with what was printed before. */
	fflush(stdout);
	fputs("espctl: ", stderr);
	if (place)
		fprintf(stderr, "%s:%u: ", place, place_line);
	fputs(kind, stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
	return STATUS_REFUSED;
}

int misuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
	return STATUS_USAGE;
}

void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

enum { WORD_MAX = 32 };

static size_t min3(size_t a, size_t b, size_t c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Letters to insert, remove, change or swap between two short words. */
static size_t distance(const char *a, const char *b)
{
	size_t row[3][WORD_MAX + 1], *before = row[0], *last = row[1], *now = row[2];
	size_t la = strlen(a), lb = strlen(b), i, j;

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (j = 0; j <= lb; j++)
		last[j] = j;
	for (i = 1; i <= la; i++) {
		size_t *spare = before;

		now[0] = i;
		for (j = 1; j <= lb; j++) {
			now[j] = min3(last[j] + 1, now[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[lb];
}

/*
 * The known word that was probably meant, or NULL. The beginning of a word
 * is as good as one wrong letter; of equals the last is taken, which makes
 * aes128gcm16 of aes128gcm.
 */
const char *nearest(const char *word, const char *const *known, size_t count)
{
	size_t len = strlen(word), best = len < 4 ? 1 : 2, i;
	const char *found = NULL;

	for (i = 0; i < count; i++) {
		size_t d = distance(word, known[i]);

		if (len > 1 && d > 1 && !strncmp(word, known[i], len))
			d = 1;
		/* One letter for another is no typing error in a word of one or two. */
		if (d <= best && d < strlen(known[i])) {
			best = d;
			found = known[i];
		}
	}
	return found;
}
