/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of commands. One entry says what a command is called, which
 * words it takes and what it does; main, the parser and --help read it.
 */
#ifndef _ESPCTL_COMMAND_H
#define _ESPCTL_COMMAND_H

#include "args.h"

/**
 * struct command - one command
 * @name: what is typed, of one or two words
 * @usage: the words behind the name, as --help shows them
 * @about: what it does, in one sentence
 * @takes: words it knows
 * @needs: words it can't do without
 * @bare: the word whose value stands alone behind the name, or W_COUNT
 * @bares: how many do, @bare and those behind it in enum word; 0 is 1
 * @changes: it changes SAs or policies, and can stand in a file
 * @run: does it, and returns the exit status
 */
struct command {
	const char *name;
	const char *usage;
	const char *about;
	unsigned long long takes;
	unsigned long long needs;
	enum word bare;
	unsigned int bares;
	bool changes;
	int (*run)(struct args *args);
};

extern const struct command commands[];
extern const unsigned int commands_count;

bool command_has_noun(const struct command *command, const char *noun);
const char *command_verb(const struct command *command);
int command_run(char **words, int count, bool json);

int file_run(const char *name);
int complete_words(char **words, int count);

int doctor(struct args *args);
int explain(struct args *args);
int limits_show(struct args *args);
int limits_set(struct args *args);
int monitor(struct args *args);
int policy_add(struct args *args);
int policy_del(struct args *args);
int policy_show(struct args *args);
int policy_flush(struct args *args);
int save(struct args *args);
int sa_add(struct args *args);
int sa_reserve(struct args *args);
int sa_update(struct args *args);
int sa_del(struct args *args);
int sa_show(struct args *args);
int sa_flush(struct args *args);
int stats_show(struct args *args);
int suite_show(struct args *args);
int suite_genkey(struct args *args);
int suite_fingerprint(struct args *args);
int top(struct args *args);
int trace(struct args *args);

#endif /* _ESPCTL_COMMAND_H */
