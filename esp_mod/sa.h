/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One security association: its members, its references, its end.
 *
 * Locks, in the order in which they nest:
 *
 *   espm_net.lock   mutex: every change of a namespace's SAD and SPD
 *   espm_sa.rx_lock spinlock, softirqs off: the replay window
 *   espm_sa.expire_lock spinlock, softirqs off: new limits, and what follows
 *
 * None is held across crypto, a hook's continuation, or a notification.
 *
 * A letter on each member says what guards it:
 *
 *   I  immutable once the SA is published
 *   L  espm_net.lock
 *   A  atomic, or a single word that is read and written once
 *   X  rx_lock
 *   E  expire_lock
 *   P  per CPU
 *   S  its own locking
 *
 * An SA may expire before it is deleted: espm_sa_end() makes it unusable, and it
 * stays to be seen. It is deleted in two phases. espm_sa_kill() makes it unusable; whoever unlinked
 * it from the SAD calls it. The last reference (an operation in flight holds
 * one) then sends it through a grace period, because lookups borrow pointers
 * under RCU, to a worker, because freeing a transform may sleep.
 */
#ifndef _ESPM_SA_H
#define _ESPM_SA_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/llist.h>
#include <linux/percpu-refcount.h>
#include <linux/rbtree.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/threads.h>
#include <linux/timer.h>
#include <linux/u64_stats_sync.h>
#include <linux/workqueue.h>
#include "path.h"
#include "proto.h"
#include "replay.h"
#include "selector.h"
#include "stats.h"
#include "suite.h"

struct crypto_aead;
struct espm_limits;
struct espm_keyring;
struct espm_link;
struct espm_net;
struct espm_tally;

enum {
	/* Outbound numbers that are left when each begins to be taken with care. */
	ESPM_SEQ_MARGIN		= 1 << 23,
	ESPM_FINGERPRINT_LEN	= 8,
	ESPM_DSCP_COPY		= 0xff,
};

/* Whoever takes a number without care is a task, or a CPU, and takes one until it looks again. */
static_assert(ESPM_SEQ_MARGIN >= 2 * PID_MAX_LIMIT);

/* What an outbound SA sends when it has nothing to send. */
enum espm_idle {
	ESPM_IDLE_KEEPALIVE,	/* one byte of UDP (RFC 3948 section 2.3) */
	ESPM_IDLE_DUMMY,	/* a packet that holds none (RFC 4303 section 2.6) */
};

/**
 * struct espm_peer - where a packet came from
 * @addr: address
 * @port: UDP port, 0 without UDP
 * @family: of the packet; that of the SA may have changed since
 */
struct espm_peer {
	union espm_addr addr;
	__be16 port;
	u8 family;
};

/**
 * struct espm_key_name - a name for the key of an SA, and for what it opens
 * @name: one-way name of the key that nonces belong to, whatever the suite
 * @spi: of an inbound SA; 0 of an outbound one, as no two of those may share a key
 */
struct espm_key_name {
	u8 name[ESPM_FINGERPRINT_LEN];
	__be32 spi;
};

/**
 * struct espm_sa_load - traffic of an SA on one CPU
 * @packets: packets sealed, or opened and accepted
 * @bytes: their bytes, without ESP
 * @syncp: makes both readable as one on 32-bit machines
 */
struct espm_sa_load {
	u64_stats_t packets;
	u64_stats_t bytes;
	struct u64_stats_sync syncp;
};

/**
 * struct espm_sa - a security association (RFC 4301 section 4.4.2)
 * @spi: I: security parameters index
 * @dir: I: enum espm_direction
 * @path: L, read under RCU: addresses and ports; owned
 * @keyring: L: SAs of the same key; a reference
 * @in_formers: L: while it is doomed without an heir, place among those of its keyring
 * @tally: L: SAs of the same SPI; a reference
 * @round: I: how many flushes there had been; one more, and it is gone
 * @en: I: the namespace; outlives the SA
 * @reqid: A: number by which policies name the SA
 * @reqid_before: A: the number by which policies named it before @reqid_since, 0 for none
 * @reqid_since: A: 0, or the generation in which @reqid begins to be true
 * @link: L: SAs and policies of the same reqid; a reference
 * @in_link: L: outbound, place among those of its link, while packets may choose it
 * @by_age: L: the same, to find the place
 * @by_pin: L: as long as it is pinned, place among those
 * @in_ended: L: outbound, place among those of its link that have ended
 * @id: I: number in the namespace
 * @mode: I: transport or tunnel
 * @esn: I: extended sequence numbers
 * @dscp: I: outbound tunnel, DSCP of the outer header, or %ESPM_DSCP_COPY
 * @ecn: I: outbound tunnel, whether the ECN field is copied outwards
 * @df: I: outbound tunnel, enum espm_df
 * @ttl: I: outbound tunnel, hop limit of the outer header, 0 for the host's
 * @label: I: outbound tunnel over IPv6, flow label: the SA's, of no packet inside
 * @tfc: I: outbound tunnel, least bytes inside of ESP
 * @clamp_mss: I: whether SYNs are told what fits
 * @roam: I: inbound, whether outbound SAs of its reqid follow the peer
 * @pin: L: outbound, preferred to newer SAs of its reqid
 * @doomed: L, read alone with @reqid_since: a transaction is about to delete it
 * @changing: L: a transaction is about to change it
 * @roamed: L: its peer was followed to where it is, elsewhere than it was told
 * @heir: L: the SA that takes its name over, staged or published, or NULL
 * @elder: L: while staged, the SA whose name it takes over, or NULL
 * @idle_limit: A: outbound, seconds without a packet until @idle sends one, 0 for never
 * @idle_kind: A: enum espm_idle, what it sends then
 * @sel: I: inner traffic that an inbound SA accepts
 * @suite: I: the crypto suite
 * @tfm: I: its transform, owned, with the keys inside
 * @chacha: I: instead of it, with @apart: what it would only join, owned
 * @apart: I: which of the two it is
 * @bare: I: @tfm is GCM itself, which is given whole nonces
 * @salt: I: with @bare, the first bytes of its nonces
 * @room: I: bytes that either needs for each packet
 * @iv_mix: I: secret that turns sequence numbers into IVs
 * @fingerprint: I: one-way name of suite and key, shown
 * @key_name: I: name of its key, by which an SA is known again; larval ones have none
 * @state: A: enum espm_sa_state, only ever forward
 * @mark: E, read alone: up to this packet no limit is to be looked at, of any kind; a word,
 *	so that nobody reads half of it
 * @load: P: traffic
 * @drops: A: what was dropped on this SA
 * @ref: S: references; a per-CPU counter until the SA is killed
 * @free_work: S: grace period and worker of the end
 * @expire_lock: guards @limits, @mark and @expiry
 * @limits: E, read under RCU: limits of the life, or NULL; owned
 * @added: I: when it was published, nanoseconds of CLOCK_BOOTTIME
 * @used: E, whether it is 0 read alone: when its first packet passed, 0 before
 * @text: A: bytes under the cipher, with a limit in bytes
 * @soft_limit: A: enum espm_life whose soft limit was reached first, or %ESPM_LIVES
 * @hard_limit: A: enum espm_life whose hard limit ended it, or %ESPM_LIVES
 * @near_told: A: the end of the sequence numbers is near, and that was told
 * @expiry: S: timer of limits in seconds
 * @events: A: what waits to be told, a bit for each of enum espm_event
 * @in_events: S: place among the SAs of which something waits to be told
 * @icv_told: A: when the last failed integrity check was told, jiffies
 * @seq: A: outbound, last sequence number given out
 * @idle: S: timer of @idle_limit, set up with it
 * @last_sent: A: with @idle_limit, when the last packet left, jiffies
 * @rx_lock: guards @replay, @taken, @depth and @seen
 * @replay: X: inbound, the window; owned
 * @taken: X: inbound, packets authenticated
 * @first: I: inbound, the highest number when it was added
 * @depth: X: inbound, by how many numbers a packet came after a later one, at most
 * @seen: X: with @roam, where the newest packet came from that was not from @path
 */
struct espm_sa {
	__be32 spi;
	u8 dir;
	struct espm_path __rcu *path;
	struct espm_keyring *keyring;
	struct list_head in_formers;
	struct espm_tally *tally;
	u32 round;
	struct espm_net *en;
	u32 reqid;
	u32 reqid_before;
	unsigned long reqid_since;
	struct espm_link *link;
	struct hlist_node in_link;
	struct rb_node by_age;
	struct rb_node by_pin;
	struct hlist_node in_ended;
	u8 salt[ESPM_GCM_SALT_LEN];
	u8 mode;
	bool esn;
	u8 dscp;
	bool ecn;
	u8 df;
	u8 ttl;
	bool apart;
	bool bare;
	__be32 label;
	u16 tfc;
	bool clamp_mss;
	bool roam;
	bool pin;
	bool doomed;
	bool changing;
	bool roamed;
	struct espm_sa *heir;
	struct espm_sa *elder;
	u8 idle_kind;
	u16 idle_limit;
	struct espm_selector sel;
	const struct espm_suite *suite;
	union {
		struct crypto_aead *tfm;
		struct espm_chacha *chacha;
	};
	u64 iv_mix;
	u8 fingerprint[ESPM_FINGERPRINT_LEN];
	struct espm_key_name key_name;
	u32 state;
	unsigned long mark;
	struct espm_sa_load __percpu *load;
	struct espm_drops drops;
	struct percpu_ref ref;
	struct rcu_work free_work;
	u32 room;
	spinlock_t expire_lock;	/* limits, and what follows from them */
	struct espm_limits __rcu *limits;
	u64 added;
	u64 used;
	atomic64_t text;
	u32 soft_limit;
	u32 hard_limit;
	u32 near_told;
	struct hrtimer expiry;
	unsigned long events;
	struct llist_node in_events;

	atomic64_t seq ____cacheline_aligned_in_smp;
	struct timer_list idle;
	unsigned long last_sent;
	unsigned long icv_told;

	spinlock_t rx_lock ____cacheline_aligned_in_smp;
	u32 id;
	struct espm_replay *replay;
	u64 taken;
	u64 depth;
	u64 first;
	struct espm_peer seen;
};

int espm_sa_init(void);
void espm_sa_exit(void);
void espm_sa_await(struct espm_net *en);
struct espm_sa *espm_sa_alloc(struct espm_net *en, u8 dir, __be32 spi, u32 window);
void espm_sa_free(struct espm_sa *sa);
void espm_sa_kill(struct espm_sa *sa);
bool espm_sa_end(struct espm_sa *sa);
enum espm_counter espm_sa_next_seq(struct espm_sa *sa, u32 text, u64 *seq);
void espm_sa_account(struct espm_sa *sa, u32 bytes);
void espm_sa_load_sum(const struct espm_sa *sa, u64 *packets, u64 *bytes);
struct espm_path *espm_sa_own_path(const struct espm_sa *sa);

/**
 * espm_sa_tryget() - a reference of one's own to an SA borrowed under RCU
 * @sa: the SA
 *
 * Context: any, under rcu_read_lock().
 * Return: false if the SA has been killed.
 */
static inline bool espm_sa_tryget(struct espm_sa *sa)
{
	return percpu_ref_tryget_live_rcu(&sa->ref);
}

/**
 * espm_sa_put() - give a reference back
 * @sa: the SA
 *
 * Context: any.
 */
static inline void espm_sa_put(struct espm_sa *sa)
{
	percpu_ref_put(&sa->ref);
}

/**
 * espm_sa_is_keyed() - whether an SA has its keys
 * @sa: the SA
 *
 * Context: any.
 * Return: false for an SPI that is reserved only.
 */
static inline bool espm_sa_is_keyed(const struct espm_sa *sa)
{
	return sa->tfm;
}

/**
 * espm_sa_path_rcu() - where an SA's packets go
 * @sa: the SA, published
 *
 * Fetch it once for each packet: the next call may tell another one.
 *
 * Context: any, under rcu_read_lock().
 * Return: the path, borrowed.
 */
static inline struct espm_path *espm_sa_path_rcu(const struct espm_sa *sa)
{
	return rcu_dereference(sa->path);
}

/**
 * espm_sa_reqid_in() - the number by which policies of a generation know an SA
 * @sa: the SA
 * @gen: the generation in which a packet is judged
 *
 * Context: any, under rcu_read_lock().
 * Return: the number; 0, which no policy has, if the SA is not yet meant for them,
 * or not any more.
 */
static inline u32 espm_sa_reqid_in(const struct espm_sa *sa, unsigned long gen)
{
	/* Pairs with espm_sad_leave(). */
	u32 reqid = smp_load_acquire(&sa->reqid);
	/* And again: what was before is there before. */
	unsigned long since = smp_load_acquire(&sa->reqid_since);

	if (likely(!since))
		return reqid;
	if ((long)(gen - since) < 0)
		return READ_ONCE(sa->reqid_before);
	return READ_ONCE(sa->doomed) ? 0 : reqid;
}

/**
 * espm_sa_usable() - may packets still be sealed or opened with an SA?
 * @sa: the SA
 *
 * Return: true while it is valid or dying.
 */
static inline bool espm_sa_usable(const struct espm_sa *sa)
{
	u32 state = READ_ONCE(sa->state);

	return state == ESPM_SA_VALID || state == ESPM_SA_DYING;
}

/**
 * espm_sa_has_expired() - did an SA end by itself?
 * @sa: the SA
 *
 * Return: true until it is deleted.
 */
static inline bool espm_sa_has_expired(const struct espm_sa *sa)
{
	return READ_ONCE(sa->state) == ESPM_SA_EXPIRED;
}

/**
 * espm_sa_last_seq() - the last sequence number that an SA may use
 * @sa: the SA
 *
 * Return: the number; 0 is none.
 */
static inline u64 espm_sa_last_seq(const struct espm_sa *sa)
{
	return sa->esn ? U64_MAX : U32_MAX;
}

#endif /* _ESPM_SA_H */
