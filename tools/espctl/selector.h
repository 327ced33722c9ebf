/* SPDX-License-Identifier: GPL-2.0 */
/* Selectors, which SAs and policies share: sent, shown and as JSON. */
#ifndef _ESPCTL_SELECTOR_H
#define _ESPCTL_SELECTOR_H

#include "addr.h"
#include "args.h"
#include "nl.h"

struct json_object;

/* A selector as it came from the kernel. */
struct selector {
	struct range src;
	struct range dst;
	bool any_proto;
	__u8 proto;
	bool any_sport;
	bool any_dport;
	struct ports sport;
	struct ports dport;
};

enum { PORTS_TEXT = 32 };

int selector_check(struct args *args, __u8 *icmp_proto);
void selector_put(struct nl_request *req, __u16 type, const struct args *args, __u8 icmp_proto);
void selector_get(struct selector *sel, const struct nlattr *nest);
bool selector_is_any(const struct selector *sel);
void selector_text(const struct selector *sel, char *text, size_t size);
void ports_text(const struct ports *ports, bool any, bool icmp, char *text, size_t size);
struct json_object *selector_json(const struct selector *sel);

#endif /* _ESPCTL_SELECTOR_H */
