/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an outbound SA sends when it has nothing to send. A keepalive keeps a
 * NAT's mapping; a dummy packet does that, too, and since it is sealed it tells
 * a peer that roams with us where we are, and hides that there is no traffic.
 */
#ifndef _ESPM_IDLE_H
#define _ESPM_IDLE_H

#include "sa.h"

void espm_idle_set(struct espm_sa *sa, enum espm_idle kind, u16 seconds);
void espm_idle_begin(struct espm_sa *sa);

#endif /* _ESPM_IDLE_H */
