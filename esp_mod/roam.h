/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A peer whose address changes. The newest packet of an inbound SA with "roam",
 * authenticated, says where the peer is; the SA and the outbound SAs that sent to
 * where it was go there from then on. What is forged, replayed or overtaken moves
 * nothing.
 */
#ifndef _ESPM_ROAM_H
#define _ESPM_ROAM_H

struct espm_net;
struct espm_op;
struct espm_sa;

void espm_roam_look(const struct espm_op *op);
void espm_roam_follow(struct espm_net *en, struct espm_sa *sa,
		      void (*tell)(struct espm_net *en, struct espm_sa *sa));

#endif /* _ESPM_ROAM_H */
