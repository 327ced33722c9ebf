// SPDX-License-Identifier: GPL-2.0
/* Keys. See key.h. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "key.h"
#include "say.h"

enum { KEY_TEXT_MAX = 1024 };

/*
 * Whether a word is a key rather than the name of a file: many hex digits.
 * A file of such a name can still be had as ./NAME.
 */
/* Bytes with something between them, as fingerprints are often written. */
static bool is_spaced_hex(const char *word)
{
	size_t bytes = 0;

	while (isxdigit((unsigned char)word[0]) && isxdigit((unsigned char)word[1])) {
		bytes++;
		word += 2;
		if (!*word)
			return bytes >= 8;
		if (!strchr(":- ", *word))
			return false;
		word++;
	}
	return false;
}

bool key_word_is_key(const char *word)
{
	bool marked = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	const char *digits = marked ? word + 2 : word;
	size_t len = strlen(digits);

	if (!strncmp(word, "key=", 4) || is_spaced_hex(digits))
		return true;
	return len >= (marked ? 16 : 32) && strspn(digits, "0123456789abcdefABCDEF") == len;
}

/* The word itself is not repeated: it may be a key. */
int key_misuse(void)
{
	return misuse("keys are not taken from the command line, where every user can see them; "
		      "use key-file FILE, fd:N or - for standard input");
}

/*
 * Best effort: neither swap nor core dumps shall hold keys. Of all the process, once:
 * page by page it would be most of the time that a file of many SAs takes.
 */
void key_guard(void)
{
	static bool guarded;

	if (guarded)
		return;
	guarded = true;
	mlockall(MCL_CURRENT | MCL_FUTURE);
	prctl(PR_SET_DUMPABLE, 0);
}

/* Not unlocked, for another key may be on the same page; the process ends soon. */
void key_wipe(void *memory, size_t size)
{
	explicit_bzero(memory, size);
}

static int key_open(const char *from)
{
	char *end;
	long fd;

	if (!strcmp(from, "-"))
		return STDIN_FILENO;
	if (strncmp(from, "fd:", 3))
		return open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	errno = EBADF;
	if (!isdigit((unsigned char)from[3]))
		return -1;
	errno = 0;
	fd = strtol(from + 3, &end, 10);
	if (errno || *end || fd > INT_MAX) {
		errno = EBADF;
		return -1;
	}
	return fd;
}

static void warn_if_exposed(int fd, const char *from)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	if (st.st_mode & 044)
		warn("key-file %s: other users may read it; 'chmod 600' keeps them out", from);
	else if (st.st_mode & 022)
		warn("key-file %s: other users may change it; 'chmod 600' keeps them out", from);
	else if (st.st_uid && st.st_uid != geteuid())
		warn("key-file %s: it belongs to another user, who may read it; 'chown root' takes it away",
		     from);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL, or what is wrong. */
static const char *key_decode(struct key *key, const char *text, size_t len)
{
	size_t i = 0, digits = 0;

	key->len = 0;
	while (i < len && isspace((unsigned char)text[i]))
		i++;
	if (len - i >= 2 && text[i] == '0' && (text[i + 1] | 0x20) == 'x')
		i += 2;
	for (; i < len; i++) {
		int digit;

		if (isspace((unsigned char)text[i]))
			continue;
		digit = hex_digit(text[i]);
		if (digit < 0)
			return "not a key in hex; 'espctl genkey SUITE' prints one";
		if (digits / 2 >= sizeof(key->bytes))
			return "longer than the key of any suite";
		if (digits % 2)
			key->bytes[digits / 2] |= digit;
		else
			key->bytes[digits / 2] = digit << 4;
		digits++;
	}
	if (!digits)
		return "holds no key";
	if (digits % 2)
		return "an odd number of hex digits, so one is missing or too much";
	key->len = digits / 2;
	return NULL;
}

static int key_slurp(struct key *key, int fd, const char *from, char *text, size_t size)
{
	const char *why;
	size_t len = 0;
	ssize_t got;

	for (;;) {
		got = read(fd, text + len, size - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse("key-file %s: %s", from, strerror(errno));
		if (!got)
			break;
		len += got;
		if (len == size)
			return refuse("key-file %s: too large for a key in hex", from);
	}
	why = key_decode(key, text, len);
	return why ? refuse("key-file %s: %s", from, why) : 0;
}

/* Read a key; the caller has guarded it and wipes it, also after a failure. */
int key_read(struct key *key, const char *from)
{
	char text[KEY_TEXT_MAX];
	int fd, err;

	fd = key_open(from);
	if (fd < 0)
		return refuse("key-file %s: %s", from, strerror(errno));
	warn_if_exposed(fd, from);
	/* Not stdio, which would keep a copy. */
	key_guard();
	err = key_slurp(key, fd, from, text, sizeof(text));
	key_wipe(text, sizeof(text));
	if (fd != STDIN_FILENO && strncmp(from, "fd:", 3))
		close(fd);
	return err;
}
