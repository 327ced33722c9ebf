// SPDX-License-Identifier: GPL-2.0
/* The suites, and new keys for them. See suite.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sha256.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "command.h"
#include "key.h"
#include "out.h"
#include "say.h"
#include "suite.h"
#include "util.h"

enum {
	FINGERPRINT_TEXT = 16,
	KEY_TEXT_MAX = 2 * KEY_BYTES_MAX + 128,
};

/* name, cipher key, salt, integrity key, IV, ICV */
#define SIZES(what, ...) what(128, __VA_ARGS__), what(192, __VA_ARGS__), what(256, __VA_ARGS__)
#define GCM(bits, icv)	{ "aes" #bits "gcm" #icv, (bits) / 8, 4, 0, 8, icv, false }
#define CCM(bits, icv)	{ "aes" #bits "ccm" #icv, (bits) / 8, 3, 0, 8, icv, false }
#define GMAC(bits, icv)	{ "aes" #bits "gmac", (bits) / 8, 4, 0, 8, icv, false }
#define CBC(bits, hash, auth, icv, old)	\
			{ "aes" #bits "-" hash, (bits) / 8, 0, auth, 16, icv, old }
#define CTR(bits, hash, auth, icv)	\
			{ "aes" #bits "ctr-" hash, (bits) / 8, 4, auth, 8, icv, false }

static const struct suite suites[] = {
	SIZES(GCM, 8), SIZES(GCM, 12), SIZES(GCM, 16),
	{ "chacha20poly1305", 32, 4, 0, 8, 16, false },
	SIZES(CCM, 8), SIZES(CCM, 12), SIZES(CCM, 16),
	SIZES(GMAC, 16),
	SIZES(CBC, "sha256", 32, 16, false),
	SIZES(CBC, "sha384", 48, 24, false),
	SIZES(CBC, "sha512", 64, 32, false),
	SIZES(CTR, "sha256", 32, 16),
	SIZES(CTR, "sha384", 48, 24),
	SIZES(CTR, "sha512", 64, 32),
	SIZES(CBC, "sha1", 20, 12, true),
	{ "null-sha256", 0, 0, 32, 0, 16, false },
	{ "null-sha384", 0, 0, 48, 0, 24, false },
	{ "null-sha512", 0, 0, 64, 0, 32, false },
};

enum { SUITES = ARRAY_SIZE(suites) };

const struct suite *suite_find(const char *name)
{
	size_t i;

	for (i = 0; i < SUITES; i++)
		if (!strcmp(name, suites[i].name))
			return &suites[i];
	return NULL;
}

/*
 * The name that was probably meant, or NULL: a legacy suite is never proposed, nor
 * one of the many that begin with the name of a cipher.
 */
const char *suite_nearest(const char *name)
{
	size_t i, count = 0, begin = 0;
	const char *names[SUITES];

	for (i = 0; i < SUITES; i++) {
		if (suites[i].legacy)
			continue;
		names[count++] = suites[i].name;
		begin += !strncmp(suites[i].name, name, strlen(name));
	}
	return begin > 3 ? NULL : nearest(name, names, count);
}

/* The i-th, NULL behind the last. */
const char *suite_name(size_t i)
{
	return i < SUITES ? suites[i].name : NULL;
}

size_t suite_key_len(const struct suite *suite)
{
	return suite->enc_len + suite->salt_len + suite->auth_len;
}

/* What a key file for the suite holds, in its order. */
void suite_key_text(const struct suite *suite, char *text, size_t size)
{
	char part[3][32] = { "", "", "" };

	if (suite->enc_len)
		snprintf(part[0], sizeof(part[0]), "cipher %u", suite->enc_len);
	if (suite->salt_len)
		snprintf(part[1], sizeof(part[1]), " + salt %u", suite->salt_len);
	if (suite->auth_len)
		snprintf(part[2], sizeof(part[2]), "%sintegrity %u", suite->enc_len ? " + " : "",
			 suite->auth_len);
	snprintf(text, size, "%s%s%s", part[0], part[1], part[2]);
}

static struct json_object *suite_json(const struct suite *suite)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(suite->name));
	json_object_object_add(o, "key_len", json_object_new_int(suite_key_len(suite)));
	json_object_object_add(o, "cipher_key_len", json_object_new_int(suite->enc_len));
	json_object_object_add(o, "salt_len", json_object_new_int(suite->salt_len));
	json_object_object_add(o, "integrity_key_len", json_object_new_int(suite->auth_len));
	json_object_object_add(o, "iv_len", json_object_new_int(suite->iv_len));
	json_object_object_add(o, "icv_len", json_object_new_int(suite->icv_len));
	json_object_object_add(o, "legacy", json_object_new_boolean(suite->legacy));
	return o;
}

static const char *suite_remark(const struct suite *suite)
{
	if (suite->legacy)
		return "legacy, for old peers only";
	if (!suite->enc_len || strstr(suite->name, "gmac"))
		return "integrity alone, no encryption";
	return "";
}

int suite_show(struct args *args)
{
	static const struct column columns[] = {
		LEFT("SUITE"), RIGHT("KEY"), LEFT("MADE OF (BYTES)"), RIGHT("IV"),
		RIGHT("ICV"), LEFT("REMARK"), COLUMNS_END
	};
	struct json_list list;
	struct table table;
	char text[64];
	size_t i;

	if (args->json) {
		json_list_begin(&list);
		for (i = 0; i < SUITES; i++)
			json_list_add(&list, suite_json(&suites[i]));
		return json_list_end(&list);
	}
	table_begin(&table, columns);
	for (i = 0; i < SUITES; i++) {
		suite_key_text(&suites[i], text, sizeof(text));
		table_cell(&table, "%s", suites[i].name);
		table_cell(&table, "%zu", suite_key_len(&suites[i]));
		table_cell(&table, "%s", text);
		table_cell(&table, "%u", suites[i].iv_len);
		table_cell(&table, "%u", suites[i].icv_len);
		table_cell(&table, "%s", suite_remark(&suites[i]));
	}
	return table_end(&table);
}

/* All of it or nothing; write() because stdio would keep a copy. */
static int write_all(const char *text, size_t len)
{
	while (len) {
		ssize_t put = write(STDOUT_FILENO, text, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return refuse("genkey: cannot write the key: %s", strerror(errno));
		text += put;
		len -= put;
	}
	return 0;
}

static void hex_write(const __u8 *bytes, size_t len, char *text)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
}

/* As the kernel names a key: the beginning of SHA-256 over the suite's name, a zero and the key. */
static void fingerprint_write(const struct suite *suite, const struct key *key, char *text)
{
	__u8 digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX state;

	key_guard();
	SHA256Init(&state);
	SHA256Update(&state, (const void *)suite->name, strlen(suite->name) + 1);
	SHA256Update(&state, key->bytes, suite_key_len(suite));
	SHA256Final(digest, &state);
	key_wipe(&state, sizeof(state));
	hex_write(digest, FINGERPRINT_TEXT / 2, text);
}

/* A line of hex, or an object; not by json-c, which would keep a copy. */
static int genkey_write(const struct suite *suite, const struct key *key, bool json)
{
	char text[KEY_TEXT_MAX];
	size_t len = 0;
	int err;

	key_guard();
	if (json)
		len = sprintf(text, "{ \"suite\": \"%s\", \"key\": \"", suite->name);
	hex_write(key->bytes, suite_key_len(suite), text + len);
	len += 2 * suite_key_len(suite);
	if (json) {
		len += sprintf(text + len, "\", \"fingerprint\": \"");
		fingerprint_write(suite, key, text + len);
		len += FINGERPRINT_TEXT;
		len += sprintf(text + len, "\" }");
	}
	text[len++] = '\n';
	err = write_all(text, len);
	key_wipe(text, sizeof(text));
	return err;
}

/* The suite that stands behind the command's name, or NULL; why has been said. */
static const struct suite *suite_named(const struct args *args)
{
	const char *name = args->value[W_SUITE].said.value, *what = args->command->name, *meant;
	const struct suite *suite = suite_find(name);

	if (suite)
		return suite;
	meant = suite_nearest(name);
	if (meant)
		misuse("%s %s: no such suite: did you mean '%s'?", what, name, meant);
	else
		misuse("%s %s: no such suite: 'espctl suites' lists them", what, name);
	return NULL;
}

int suite_genkey(struct args *args)
{
	const struct suite *suite = suite_named(args);
	struct stat st;
	struct key key;
	int err;

	if (!suite)
		return STATUS_USAGE;
	key_guard();
	/* 256 bytes or less come whole or not at all. */
	if (getrandom(key.bytes, suite_key_len(suite), 0) != (ssize_t)suite_key_len(suite))
		err = refuse("genkey: no random numbers: %s", strerror(errno));
	else
		err = genkey_write(suite, &key, args->json);
	key_wipe(&key, sizeof(key));
	if (!err && !fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) &&
	    st.st_mode & 044)
		warn("genkey: other users may read the file; 'umask 077' before keeps them out");
	return err;
}

static int fingerprint_print(const struct suite *suite, const char *text, bool json)
{
	struct json_object *o;

	if (!json) {
		puts(text);
		return out_done();
	}
	o = json_object_new_object();
	json_add_string(o, "suite", suite->name);
	json_add_string(o, "fingerprint", text);
	return json_print(o);
}

int suite_fingerprint(struct args *args)
{
	const char *from = args->value[W_KEY_FILE].said.value;
	const struct suite *suite = suite_named(args);
	char text[FINGERPRINT_TEXT + 1] = "", parts[64];
	struct key key;
	int err;

	if (!suite)
		return STATUS_USAGE;
	key_guard();
	err = key_read(&key, from);
	if (!err && key.len != suite_key_len(suite)) {
		suite_key_text(suite, parts, sizeof(parts));
		err = refuse("key-file %s: %s takes %zu bytes: %s; this key has %zu", from,
			     suite->name, suite_key_len(suite), parts, key.len);
	}
	if (!err)
		fingerprint_write(suite, &key, text);
	key_wipe(&key, sizeof(key));
	return err ?: fingerprint_print(suite, text, args->json);
}
