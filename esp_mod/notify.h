/* SPDX-License-Identifier: GPL-2.0 */
/* What listeners of the multicast group are told. */
#ifndef _ESPM_NOTIFY_H
#define _ESPM_NOTIFY_H

#include <linux/types.h>

struct espm_net;
struct espm_policy;
struct espm_sa;

void espm_notify_begin(struct espm_net *en);
void espm_notify_on(void);
void espm_notify_off(void);
void espm_notify_sa(struct espm_net *en, u8 cmd, struct espm_sa *sa);
void espm_notify_policy(struct espm_net *en, u8 cmd, const struct espm_policy *policy);
void espm_notify_flush(struct espm_net *en, u8 cmd);

#endif /* _ESPM_NOTIFY_H */
