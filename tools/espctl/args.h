/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The grammar's words. A command is a list of words; each names a value of
 * one kind, in any order. One table describes them all, so that what is
 * typed, what is suggested and what --help says can't differ.
 */
#ifndef _ESPCTL_ARGS_H
#define _ESPCTL_ARGS_H

#include <stdbool.h>
#include <linux/types.h>
#include "addr.h"

enum word {
	W_ID,
	W_SPI,
	W_DIR,
	W_MODE,
	W_SRC,
	W_DST,
	W_NEW_DST,
	W_SUITE,
	W_KEY_FILE,
	W_REQID,
	W_ESN,
	W_WINDOW,
	W_ENCAP,
	W_KEEPALIVE,
	W_DUMMY,
	W_ROAM,
	W_SEQ,
	W_PIN,
	W_MSS_CLAMP,
	W_DSCP,
	W_ECN,
	W_DF,
	W_TTL,
	W_TFC,
	W_SOFT_BYTES,
	W_HARD_BYTES,
	W_SOFT_PACKETS,
	W_HARD_PACKETS,
	W_SOFT_SECONDS,
	W_HARD_SECONDS,
	W_SOFT_USE_SECONDS,
	W_HARD_USE_SECONDS,
	W_SEL,
	W_ACTION,
	W_PRIORITY,
	W_FAMILY,
	W_ON_DEMAND,
	W_SPIS,
	W_SECONDS,
	W_ALL,
	W_REASON,
	W_OF_SA,
	W_OF_POLICY,
	W_EVERY,
	W_ROUNDS,
	W_EVENTS,
	W_TIMEOUT,
	W_KEY_DIR,
	W_MARGIN,
	W_SAS,
	W_POLICIES,
	W_RESERVATIONS,
	W_SAS_PER_REQID,
	W_SAS_PER_SPI,
	/* of a selector; in an SA's words they stand behind "sel" */
	W_SEL_SRC,
	W_SEL_DST,
	W_PROTO,
	W_SPORT,
	W_DPORT,
	W_ICMP,
	W_COUNT,
};

#define WORD(id)	(1ULL << W_##id)
#define WORDS_LIFETIME	(WORD(SOFT_BYTES) | WORD(HARD_BYTES) | WORD(SOFT_PACKETS) | \
			 WORD(HARD_PACKETS) | WORD(SOFT_SECONDS) | WORD(HARD_SECONDS) | \
			 WORD(SOFT_USE_SECONDS) | WORD(HARD_USE_SECONDS))
#define WORDS_CHANGES	(WORD(SRC) | WORD(NEW_DST) | WORD(ENCAP) | WORD(REQID) | \
			 WORD(KEEPALIVE) | WORD(DUMMY) | WORD(PIN) | WORDS_LIFETIME)
#define WORDS_LIMITS	(WORD(SAS) | WORD(POLICIES) | WORD(RESERVATIONS) | \
			 WORD(SAS_PER_REQID) | WORD(SAS_PER_SPI))
#define WORDS_SELECTOR	(WORD(SEL_SRC) | WORD(SEL_DST) | WORD(PROTO) | WORD(SPORT) | \
			 WORD(DPORT) | WORD(ICMP))

/* What the user said: the word and its value, for sentences about it. */
struct said {
	const char *name;
	const char *value;
	const char *hint;	/* added to a refusal that is about this */
};

/* An inclusive range of ports, or of ICMP type * 256 + code. */
struct ports {
	__u16 first;
	__u16 last;
};

struct value {
	bool given;
	struct said said;
	struct said second;	/* of a word with two values */
	union {
		__u32 number;
		__u64 wide;
		struct addr addr;
		struct range range;
		struct ports ports;
		__u16 pair[2];
		__u32 spis[2];
	};
};

struct command;

struct args {
	const struct command *command;
	bool json;
	struct value value[W_COUNT];
};

extern const char *const direction_names[2];
extern const char *const mode_names[2];
extern const char *const df_names[3];
extern const char *const life_names[4];
extern const char *const action_names[3];

int args_parse(struct args *args, char **words, int count);

/* What may stand behind words: one of these, or the value of one. */
struct args_next {
	unsigned long long words;
	enum word value;		/* W_COUNT: none is due */
};

struct args_next args_next(const struct command *command, char **words, int count);
const char *word_choice(enum word id, unsigned int i);
const char *word_name(enum word id);
const char *word_value(enum word id);
const char *word_help(enum word id);

const char *proto_name(unsigned int number, char *text, size_t size);
bool proto_is_icmp(unsigned int number);

#endif /* _ESPCTL_ARGS_H */
