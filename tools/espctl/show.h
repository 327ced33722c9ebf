/* SPDX-License-Identifier: GPL-2.0 */
/* One SA or policy, as monitor prints it too. */
#ifndef _ESPCTL_SHOW_H
#define _ESPCTL_SHOW_H

#include <stddef.h>

struct json_object;
struct nlattr;
struct nlmsghdr;

extern const char *const state_names[5];

struct json_object *sa_json(const struct nlmsghdr *nlh);
struct json_object *policy_json(const struct nlmsghdr *nlh);
void sa_line(const struct nlmsghdr *nlh);
void hex_text(const struct nlattr *attr, char *text, size_t size);
void policy_line(const struct nlmsghdr *nlh);

#endif /* _ESPCTL_SHOW_H */
