/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The esp device of a namespace. Packets that came out of a tunnel arrive by
 * it, so that they are routed afresh, meet GRO, and can be named in firewall
 * rules; tcpdump on it shows clear traffic in both directions. It sends nothing.
 */
#ifndef _ESPM_DEV_H
#define _ESPM_DEV_H

struct espm_net;
struct list_head;
struct netlink_ext_ack;

int espm_dev_init(void);
void espm_dev_exit(void);
int espm_dev_create(struct espm_net *en, struct netlink_ext_ack *extack);
void espm_dev_destroy(struct espm_net *en);
void espm_dev_destroy_all(struct list_head *nets);

#endif /* _ESPM_DEV_H */
