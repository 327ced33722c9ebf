// SPDX-License-Identifier: GPL-2.0
/* --help. What is said of commands and words comes from their tables. */
#include <stdio.h>
#include <string.h>
#include "args.h"
#include "command.h"
#include "help.h"
#include "out.h"
#include "say.h"

/* The grammar of one command, its lines below each other. */
static void print_usage(const struct command *command)
{
	int indent = printf("  espctl %s", command->name);
	const char *line = command->usage;

	while (*line) {
		int len = strcspn(line, "\n");

		printf(" %.*s\n", len, line);
		line += len;
		if (*line) {
			line++;
			printf("%*s", indent, "");
		}
	}
	if (!*command->usage)
		putchar('\n');
}

static void print_words(const struct command *command)
{
	unsigned int id;
	char text[48];

	puts("\nWords, in any order:");
	for (id = 0; id < W_COUNT; id++) {
		if (!(command->takes & 1ULL << id))
			continue;
		if (id == W_SEL_SRC && command->takes & WORD(SEL))
			puts("behind 'sel':");
		snprintf(text, sizeof(text), "%s %s", word_name(id), word_value(id) ?: "");
		printf("  %-28s  %s\n", text, word_help(id));
	}
}

static void print_key_help(void)
{
	fputs("\nA key file is text: the key in hex, '0x' before it or not; blanks and line ends\n"
	      "don't count. It holds the cipher's key, then the salt, then the integrity key,\n"
	      "as far as the suite has them; 'espctl suites' gives the lengths. 'espctl genkey'\n"
	      "makes one. Each SA needs a key of its own: a key used twice gives the traffic\n"
	      "away. So for manual keys, which nobody changes for you, make new ones often, and\n"
	      "never add an SA again with a key that was in use.\n", stdout);
}

int help_command(const struct command *command)
{
	printf("espctl %s: %s\n\n", command->name, command->about);
	print_usage(command);
	if (command->takes)
		print_words(command);
	if (command->takes & WORD(KEY_FILE))
		print_key_help();
	return out_done();
}

int help_noun(const char *noun)
{
	unsigned int i;

	for (i = 0; i < commands_count; i++) {
		if (!command_has_noun(&commands[i], noun))
			continue;
		print_usage(&commands[i]);
		printf("      %s\n", commands[i].about);
	}
	printf("\n'espctl %s COMMAND --help' explains the words of one.\n", noun);
	return out_done();
}

static const char intro[] =
"espctl: configure esp_mod, which protects IP packets with IPsec ESP (RFC 4303)\n"
"\n"
"An SA (security association) holds the key and the addresses of one direction of\n"
"one tunnel. A policy says which packets need an SA, and names it by its reqid.\n"
"\n";

static const char rest[] =
"\n"
"  espctl -f FILE      do what the lines of FILE say, all of it or nothing; - is\n"
"                      standard input\n"
"  espctl --help, espctl sa --help, espctl sa add --help: this, and more of each\n"
"  espctl --version\n"
"\n"
"-j, --json   print JSON: arrays of objects, and of an addition {\"id\": N}\n"
"\n"
"SPI          number of an SA, agreed with the peer, 0x100 or more\n"
"ADDR         IPv4 or IPv6 address; no host names\n"
"PREFIX       ADDR, or ADDR/LENGTH with no bit set behind it\n"
"RANGE        ADDR-ADDR, both included\n"
"SUITE        algorithms, such as aes128gcm16: see 'espctl suites'\n"
"FILE         holds a key in hex; fd:N is a descriptor, - standard input. Keys are\n"
"             not taken from the command line, where every user can see them.\n"
"\n"
"Exit status: 0 done; 1 refused by the kernel or the machine; 2 not the grammar.\n"
"Errors are one line on standard error: 'espctl: WHAT: WHY'. What is refused\n"
"changes nothing.\n"
"\n"
"Needs CAP_NET_ADMIN, and the module: 'modprobe esp_mod' or 'insmod esp_mod.ko'.\n"
"\n"
"Example: net 10.0.1.0/24 behind gateway 192.0.2.1, net 10.0.2.0/24 behind gateway\n"
"192.0.2.2, all between them protected. On the first gateway, as root:\n"
"\n"
"  umask 077\n"
"  espctl genkey aes128gcm16 > key-1to2      # one key for each direction:\n"
"  espctl genkey aes128gcm16 > key-2to1      # never the same for both\n"
"  scp key-1to2 key-2to1 192.0.2.2:          # or by any other safe way\n"
"  sysctl -w net.ipv4.ip_forward=1\n"
"  ip route replace 10.0.2.0/24 via 192.0.2.2 # or by the router between\n"
"\n"
"  espctl sa add spi 0x1001 dir out mode tunnel src 192.0.2.1 dst 192.0.2.2 \\\n"
"         suite aes128gcm16 key-file key-1to2 reqid 1\n"
"  espctl sa add spi 0x1002 dir in  mode tunnel src 192.0.2.2 dst 192.0.2.1 \\\n"
"         suite aes128gcm16 key-file key-2to1 reqid 1\n"
"  espctl policy add dir out src 10.0.1.0/24 dst 10.0.2.0/24 action protect reqid 1\n"
"  espctl policy add dir in  src 10.0.2.0/24 dst 10.0.1.0/24 action protect reqid 1\n"
"\n"
"On the second gateway the same with in and out exchanged:\n"
"\n"
"  sysctl -w net.ipv4.ip_forward=1\n"
"  ip route replace 10.0.1.0/24 via 192.0.2.1\n"
"  espctl sa add spi 0x1001 dir in  mode tunnel src 192.0.2.1 dst 192.0.2.2 \\\n"
"         suite aes128gcm16 key-file key-1to2 reqid 1\n"
"  espctl sa add spi 0x1002 dir out mode tunnel src 192.0.2.2 dst 192.0.2.1 \\\n"
"         suite aes128gcm16 key-file key-2to1 reqid 1\n"
"  espctl policy add dir in  src 10.0.1.0/24 dst 10.0.2.0/24 action protect reqid 1\n"
"  espctl policy add dir out src 10.0.2.0/24 dst 10.0.1.0/24 action protect reqid 1\n"
"\n"
"Then ping from net to net. 'espctl sa show' counts packets; both ends show the same\n"
"fingerprint for the same key. 'espctl stats' tells why packets were dropped.\n"
"'tcpdump -i esp0' shows what came out of the tunnel.\n";

int help_all(void)
{
	unsigned int i;

	fputs(intro, stdout);
	for (i = 0; i < commands_count; i++)
		print_usage(&commands[i]);
	fputs(rest, stdout);
	return out_done();
}
