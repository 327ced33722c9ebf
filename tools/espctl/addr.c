// SPDX-License-Identifier: GPL-2.0
/* Addresses and ranges. See addr.h. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "addr.h"

bool addr_parse(struct addr *addr, const char *word)
{
	addr->len = strchr(word, ':') ? ADDR_V6 : ADDR_V4;
	return inet_pton(addr->len == ADDR_V6 ? AF_INET6 : AF_INET, word, addr->bytes) == 1;
}

void addr_set(struct addr *addr, const void *bytes, size_t len)
{
	addr->len = len == ADDR_V4 || len == ADDR_V6 ? len : 0;
	memcpy(addr->bytes, bytes, addr->len);
}

void addr_text(const struct addr *addr, char *text, size_t size)
{
	if (!addr->len ||
	    !inet_ntop(addr->len == ADDR_V6 ? AF_INET6 : AF_INET, addr->bytes, text, size))
		snprintf(text, size, "any");
}

static bool bit_is_set(const struct addr *addr, unsigned int bit)
{
	return addr->bytes[bit / 8] & 0x80 >> bit % 8;
}

/* Set the bits behind a prefix; false if some were set before. */
static bool fill_host_bits(struct addr *addr, unsigned int plen)
{
	bool were_clear = true;
	unsigned int bit;

	for (bit = plen; bit < addr->len * 8U; bit++) {
		if (bit_is_set(addr, bit))
			were_clear = false;
		addr->bytes[bit / 8] |= 0x80 >> bit % 8;
	}
	return were_clear;
}

/* The host bits of range->last are all set: clear them to show what was meant. */
static const char *prefix_hint(struct range *range, unsigned int plen)
{
	static char text[INET6_ADDRSTRLEN + 80];
	char addr[INET6_ADDRSTRLEN];
	unsigned int bit;

	for (bit = plen; bit < range->last.len * 8U; bit++)
		range->last.bytes[bit / 8] &= ~(0x80 >> bit % 8);
	addr_text(&range->last, addr, sizeof(addr));
	snprintf(text, sizeof(text), "bits are set behind the prefix: did you mean %s/%u?", addr,
		 plen);
	return text;
}

static const char *prefix_parse(struct range *range, const char *plen)
{
	unsigned long bits;
	char *end;

	if (!isdigit((unsigned char)*plen))
		return "no prefix length behind the '/'";
	bits = strtoul(plen, &end, 10);
	if (*end)
		return "the prefix length is not a number";
	if (bits > range->first.len * 8U)
		return range->first.len == ADDR_V6 ? "the prefix length is more than 128" :
						     "the prefix length is more than 32";
	range->last = range->first;
	if (fill_host_bits(&range->last, bits))
		return NULL;
	return prefix_hint(range, bits);
}

/* Read ADDR, ADDR/LENGTH, ADDR-ADDR or "any". NULL, or what is wrong. */
const char *range_parse(struct range *range, const char *word)
{
	char text[RANGE_TEXT], *sign;

	if (!strcmp(word, "any")) {
		range->first.len = 0;
		range->last.len = 0;
		return NULL;
	}
	if (strlen(word) >= sizeof(text))
		return "not an address, a prefix or a range";
	strcpy(text, word);
	sign = strpbrk(text, "/-");
	if (!sign) {
		if (!addr_parse(&range->first, text))
			return "not an IPv4 or IPv6 address, nor a prefix, a range or 'any'";
		range->last = range->first;
		return NULL;
	}
	if (*sign == '/') {
		*sign = '\0';
		if (!addr_parse(&range->first, text))
			return "what stands before the '/' is not an IPv4 or IPv6 address";
		return prefix_parse(range, sign + 1);
	}
	*sign = '\0';
	if (!addr_parse(&range->first, text) || !addr_parse(&range->last, sign + 1))
		return "a range is two IPv4 or two IPv6 addresses with a '-' between";
	if (range->first.len != range->last.len)
		return "the ends of the range are of different families";
	if (memcmp(range->first.bytes, range->last.bytes, range->first.len) > 0)
		return "the range ends before it begins";
	return NULL;
}

/* The length of the prefix that a range is, or -1. */
static int range_prefix(const struct range *range)
{
	unsigned int bits = range->first.len * 8U, plen = 0, bit;

	while (plen < bits && bit_is_set(&range->first, plen) == bit_is_set(&range->last, plen))
		plen++;
	for (bit = plen; bit < bits; bit++)
		if (bit_is_set(&range->first, bit) || !bit_is_set(&range->last, bit))
			return -1;
	return plen;
}

void range_text(const struct range *range, char *text, size_t size)
{
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];
	int plen;

	addr_text(&range->first, first, sizeof(first));
	addr_text(&range->last, last, sizeof(last));
	if (!range->first.len || range->first.len != range->last.len) {
		snprintf(text, size, "any");
		return;
	}
	plen = range_prefix(range);
	if (plen == range->first.len * 8)
		snprintf(text, size, "%s", first);
	else if (plen >= 0)
		snprintf(text, size, "%s/%d", first, plen);
	else
		snprintf(text, size, "%s-%s", first, last);
}

/* Whether an address belongs to a range; any does to the range without ends. */
bool range_has(const struct range *range, const struct addr *addr)
{
	if (!range->first.len)
		return true;
	return addr->len == range->first.len &&
	       memcmp(addr->bytes, range->first.bytes, addr->len) >= 0 &&
	       memcmp(addr->bytes, range->last.bytes, addr->len) <= 0;
}
