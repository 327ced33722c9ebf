/* SPDX-License-Identifier: GPL-2.0 */
/* The module and its namespaces. */
#ifndef _ESPM_MAIN_H
#define _ESPM_MAIN_H

struct espm_net;
struct netlink_ext_ack;

#define ESPM_VERSION "0.1.0"

int espm_net_wake(struct espm_net *en, struct netlink_ext_ack *extack);
void espm_net_rest(struct espm_net *en);

#endif /* _ESPM_MAIN_H */
