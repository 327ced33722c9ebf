/* SPDX-License-Identifier: GPL-2.0 */
/* Ways through the kernel on which policy is not asked, as far as they can be seen. */
#ifndef _ESPCTL_AROUND_H
#define _ESPCTL_AROUND_H

int around_routes(void);
int around_programs(void);
int around_xfrm(unsigned short type);

#endif /* _ESPCTL_AROUND_H */
