/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The places of netfilter where the module stands, for both families.
 *
 *	PRE_ROUTING	whole packets, put together here if need be: may this come in as it is?
 *			Behind destination NAT: and now, if NAT has changed it?
 *	LOCAL_IN	behind the administrator's filter: is it ESP for us?
 *	POST_ROUTING	before source NAT: must it be protected? Behind it: and now,
 *			if NAT has changed it?
 */
#ifndef _ESPM_HOOKS_H
#define _ESPM_HOOKS_H

struct espm_net;

int espm_hooks_register(struct espm_net *en);
void espm_hooks_leave(struct espm_net *en);
void espm_hooks_unregister(struct list_head *nets);

#endif /* _ESPM_HOOKS_H */
