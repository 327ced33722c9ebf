// SPDX-License-Identifier: GPL-2.0
/*
 * espctl -f: commands in a file, a line each, as they would be typed. They are
 * gathered, and the kernel does all of them or none.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "command.h"
#include "nl.h"
#include "out.h"
#include "say.h"

enum {
	PIECE		= 65536,
	LINE_WORDS_MAX	= 256,
};

/* The whole file, with a zero behind it; the caller's for as long as words of it are used. */
static char *slurp(int fd, const char *name)
{
	size_t len = 0, room = 0;
	char *text = NULL;
	ssize_t got;

	for (;;) {
		text = more_room(text, &room, len + PIECE + 1, 1);
		got = read(fd, text + len, room - len - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			refuse("%s: %s", name, strerror(errno));
			free(text);
			return NULL;
		}
		if (!got)
			break;
		len += got;
	}
	text[len] = '\0';
	if (strlen(text) != len) {
		refuse("%s: not a text: it holds a zero byte", name);
		free(text);
		return NULL;
	}
	return text;
}

/*
 * Where reading is. Words are copied behind one another, without their quotes;
 * what parts two words in the text has room for the zero.
 */
struct reader {
	const char *at;
	unsigned int line;		/* that at is in */
	char *to;
	char *word[LINE_WORDS_MAX];
	int words;
};

/* A backslash at the end of a line: the next line belongs to it. */
static size_t continuation(const char *at)
{
	if (at[0] != '\\')
		return 0;
	if (at[1] == '\n')
		return 2;
	return at[1] == '\r' && at[2] == '\n' ? 3 : 0;
}

static bool is_blank(const char *at)
{
	return *at != '\n' && isspace((unsigned char)*at);
}

static void skip_blanks(struct reader *reader)
{
	size_t len;

	for (;;) {
		len = continuation(reader->at);
		if (len)
			reader->line++;
		else if (is_blank(reader->at))
			len = 1;
		else
			break;
		reader->at += len;
	}
	if (*reader->at == '#')
		reader->at += strcspn(reader->at, "\n");
}

/* Blanks belong to a word within quotes, of which there are two kinds. */
static int read_word(struct reader *reader)
{
	char quote = 0;

	if (reader->words == LINE_WORDS_MAX)
		return misuse("more words than any command takes");
	reader->word[reader->words++] = reader->to;
	for (; *reader->at && *reader->at != '\n'; reader->at++) {
		if (!quote && (is_blank(reader->at) || continuation(reader->at)))
			break;
		if (quote && *reader->at == quote)
			quote = 0;
		else if (!quote && (*reader->at == '"' || *reader->at == '\''))
			quote = *reader->at;
		else
			*reader->to++ = *reader->at;
	}
	*reader->to++ = '\0';
	return quote ? misuse("a %c is without its other end", quote) : 0;
}

/* The words of the next command; none in an empty line. */
static int read_line(struct reader *reader)
{
	int err = 0;

	reader->words = 0;
	for (skip_blanks(reader); !err && *reader->at && *reader->at != '\n'; skip_blanks(reader))
		err = read_word(reader);
	return err;
}

static int run_lines(const char *text, char *words, const char *name)
{
	struct reader reader = { .at = text, .line = 1, .to = words };
	int err = 0;

	while (!err && *reader.at) {
		say_place(name, reader.line);
		nl_gather_line(reader.line);
		err = read_line(&reader);
		if (!err && reader.words)
			err = command_run(reader.word, reader.words, false);
		if (!err && *reader.at) {
			reader.at++;
			reader.line++;
		}
	}
	say_place(NULL, 0);
	return err;
}

/* Do what a file says, all of it or nothing. */
int file_run(const char *name)
{
	int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : STDIN_FILENO, err;
	char *text, *words;

	if (fd < 0)
		return refuse("%s: %s", name, strerror(errno));
	text = slurp(fd, name);
	if (fd != STDIN_FILENO)
		close(fd);
	if (!text)
		return STATUS_REFUSED;
	words = malloc(strlen(text) + 1);
	if (!words)
		exit(refuse("out of memory"));
	nl_gather();
	err = run_lines(text, words, name);
	if (err)
		nl_forget_gathered();
	else
		err = nl_send_gathered(name);
	free(words);
	free(text);
	return err;
}
