// SPDX-License-Identifier: GPL-2.0
/* The table of commands, and the way from words to one of them. */
#include <stdio.h>
#include <string.h>
#include "command.h"
#include "help.h"
#include "key.h"
#include "nl.h"
#include "say.h"
#include "util.h"

#define WORDS_SA_NAME	(WORD(ID) | WORD(SPI) | WORD(DST) | WORD(DIR))

const struct command commands[] = {
	{
		.name = "sa add",
		.usage = "spi SPI dir in|out mode tunnel|transport src ADDR|any dst ADDR|any\n"
			 "suite SUITE key-file FILE|fd:N|- reqid N\n"
			 "[esn on|off] [window N] [encap SPORT DPORT [keepalive SECONDS]]\n"
			 "[dummy SECONDS] [roam on|off] [seq N] [pin on|off]\n"
			 "[mss-clamp on|off] [dscp copy|N] [ecn on|off] [df copy|clear|set]\n"
			 "[ttl N] [tfc N]\n"
			 "[soft-bytes N] [hard-bytes N] [soft-packets N] [hard-packets N]\n"
			 "[soft-seconds N] [hard-seconds N] [soft-use-seconds N]\n"
			 "[hard-use-seconds N]\n"
			 "[sel [src PREFIX|RANGE|any] [dst PREFIX|RANGE|any] [proto NAME|N]\n"
			 "     [sport A[-B]] [dport A[-B]] [icmp TYPE[/CODE]]]",
		.about = "add a security association",
		.takes = WORD(SPI) | WORD(DIR) | WORD(MODE) | WORD(SRC) | WORD(DST) |
			 WORD(SUITE) | WORD(KEY_FILE) | WORD(REQID) | WORD(ESN) |
			 WORD(WINDOW) | WORD(ENCAP) | WORD(KEEPALIVE) | WORD(DUMMY) |
			 WORD(ROAM) | WORD(SEQ) | WORD(PIN) | WORD(MSS_CLAMP) |
			 WORD(DSCP) | WORD(ECN) | WORD(DF) | WORD(TTL) | WORD(TFC) |
			 WORDS_LIFETIME | WORD(SEL) | WORDS_SELECTOR,
		.needs = WORD(SPI) | WORD(DIR) | WORD(MODE) | WORD(SRC) | WORD(DST) |
			 WORD(SUITE) | WORD(KEY_FILE) | WORD(REQID),
		.bare = W_COUNT,
		.changes = true,
		.run = sa_add,
	},
	{
		.name = "sa reserve",
		.usage = "dst ADDR|any [spi A[-B]] [seconds N]",
		.about = "reserve an SPI for an inbound SA to come, and print it",
		.takes = WORD(DST) | WORD(SPIS) | WORD(SECONDS),
		.needs = WORD(DST),
		.bare = W_COUNT,
		.run = sa_reserve,
	},
	{
		.name = "sa update",
		.usage = "id N | spi SPI dst ADDR dir in|out\n"
			 "[src ADDR|any] [new-dst ADDR|any] [encap SPORT DPORT] [reqid N]\n"
			 "[keepalive SECONDS] [dummy SECONDS] [pin on|off]\n"
			 "[soft-bytes N] [hard-bytes N] [soft-packets N] [hard-packets N]\n"
			 "[soft-seconds N] [hard-seconds N] [soft-use-seconds N]\n"
			 "[hard-use-seconds N]",
		.about = "change a security association; what is not named stays, and so do its\n"
			 "      sequence number, window, keys and counters",
		.takes = WORDS_SA_NAME | WORDS_CHANGES,
		.bare = W_COUNT,
		.changes = true,
		.run = sa_update,
	},
	{
		.name = "sa del",
		.usage = "id N | spi SPI dst ADDR dir in|out",
		.about = "remove one security association",
		.takes = WORDS_SA_NAME,
		.bare = W_COUNT,
		.changes = true,
		.run = sa_del,
	},
	{
		.name = "sa show",
		.usage = "[id N | spi SPI dst ADDR dir in|out]",
		.about = "show one security association, or all",
		.takes = WORDS_SA_NAME,
		.bare = W_COUNT,
		.run = sa_show,
	},
	{
		.name = "sa flush",
		.usage = "",
		.about = "remove every security association",
		.bare = W_COUNT,
		.changes = true,
		.run = sa_flush,
	},
	{
		.name = "policy add",
		.usage = "dir in|out [src PREFIX|RANGE|any] [dst PREFIX|RANGE|any]\n"
			 "[proto NAME|N] [sport A[-B]] [dport A[-B]] [icmp TYPE[/CODE]]\n"
			 "[family 4|6] [priority N]\n"
			 "action protect reqid N [on-demand] | action bypass | action discard",
		.about = "add a policy",
		.takes = WORD(DIR) | WORDS_SELECTOR | WORD(FAMILY) | WORD(PRIORITY) |
			 WORD(ACTION) | WORD(REQID) | WORD(ON_DEMAND),
		.needs = WORD(DIR) | WORD(ACTION),
		.bare = W_COUNT,
		.changes = true,
		.run = policy_add,
	},
	{
		.name = "policy del",
		.usage = "id N",
		.about = "remove one policy",
		.takes = WORD(ID),
		.needs = WORD(ID),
		.bare = W_COUNT,
		.changes = true,
		.run = policy_del,
	},
	{
		.name = "policy show",
		.usage = "[id N]",
		.about = "show one policy, or all",
		.takes = WORD(ID),
		.bare = W_COUNT,
		.run = policy_show,
	},
	{
		.name = "policy flush",
		.usage = "",
		.about = "remove every policy",
		.bare = W_COUNT,
		.changes = true,
		.run = policy_flush,
	},
	{
		.name = "save",
		.usage = "[key-dir DIR] [margin N]",
		.about = "print a file for 'espctl -f' that makes SAs and policies what they are now,\n"
			 "      with numbers that were not used; keys stay in files, by fingerprint",
		.takes = WORD(KEY_DIR) | WORD(MARGIN),
		.bare = W_COUNT,
		.run = save,
	},
	{
		.name = "limits show",
		.usage = "",
		.about = "show how many SAs, policies and reservations there may be",
		.bare = W_COUNT,
		.run = limits_show,
	},
	{
		.name = "limits set",
		.usage = "[sas N] [policies N] [reservations N] [sas-per-reqid N] [sas-per-spi N]",
		.about = "change those that are named; what is there already stays",
		.takes = WORDS_LIMITS,
		.bare = W_COUNT,
		.run = limits_set,
	},
	{
		.name = "stats",
		.usage = "[all | sa ID | policy ID]",
		.about = "show the counters that are not zero, or all, or what an SA or a policy\n"
			 "      has dropped, and what they mean",
		.takes = WORD(ALL) | WORD(OF_SA) | WORD(OF_POLICY),
		.bare = W_COUNT,
		.run = stats_show,
	},
	{
		.name = "explain",
		.usage = "SRC DST [proto NAME|N] [sport N] [dport N] [icmp TYPE[/CODE]]",
		.about = "tell what would become of a packet, and why; without proto, of a ping",
		.takes = WORD(PROTO) | WORD(SPORT) | WORD(DPORT) | WORD(ICMP),
		.bare = W_SRC,
		.bares = 2,
		.run = explain,
	}, {
		.name = "monitor",
		.usage = "[count N] [timeout SECONDS]",
		.about = "print what happens to SAs and policies, as it happens, a line each",
		.takes = WORD(EVENTS) | WORD(TIMEOUT),
		.bare = W_COUNT,
		.run = monitor,
	},
	{
		.name = "trace",
		.usage = "[reason NAME] [sa ID] [policy ID] [spi SPI] [reqid N]\n"
			 "[src PREFIX|RANGE|any] [dst PREFIX|RANGE|any] [proto NAME|N]\n"
			 "[sport A[-B]] [dport A[-B]] [count N] [timeout SECONDS]",
		.about = "print drops as they happen, a line each, with what can be read of the packet",
		.takes = WORD(REASON) | WORD(OF_SA) | WORD(OF_POLICY) | WORD(SPI) | WORD(REQID) |
			 WORD(SEL_SRC) | WORD(SEL_DST) | WORD(PROTO) | WORD(SPORT) | WORD(DPORT) |
			 WORD(EVENTS) | WORD(TIMEOUT),
		.bare = W_COUNT,
		.run = trace,
	},
	{
		.name = "top",
		.usage = "[every SECONDS] [count N]",
		.about = "show the rates of each SA, the busiest first, again and again",
		.takes = WORD(EVERY) | WORD(ROUNDS),
		.bare = W_COUNT,
		.run = top,
	},
	{
		.name = "doctor",
		.usage = "",
		.about = "look for what keeps ESP from working here, and say what to do; status 1 if\n"
			 "      there is something",
		.bare = W_COUNT,
		.run = doctor,
	},
	{
		.name = "suites",
		.usage = "",
		.about = "list the suites: names, lengths of keys, IVs and ICVs",
		.bare = W_COUNT,
		.run = suite_show,
	},
	{
		.name = "genkey",
		.usage = "SUITE [> FILE]",
		.about = "print a random key for a suite, in hex",
		.bare = W_SUITE,
		.run = suite_genkey,
	},
	{
		.name = "fingerprint",
		.usage = "SUITE key-file FILE|fd:N|-",
		.about = "print the fingerprint that an SA of this suite and key has at both ends",
		.takes = WORD(KEY_FILE),
		.needs = WORD(KEY_FILE),
		.bare = W_SUITE,
		.run = suite_fingerprint,
	},
};

const unsigned int commands_count = ARRAY_SIZE(commands);

bool command_has_noun(const struct command *command, const char *noun)
{
	size_t len = strcspn(command->name, " ");

	return strlen(noun) == len && !strncmp(noun, command->name, len);
}

/* The second word of a command's name, or NULL. */
const char *command_verb(const struct command *command)
{
	const char *space = strchr(command->name, ' ');

	return space ? space + 1 : NULL;
}

static int unknown_noun(const char *word)
{
	char noun[ARRAY_SIZE(commands)][16];
	const char *names[ARRAY_SIZE(commands)], *meant;
	unsigned int i;

	if (key_word_is_key(word))
		return key_misuse();
	for (i = 0; i < commands_count; i++) {
		snprintf(noun[i], sizeof(noun[i]), "%.*s",
			 (int)strcspn(commands[i].name, " "), commands[i].name);
		names[i] = noun[i];
	}
	meant = nearest(word, names, commands_count);
	if (meant)
		return misuse("unknown command '%s': did you mean '%s'?", word, meant);
	return misuse("unknown command '%s': see 'espctl --help'", word);
}

static int unknown_verb(const char *noun, const char *word)
{
	const char *names[ARRAY_SIZE(commands)], *meant;
	char list[128] = "";
	size_t used = 0;
	unsigned int i, count = 0;

	for (i = 0; i < commands_count; i++) {
		if (!command_has_noun(&commands[i], noun))
			continue;
		names[count++] = command_verb(&commands[i]);
		used += snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
				 command_verb(&commands[i]));
	}
	if (!word)
		return misuse("%s: say what to do: %s", noun, list);
	meant = nearest(word, names, count);
	if (meant)
		return misuse("%s: unknown word '%s': did you mean '%s'?", noun, word, meant);
	return misuse("%s: unknown word '%s': must be one of %s", noun, word, list);
}

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

/*
 * Run the command that a list of words is. The list may come from anywhere;
 * nothing here knows of argv.
 */
int command_run(char **words, int count, bool json)
{
	const struct command *command = NULL;
	struct args args = { .json = json };
	const char *noun, *verb;
	bool known = false;
	int used, i;

	if (!count)
		return misuse("a command is missing: see 'espctl --help'");
	noun = words[0];
	verb = count > 1 ? words[1] : NULL;
	for (i = 0; i < (int)commands_count && !command; i++) {
		if (!command_has_noun(&commands[i], noun))
			continue;
		known = true;
		if (!command_verb(&commands[i]) ||
		    (verb && !strcmp(verb, command_verb(&commands[i]))))
			command = &commands[i];
	}
	if (!known)
		return unknown_noun(noun);
	if (nl_gathers() && command && !command->changes)
		return misuse("%s: only what changes SAs or policies can stand in a file",
			      command->name);
	if (!command && verb && is_help(verb) && !nl_gathers())
		return help_noun(noun);
	if (!command)
		return unknown_verb(noun, verb);

	used = command_verb(command) ? 2 : 1;
	for (i = used; i < count; i++)
		if (is_help(words[i]) && !nl_gathers())
			return help_command(command);
	args.command = command;
	return args_parse(&args, words + used, count - used) ?: command->run(&args);
}
