/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel's headers would give. */
#ifndef _ESPCTL_UTIL_H
#define _ESPCTL_UTIL_H

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif
#ifndef __printf
#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))
#endif
#ifndef __aligned
#define __aligned(bytes)	__attribute__((aligned(bytes)))
#endif

#endif /* _ESPCTL_UTIL_H */
