/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family of netlink_uapi/esp_mod.yaml. */
#ifndef _ESPM_NETLINK_H
#define _ESPM_NETLINK_H

int espm_netlink_init(void);
void espm_netlink_exit(void);

#endif /* _ESPM_NETLINK_H */
