/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The crypto of one CPU's packets on many CPUs.
 *
 * A CPU seals and opens its packets itself while that takes less than half of
 * its time. Beyond that they queue in its lane; CPUs with nothing better to do
 * take from there, and what is finished goes on in the order in which it came,
 * on the CPU that it came to:
 *
 *	goes on <- [ finished or worked on | waiting ] <- comes
 *	           head                    taken     tail
 *
 * The lane is the CPU's, not the SA's. So whatever one CPU is given, of however
 * many SAs, keeps its order; and an SA whose packets come to many CPUs has had
 * them spread already.
 */
#ifndef _ESPM_SPREAD_H
#define _ESPM_SPREAD_H

struct espm_op;

int espm_spread_init(void);
void espm_spread_exit(void);
void espm_spread(struct espm_op *op);
void espm_spread_done(struct espm_op *op, int err);

#endif /* _ESPM_SPREAD_H */
