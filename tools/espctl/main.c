// SPDX-License-Identifier: GPL-2.0
/* espctl: options, then a command. */
#include <stdio.h>
#include <string.h>
#include "command.h"
#include "help.h"
#include "main.h"
#include "out.h"
#include "say.h"

#define ESPCTL_VERSION "0.1"

static int print_version(void)
{
	puts("espctl " ESPCTL_VERSION);
	return out_done();
}

enum option {
	OPTION_JSON,
	OPTION_FILE,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_COUNT,
};

static const struct {
	const char *brief;
	const char *full;
} options[OPTION_COUNT] = {
	[OPTION_JSON] = { "-j", "--json" },
	[OPTION_FILE] = { "-f", "--file" },
	[OPTION_HELP] = { "-h", "--help" },
	[OPTION_VERSION] = { "-V", "--version" },
};

/* The i-th way to write an option, NULL behind the last. */
const char *option_name(unsigned int i)
{
	if (i >= 2 * OPTION_COUNT)
		return NULL;
	return i % 2 ? options[i / 2].full : options[i / 2].brief;
}

static bool is_option(const char *word, enum option option)
{
	return !strcmp(word, options[option].brief) || !strcmp(word, options[option].full);
}

bool option_takes_file(const char *word)
{
	return is_option(word, OPTION_FILE);
}

static int unknown_option(const char *word)
{
	const char *names[OPTION_COUNT], *meant;
	unsigned int i;

	for (i = 0; i < OPTION_COUNT; i++)
		names[i] = options[i].full;
	meant = nearest(word, names, OPTION_COUNT);
	if (meant)
		return misuse("unknown option '%s': did you mean '%s'?", word, meant);
	return misuse("unknown option '%s': see 'espctl --help'", word);
}

/* Take -j out wherever it stands; no value of any word can look like it. */
static bool take_json(int *count, char **words)
{
	bool found = false;
	int from, to = 0;

	for (from = 0; from < *count; from++) {
		if (is_option(words[from], OPTION_JSON))
			found = true;
		else
			words[to++] = words[from];
	}
	*count = to;
	return found;
}

/* For the shell: the words before the last are typed, the last is being typed. */
static int complete(char **words, int count)
{
	char *last = count ? words[count - 1] : NULL;
	int before = count - 1;

	if (last) {
		take_json(&before, words);
		words[before] = last;
	}
	return complete_words(words, before + 1);
}

int main(int argc, char **argv)
{
	int count = argc > 0 ? argc - 1 : 0;
	char **words = argv + 1;
	bool json;

	if (count && !strcmp(words[0], "complete"))
		return complete(words + 1, count - 1);
	json = take_json(&count, words);
	if (count && is_option(words[0], OPTION_HELP))
		return help_all();
	if (count && is_option(words[0], OPTION_VERSION))
		return print_version();
	if (count && is_option(words[0], OPTION_FILE)) {
		if (count != 2)
			return misuse("%s takes a file, or - for standard input, and nothing else",
				      words[0]);
		return file_run(words[1]);
	}
	if (count && words[0][0] == '-')
		return unknown_option(words[0]);
	return command_run(words, count, json);
}
