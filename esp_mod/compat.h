/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the kernels that the module builds for, 6.1 first, and
 * between their configurations.
 */
#ifndef _ESPM_COMPAT_H
#define _ESPM_COMPAT_H

#include <linux/crypto.h>
#include <linux/hrtimer.h>
#include <linux/local_lock.h>
#include <linux/netdevice.h>
#include <linux/version.h>
#include <net/genetlink.h>
#include <net/inet_sock.h>
#include <net/netlink.h>

/* Segmentation moved out of netdevice.h and skbuff.h. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/gso.h>
#endif

/*
 * ESPM_CRYPTO_CALLBACK(name, type, func) defines the callback @name, which
 * hands the request's data, a pointer to @type, and its result to @func.
 * -EINPROGRESS only says that a request left the backlog.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define ESPM_CRYPTO_CALLBACK(name, type, func)				\
static void name(void *data, int err)					\
{									\
	if (err != -EINPROGRESS)					\
		func((type *)data, err);				\
}
#else
#define ESPM_CRYPTO_CALLBACK(name, type, func)				\
static void name(struct crypto_async_request *base, int err)		\
{									\
	if (err != -EINPROGRESS)					\
		func((type *)base->data, err);				\
}
#endif

/* 6.1 writes it out in each policy. */
#ifndef NLA_POLICY_MAX_LEN
#define NLA_POLICY_MAX_LEN(_len) { .type = NLA_BINARY, .len = (_len) }
#endif

/* Who may join a multicast group: its flag has got a name of its own. */
#ifndef GENL_MCAST_CAP_NET_ADMIN
#define GENL_MCAST_CAP_NET_ADMIN GENL_UNS_ADMIN_PERM
#endif

/*
 * A lock for a CPU's own memory, under which softirqs are off. It costs nothing without
 * PREEMPT_RT. With it, since 6.18, they may be off for several tasks of a CPU at once; before
 * 6.11, when the lock came, that was itself a lock of the CPU.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
struct espm_local { local_lock_t bh; };

#define ESPM_LOCAL_INIT { .bh = INIT_LOCAL_LOCK(bh) }
#define espm_local_init(lock) local_lock_init(&(lock)->bh)
#define espm_local_lock(lock) local_lock_nested_bh(&(lock)->bh)
#define espm_local_unlock(lock) local_unlock_nested_bh(&(lock)->bh)
#else
struct espm_local {};

#define ESPM_LOCAL_INIT {}
#define espm_local_init(lock) ((void)(lock))
#define espm_local_lock(lock) ((void)(lock))
#define espm_local_unlock(lock) ((void)(lock))
#endif

/* A timer, its function and its clock, in one step since 6.13. */
static inline void espm_compat_hrtimer_setup(struct hrtimer *timer,
					     enum hrtimer_restart (*function)(struct hrtimer *),
					     clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

/* The source of a trace event's string is named once since 6.10. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define espm_assign_str(dst, src) __assign_str(dst)
#else
#define espm_assign_str(dst, src) __assign_str(dst, src)
#endif

/* A device that needs no transmit lock, and stays in its namespace. */
static inline void espm_compat_dev_flags(struct net_device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	dev->lltx = true;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
	dev->netns_immutable = true;
#else
	dev->netns_local = true;
#endif
#else
	dev->features |= NETIF_F_LLTX | NETIF_F_NETNS_LOCAL;
#endif
}

/* A socket that sends fragments, and wants them left alone: a bit among others since 6.6. */
static inline bool espm_compat_nodefrag(const struct sock *sk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return inet_test_bit(NODEFRAG, sk);
#else
	return inet_sk(sk)->nodefrag;
#endif
}

/* Without bridges that ask netfilter no packet comes from one. */
#if !IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
static inline bool nf_bridge_info_exists(const struct sk_buff *skb)
{
	return false;
}

static inline struct net_device *nf_bridge_get_physoutdev(const struct sk_buff *skb)
{
	return NULL;
}
#endif

#endif /* _ESPM_COMPAT_H */
