/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family of netlink_uapi/esp_mod.yaml. */
#ifndef _ESPM_NETLINK_H
#define _ESPM_NETLINK_H

#include <linux/types.h>

struct espm_policy;
struct espm_sa;
struct genl_family;
struct net;
struct sk_buff;

extern struct genl_family espm_family;

int espm_netlink_init(void);
void espm_netlink_exit(void);
bool espm_netlink_may_show(const struct net *net);
int espm_sa_fill(struct sk_buff *msg, struct espm_sa *sa);
int espm_policy_fill(struct sk_buff *msg, const struct espm_policy *policy);

#endif /* _ESPM_NETLINK_H */
