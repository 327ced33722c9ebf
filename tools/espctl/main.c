// SPDX-License-Identifier: GPL-2.0
/* espctl: options, then a command. */
#include <stdio.h>
#include <string.h>
#include "command.h"
#include "help.h"
#include "out.h"
#include "say.h"

#define ESPCTL_VERSION "0.1"

static int print_version(void)
{
	puts("espctl " ESPCTL_VERSION);
	return out_done();
}

static bool is_one_of(const char *word, const char *brief, const char *full)
{
	return !strcmp(word, brief) || !strcmp(word, full);
}

/* Take -j out wherever it stands; no value of any word can look like it. */
static bool take_json(int *count, char **words)
{
	bool found = false;
	int from, to = 0;

	for (from = 0; from < *count; from++) {
		if (is_one_of(words[from], "-j", "--json"))
			found = true;
		else
			words[to++] = words[from];
	}
	*count = to;
	return found;
}

int main(int argc, char **argv)
{
	int count = argc > 0 ? argc - 1 : 0;
	char **words = argv + 1;
	bool json = take_json(&count, words);

	if (count && is_one_of(words[0], "-h", "--help"))
		return help_all();
	if (count && is_one_of(words[0], "-V", "--version"))
		return print_version();
	if (count && is_one_of(words[0], "-f", "--file")) {
		if (count != 2)
			return misuse("%s takes a file, or - for standard input, and nothing else",
				      words[0]);
		return file_run(words[1]);
	}
	if (count && words[0][0] == '-')
		return misuse("unknown option '%s': see 'espctl --help'", words[0]);
	return command_run(words, count, json);
}
