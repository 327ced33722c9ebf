/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exchanges of a word. Of a byte or two, some machines have none, as a module can use it,
 * or have it wrong (s390x, MIPS, RISC-V); of 64 bits, machines of 32 have none. scripts/floors
 * holds that nobody asks for them by their own names.
 */
#ifndef _ESPM_ATOM_H
#define _ESPM_ATOM_H

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/types.h>

#define ESPM_IS_WORD(ptr)						\
	static_assert(sizeof(*(ptr)) == sizeof(u32) ||			\
		      sizeof(*(ptr)) == sizeof(unsigned long))

/* As the kernel's xchg(), cmpxchg() and try_cmpxchg(). */
#define espm_xchg(ptr, new)						\
({									\
	ESPM_IS_WORD(ptr);						\
	xchg(ptr, new);							\
})

#define espm_cmpxchg(ptr, old, new)					\
({									\
	ESPM_IS_WORD(ptr);						\
	cmpxchg(ptr, old, new);						\
})

#define espm_try_cmpxchg(ptr, old, new)					\
({									\
	ESPM_IS_WORD(ptr);						\
	try_cmpxchg(ptr, old, new);					\
})

#endif /* _ESPM_ATOM_H */
