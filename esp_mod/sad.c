// SPDX-License-Identifier: GPL-2.0
/* The SA database. See sad.h. */
#include <linux/lockdep.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include "compat.h"
#include "expire.h"
#include "netns.h"
#include "sa.h"
#include "sad.h"
#include "spd.h"

static const struct rhashtable_params by_name_params = {
	.key_len = sizeof(struct espm_sa_name),
	.key_offset = offsetof(struct espm_path, name),
	.head_offset = offsetof(struct espm_path, by_name),
	.automatic_shrinking = true,
};

static const struct rhashtable_params by_key_params = {
	.key_len = sizeof(struct espm_key_name),
	.key_offset = offsetof(struct espm_keyring, name),
	.head_offset = offsetof(struct espm_keyring, node),
	.automatic_shrinking = true,
};

static const struct rhashtable_params by_spi_params = {
	.key_len = sizeof(__be32),
	.key_offset = offsetof(struct espm_tally, spi),
	.head_offset = offsetof(struct espm_tally, node),
	.automatic_shrinking = true,
};

static const struct rhashtable_params link_params = {
	.key_len = sizeof(u32),
	.key_offset = offsetof(struct espm_link, reqid),
	.head_offset = offsetof(struct espm_link, node),
	.automatic_shrinking = true,
};

enum {
	STEPS_MAX	= 32,	/* of a packet, among SAs that have just ended */
	HOLD_NS		= 8 * NSEC_PER_MSEC,
};

/*
 * The path that this CPU found last, and how many had been removed by then. One
 * that goes is out of the table, then counted here, and freed after a grace
 * period: who still reads the old number has begun before that.
 */
struct memo {
	struct espm_local lock;
	struct espm_path *path;
	long removals;
};

static DEFINE_PER_CPU(struct memo, lately) = { .lock = ESPM_LOCAL_INIT };
static atomic_long_t removals;

/**
 * espm_sad_init() - an empty database
 * @en: the namespace
 *
 * Context: process, sleeps.
 * Return: 0 or -ENOMEM.
 */
int espm_sad_init(struct espm_net *en)
{
	struct espm_sad *sad = &en->sad;
	int err;

	sad->changes = 1;
	xa_init_flags(&sad->by_id, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	err = rhashtable_init(&sad->by_name, &by_name_params);
	if (err)
		return err;
	err = rhashtable_init(&sad->by_key, &by_key_params);
	if (err)
		goto err_by_name;
	err = rhashtable_init(&sad->by_spi, &by_spi_params);
	if (err)
		goto err_by_key;
	err = rhashtable_init(&sad->links, &link_params);
	if (err)
		goto err_by_spi;
	return 0;

err_by_spi:
	rhashtable_destroy(&sad->by_spi);
err_by_key:
	rhashtable_destroy(&sad->by_key);
err_by_name:
	rhashtable_destroy(&sad->by_name);
	return err;
}

/**
 * espm_sad_exit() - free the database, which is empty and has no more readers
 * @en: the namespace
 *
 * Context: process, sleeps.
 */
void espm_sad_exit(struct espm_net *en)
{
	WARN_ON(!xa_empty(&en->sad.by_id));
	xa_destroy(&en->sad.by_id);
	rhashtable_destroy(&en->sad.links);
	rhashtable_destroy(&en->sad.by_spi);
	rhashtable_destroy(&en->sad.by_key);
	rhashtable_destroy(&en->sad.by_name);
}

/**
 * espm_sad_link_get() - the link of a reqid, made if there is none
 * @en: the namespace, locked
 * @reqid: the number
 *
 * Context: process, sleeps.
 * Return: the link, with a reference for the caller; NULL without memory.
 */
struct espm_link *espm_sad_link_get(struct espm_net *en, u32 reqid)
{
	struct espm_link *link;

	lockdep_assert_held(&en->lock);
	link = rhashtable_lookup_fast(&en->sad.links, &reqid, link_params);
	if (link) {
		link->users++;
		return link;
	}
	link = kzalloc(sizeof(*link), GFP_KERNEL_ACCOUNT);
	if (!link)
		return NULL;
	link->reqid = reqid;
	link->users = 1;
	INIT_HLIST_HEAD(&link->outbound);
	INIT_HLIST_HEAD(&link->ended);
	link->ages = RB_ROOT_CACHED;
	link->pins = RB_ROOT_CACHED;
	if (rhashtable_insert_fast(&en->sad.links, &link->node, link_params)) {
		kfree(link);
		return NULL;
	}
	return link;
}

/**
 * espm_sad_link_put() - give a reference back
 * @en: the namespace, locked
 * @link: the link
 *
 * Context: process.
 */
void espm_sad_link_put(struct espm_net *en, struct espm_link *link)
{
	lockdep_assert_held(&en->lock);
	if (--link->users)
		return;
	rhashtable_remove_fast(&en->sad.links, &link->node, link_params);
	kfree_rcu(link, rcu);
}

/**
 * espm_sad_is_gone() - has a flush ended this SA?
 * @sa: an SA of its SAD
 *
 * A flush ends all SAs in one moment, and takes them out of the SAD in the time that it
 * needs. Until then packets may use them; who asks for SAs no longer finds them.
 *
 * Context: any.
 */
bool espm_sad_is_gone(const struct espm_sa *sa)
{
	return sa->round != READ_ONCE(sa->en->sad.round);
}

static bool is_newer(const struct espm_sa *a, const struct espm_sa *b)
{
	/* Of two of one moment, the one that comes last. */
	return a->added >= b->added;
}

static bool precedes_by_age(struct rb_node *a, const struct rb_node *b)
{
	return is_newer(rb_entry(a, struct espm_sa, by_age), rb_entry(b, struct espm_sa, by_age));
}

static bool precedes_by_pin(struct rb_node *a, const struct rb_node *b)
{
	return is_newer(rb_entry(a, struct espm_sa, by_pin), rb_entry(b, struct espm_sa, by_pin));
}

static void pin_sa(struct espm_link *link, struct espm_sa *sa)
{
	rb_add_cached(&sa->by_pin, &link->pins, precedes_by_pin);
}

static void unpin_sa(struct espm_link *link, struct espm_sa *sa)
{
	if (RB_EMPTY_NODE(&sa->by_pin))
		return;
	rb_erase_cached(&sa->by_pin, &link->pins);
	RB_CLEAR_NODE(&sa->by_pin);
}

/* The newest first. */
static void list_by_age(struct espm_link *link, struct espm_sa *sa)
{
	struct espm_sa *newer;

	rb_add_cached(&sa->by_age, &link->ages, precedes_by_age);
	newer = rb_entry_safe(rb_prev(&sa->by_age), struct espm_sa, by_age);
	if (newer)
		hlist_add_behind_rcu(&sa->in_link, &newer->in_link);
	else
		hlist_add_head_rcu(&sa->in_link, &link->outbound);
	if (sa->pin)
		pin_sa(link, sa);
}

static void delist(struct espm_link *link, struct espm_sa *sa)
{
	if (!hlist_unhashed(&sa->in_link)) {
		hlist_del_init_rcu(&sa->in_link);
		rb_erase_cached(&sa->by_age, &link->ages);
		RB_CLEAR_NODE(&sa->by_age);
	}
	unpin_sa(link, sa);
	if (!hlist_unhashed(&sa->in_ended))
		hlist_del_init_rcu(&sa->in_ended);
}

/*
 * Take an SA that sends no more out of the way of packets. What has ended by itself stays
 * to be seen. @behind: the one that was met before it, newer, or NULL
 */
static struct hlist_node *set_aside(struct espm_link *link, struct espm_sa *sa,
				    struct hlist_node *behind)
{
	delist(link, sa);
	if (!espm_sa_has_expired(sa) || sa->doomed || espm_sad_is_gone(sa))
		return behind;
	if (behind)
		hlist_add_behind_rcu(&sa->in_ended, behind);
	else
		hlist_add_head_rcu(&sa->in_ended, &link->ended);
	return &sa->in_ended;
}

/* Which SAs of a link may be picked. */
enum pick_from {
	PICK_STAYING,	/* no doomed one, and none that a flush has ended */
	PICK_ANY,
};

static bool is_pick(const struct espm_sa *sa, enum pick_from from)
{
	return espm_sa_usable(sa) &&
	       (from == PICK_ANY || (!sa->doomed && !espm_sad_is_gone(sa)));
}

/*
 * The pinned SA of a link, or the newest one, that is still usable. What is met on the way
 * is set aside, so that it is met once in its life.
 */
static struct espm_sa *pick(struct espm_link *link, enum pick_from from)
{
	struct hlist_node *behind = NULL;
	struct rb_node *node;
	struct espm_sa *sa;

	while ((node = rb_first_cached(&link->pins))) {
		sa = rb_entry(node, struct espm_sa, by_pin);
		if (is_pick(sa, from))
			return sa;
		behind = set_aside(link, sa, behind);
	}
	while ((node = rb_first_cached(&link->ages))) {
		sa = rb_entry(node, struct espm_sa, by_age);
		if (is_pick(sa, from))
			return sa;
		behind = set_aside(link, sa, behind);
	}
	return NULL;
}

/* One that is about to be deleted is not chosen on the way. */
static void choose_outbound(struct espm_link *link)
{
	rcu_assign_pointer(link->out, pick(link, PICK_STAYING));
}

/* Within a turn, before a link is changed: older generations keep what it has. */
static void keep_before(struct espm_sad *sad, struct espm_link *link)
{
	struct espm_sa *before = rcu_dereference_protected(link->out, true);

	if (!sad->turn || link->since)
		return;
	/* It may have ended by itself, and who would choose again waits for the lock. */
	if (before && !espm_sa_usable(before))
		before = pick(link, PICK_ANY) ?: before;
	rcu_assign_pointer(link->before, before);
	/* Pairs with is_before(), as does all that is new behind it. */
	smp_store_release(&link->since, sad->turn);
	list_add(&link->in_turn, &sad->turning);
	link->users++;
}

/* Is a packet judged as it was before a link was changed? Asked after that was read. */
static bool is_before(const struct espm_link *link, unsigned long gen)
{
	unsigned long since;

	/* Pairs with keep_before(): who saw what is new sees since when. */
	smp_rmb();
	/* And again: who sees that sees what was before. */
	since = smp_load_acquire(&link->since);
	return since && (long)(gen - since) < 0;
}

/* Packets choose an SA no more. */
static void unlist(struct espm_sad *sad, struct espm_sa *sa)
{
	struct espm_link *link = sa->link;

	if (sa->dir != ESPM_DIR_OUT)
		return;
	keep_before(sad, link);
	delist(link, sa);
	if (rcu_access_pointer(link->out) != sa)
		return;
	/* Since a flush, whoever joins or chooses looks for what stays: nothing does here. */
	if (espm_sad_is_gone(sa))
		RCU_INIT_POINTER(link->out, NULL);
	else
		choose_outbound(link);
}

/* What policies call an SA changes with the turn; until then it is that number. */
static void keep_reqid(const struct espm_sad *sad, struct espm_sa *sa, u32 before)
{
	WRITE_ONCE(sa->reqid_before, before);
	/* Pairs with espm_sa_reqid_in(). */
	smp_store_release(&sa->reqid_since, sad->turn);
}

/**
 * espm_sad_withdraw() - let a doomed SA serve those of before the turn alone
 * @en: the namespace, locked, between espm_sad_turn_begin() and the turn
 * @sa: an SA of its SAD, doomed
 *
 * Context: process.
 */
void espm_sad_withdraw(struct espm_net *en, struct espm_sa *sa)
{
	lockdep_assert_held(&en->lock);
	if (sa->dir == ESPM_DIR_OUT)
		unlist(&en->sad, sa);
	else
		keep_reqid(&en->sad, sa, sa->reqid);
}

/**
 * espm_sad_turn_begin() - SAs are about to change together, with policies perhaps
 * @en: the namespace, locked
 *
 * Until espm_sad_turn_end(), who is of an older generation uses what there was.
 *
 * Context: process.
 */
void espm_sad_turn_begin(struct espm_net *en)
{
	lockdep_assert_held(&en->lock);
	INIT_LIST_HEAD(&en->sad.turning);
	en->sad.turn = espm_spd_generation(&en->spd) + 1;
}

/**
 * espm_sad_turn_end() - nobody is of an older generation any more
 * @en: the namespace, locked
 *
 * Context: process, a grace period after espm_spd_turn().
 */
void espm_sad_turn_end(struct espm_net *en)
{
	struct espm_link *link, *next;

	lockdep_assert_held(&en->lock);
	en->sad.turn = 0;
	list_for_each_entry_safe(link, next, &en->sad.turning, in_turn) {
		WRITE_ONCE(link->since, 0);
		RCU_INIT_POINTER(link->before, NULL);
		espm_sad_link_put(en, link);
		cond_resched();
	}
}

/**
 * espm_sad_chosen_rcu() - the SA that a link has chosen for packets of a generation
 * @link: the link
 * @gen: the generation in which the packet is judged
 *
 * Context: any, under rcu_read_lock().
 * Return: the SA, borrowed, which may have ended; or NULL.
 */
struct espm_sa *espm_sad_chosen_rcu(const struct espm_link *link, unsigned long gen)
{
	struct espm_sa *sa = rcu_dereference(link->out);

	return unlikely(is_before(link, gen)) ? rcu_dereference(link->before) : sa;
}

/**
 * espm_sad_outbound_get() - the SA that protects for a policy
 * @policy: a policy that says protect
 * @gen: the generation in which the packet is judged
 *
 * An SA may have ended by itself, out of sequence numbers, or be going just now,
 * since the link last chose; another one then serves. Where very many have, the packet
 * does not look at all of them: the worker does, and chooses.
 *
 * Context: any, under rcu_read_lock().
 * Return: a usable outbound SA with a reference, or NULL.
 */
struct espm_sa *espm_sad_outbound_get(const struct espm_policy *policy, unsigned long gen)
{
	const struct espm_link *link = policy->link;
	struct espm_sa *sa = espm_sad_chosen_rcu(link, gen);
	u32 steps = STEPS_MAX;

	if (likely(sa && espm_sa_usable(sa) && espm_sa_tryget(sa)))
		return sa;
	hlist_for_each_entry_rcu(sa, &link->outbound, in_link) {
		if (!steps--)
			break;
		if (!espm_sa_usable(sa) || !espm_sa_tryget(sa))
			continue;
		/* Of before a turn the link remembers one SA; this may be for those behind it. */
		if (likely(!is_before(link, gen)))
			return sa;
		espm_sa_put(sa);
		break;
	}
	return NULL;
}

/**
 * espm_sad_expired_rcu() - an SA that can no longer protect for a link
 * @link: SAs of one reqid, none of them usable
 *
 * Context: any, under rcu_read_lock().
 * Return: the newest outbound SA that has expired, borrowed, or NULL.
 */
struct espm_sa *espm_sad_expired_rcu(const struct espm_link *link)
{
	u32 steps = STEPS_MAX;
	struct espm_sa *sa;

	hlist_for_each_entry_rcu(sa, &link->outbound, in_link) {
		if (espm_sa_has_expired(sa))
			return sa;
		if (!--steps)
			break;
	}
	/* Nobody goes on from here: what stands behind may go to another list. */
	return hlist_entry_safe(rcu_dereference(hlist_first_rcu(&link->ended)), struct espm_sa,
				in_ended);
}

/**
 * espm_sad_choose() - an SA has expired: let its link choose again
 * @en: the namespace, locked
 * @sa: an SA of its SAD
 *
 * Without it packets would look for the next one, each by itself.
 *
 * Context: process.
 */
void espm_sad_choose(struct espm_net *en, struct espm_sa *sa)
{
	lockdep_assert_held(&en->lock);
	if (sa->dir != ESPM_DIR_OUT)
		return;
	keep_before(&en->sad, sa->link);
	choose_outbound(sa->link);
}

/**
 * espm_sad_pin() - prefer an SA to newer ones of its reqid, or not
 * @en: the namespace, locked
 * @sa: an SA of its SAD
 * @pin: whether to; espm_sad_join() or espm_sad_choose() must follow
 */
void espm_sad_pin(struct espm_net *en, struct espm_sa *sa, bool pin)
{
	lockdep_assert_held(&en->lock);
	WRITE_ONCE(sa->pin, pin);
	/* What packets cannot choose is entered when they can. */
	if (hlist_unhashed(&sa->in_link))
		return;
	unpin_sa(sa->link, sa);
	if (pin)
		pin_sa(sa->link, sa);
}

static bool is_anywhere(const struct espm_path *path)
{
	return !memchr_inv(&path->name.dst, 0, sizeof(path->name.dst));
}

static int refuse(struct netlink_ext_ack *extack, int err)
{
	if (err == -EEXIST)
		NL_SET_ERR_MSG(extack, "an SA with this SPI, destination and direction exists");
	else
		NL_SET_ERR_MSG(extack, "out of memory");
	return err;
}

/* The SA that has a name, staged and doomed ones too, or NULL. */
static struct espm_sa *find_named(struct espm_sad *sad, const struct espm_sa_name *name)
{
	struct espm_path *path = rhashtable_lookup_fast(&sad->by_name, name, by_name_params);

	/* Only while the namespace is locked does what is found stay. */
	return path ? path->sa : NULL;
}

/* A reservation has none. */
static bool has_key(const struct espm_sa *sa)
{
	return sa->dir == ESPM_DIR_OUT || sa->key_name.spi;
}

/* The keyring of an SA, made if there is none; NULL without memory. */
static struct espm_keyring *get_keyring(struct espm_sad *sad, const struct espm_key_name *name)
{
	struct espm_keyring *ring = rhashtable_lookup_fast(&sad->by_key, name, by_key_params);

	if (ring) {
		ring->users++;
		return ring;
	}
	ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);
	if (!ring)
		return NULL;
	ring->name = *name;
	ring->users = 1;
	INIT_LIST_HEAD(&ring->formers);
	if (rhashtable_insert_fast(&sad->by_key, &ring->node, by_key_params)) {
		kfree(ring);
		return NULL;
	}
	return ring;
}

static void put_keyring(struct espm_sad *sad, struct espm_keyring *ring)
{
	if (--ring->users)
		return;
	rhashtable_remove_fast(&sad->by_key, &ring->node, by_key_params);
	/* Nobody but the lock's holder looks for one. */
	kfree(ring);
}

/* The same of an SPI. */
static struct espm_tally *get_tally(struct espm_sad *sad, __be32 spi)
{
	struct espm_tally *tally = rhashtable_lookup_fast(&sad->by_spi, &spi, by_spi_params);

	if (tally) {
		tally->users++;
		return tally;
	}
	tally = kzalloc(sizeof(*tally), GFP_KERNEL_ACCOUNT);
	if (!tally)
		return NULL;
	tally->spi = spi;
	tally->users = 1;
	if (rhashtable_insert_fast(&sad->by_spi, &tally->node, by_spi_params)) {
		kfree(tally);
		return NULL;
	}
	return tally;
}

static void put_tally(struct espm_sad *sad, struct espm_tally *tally)
{
	if (--tally->users)
		return;
	rhashtable_remove_fast(&sad->by_spi, &tally->node, by_spi_params);
	kfree(tally);
}

/* How many SAs there are of a kind; a flush since has ended all that were counted. */
static u32 *counted(const struct espm_sad *sad, struct espm_count *count)
{
	if (count->round != sad->round) {
		count->round = sad->round;
		count->sas = 0;
	}
	return &count->sas;
}

/* Count an SA, or one that was, against the limits: what is doomed counts no more. */
static void count_sa(struct espm_sad *sad, struct espm_sa *sa, int by)
{
	if (!has_key(sa)) {
		sad->reservations += by;
		return;
	}
	sad->sas += by;
	*counted(sad, &sa->link->count) += by;
	*counted(sad, &sa->tally->count) += by;
}

static int exceed(struct netlink_ext_ack *extack, const char *sentence)
{
	if (extack)
		extack->_msg = sentence;
	return -ENOSPC;
}

/**
 * espm_sad_admit_reqid() - may a reqid have one SA more?
 * @en: the namespace, locked
 * @link: of the reqid
 * @extack: takes the sentence of a refusal
 *
 * Return: 0 or -ENOSPC.
 */
int espm_sad_admit_reqid(struct espm_net *en, struct espm_link *link,
			 struct netlink_ext_ack *extack)
{
	static const char sentence[] =
		"no reqid may have more SAs than this one has (sas-per-reqid of espctl limits)";

	lockdep_assert_held(&en->lock);
	return *counted(&en->sad, &link->count) < en->quota.sas_per_reqid ? 0 :
	       exceed(extack, sentence);
}

static int admit(struct espm_net *en, struct espm_link *link, struct espm_tally *tally,
		 struct netlink_ext_ack *extack)
{
	static const char all[] =
		"there are as many SAs as the namespace allows (sas of espctl limits)";
	static const char of_spi[] =
		"this SPI has as many SAs as the namespace allows (sas-per-spi of espctl limits)";

	if (en->sad.sas >= en->quota.sas)
		return exceed(extack, all);
	if (*counted(&en->sad, &tally->count) >= en->quota.sas_per_spi)
		return exceed(extack, of_spi);
	return espm_sad_admit_reqid(en, link, extack);
}

/**
 * espm_sad_admit() - may a doomed SA live on?
 * @en: the namespace, locked
 * @sa: the SA
 * @extack: takes the sentence of a refusal
 *
 * Return: 0 or -ENOSPC: its place was given to another one.
 */
int espm_sad_admit(struct espm_net *en, struct espm_sa *sa, struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&en->lock);
	return admit(en, sa->link, sa->tally, extack);
}

/**
 * espm_sad_promise() - an SA is about to get a reqid
 * @en: the namespace, locked
 * @link: of the reqid
 * @by: 1, or -1 to take that back
 */
void espm_sad_promise(struct espm_net *en, struct espm_link *link, int by)
{
	lockdep_assert_held(&en->lock);
	*counted(&en->sad, &link->count) += by;
}

static void show_path(struct espm_path *path)
{
	/* Pairs with espm_sad_find_rcu(). */
	smp_store_release(&path->staged, false);
}

static void leave_keyring(struct espm_sad *sad, struct espm_sa *sa)
{
	struct espm_keyring *ring = sa->keyring;

	list_del_init(&sa->in_formers);
	ring->doomed -= sa->doomed;
	if (ring->sender == sa)
		ring->sender = NULL;
	put_keyring(sad, ring);
}

/* Take an SA whose name is not in the table any more out of the rest, and kill it. */
static void unlink_sa(struct espm_net *en, struct espm_sa *sa)
{
	struct espm_path *path = espm_sa_own_path(sa);
	struct espm_sad *sad = &en->sad;

	WRITE_ONCE(sad->anywhere, sad->anywhere - is_anywhere(path));
	xa_erase(&sad->by_id, sa->id);
	WRITE_ONCE(sad->changes, sad->changes + 1);
	atomic_long_inc_return(&removals);
	if (!sa->doomed && !espm_sad_is_gone(sa))
		count_sa(sad, sa, -1);
	if (has_key(sa)) {
		leave_keyring(sad, sa);
		put_tally(sad, sa->tally);
		unlist(sad, sa);
		espm_sad_link_put(en, sa->link);
	}
	espm_sa_kill(sa);
}

/* A name that a flush has freed is free, though its SA may still be there. */
static void clear_name(struct espm_net *en, const struct espm_sa_name *name)
{
	struct espm_sa *sa = find_named(&en->sad, name);

	if (sa && espm_sad_is_gone(sa))
		espm_sad_del(en, sa);
}

/**
 * espm_sad_reserve() - publish a larval SA under an SPI that is free
 * @en: the namespace, locked
 * @sa: an inbound SA without keys; the SAD's if this succeeds
 * @first: lowest SPI that will do
 * @last: highest one
 * @extack: takes the sentence of a refusal
 *
 * The SPI is drawn by lot. An SA of its name that is added takes its place.
 *
 * Context: process, sleeps.
 * Return: 0, -ENOSPC or -ENOMEM; then nothing has changed.
 */
int espm_sad_reserve(struct espm_net *en, struct espm_sa *sa, u32 first, u32 last,
		     struct netlink_ext_ack *extack)
{
	struct espm_path *path = espm_sa_own_path(sa);
	static const char sentence[] =
		"there are as many reservations as may be (reservations of espctl limits)";
	u32 range = last - first, tries = min_t(u32, range, 4095) + 1;
	struct espm_sad *sad = &en->sad;
	u32 at = range == U32_MAX ? get_random_u32() : get_random_u32() % (range + 1);
	int err;

	lockdep_assert_held(&en->lock);
	if (sad->reservations >= en->quota.reservations)
		return exceed(extack, sentence);
	err = xa_alloc_cyclic(&sad->by_id, &sa->id, NULL, XA_LIMIT(1, INT_MAX), &sad->next_id,
			      GFP_KERNEL);
	if (err < 0)
		return refuse(extack, err);
	sa->round = sad->round;
	espm_expire_born(sa);
	do {
		sa->spi = cpu_to_be32(first + at);
		path->name.spi = sa->spi;
		clear_name(en, &path->name);
		err = rhashtable_lookup_insert_fast(&sad->by_name, &path->by_name, by_name_params);
		at = at == range ? 0 : at + 1;
	} while (err == -EEXIST && --tries);
	if (err) {
		xa_erase(&sad->by_id, sa->id);
		if (err != -EEXIST)
			return refuse(extack, err);
		NL_SET_ERR_MSG(extack, "every SPI that was tried in this range is taken");
		return -ENOSPC;
	}
	WRITE_ONCE(sad->anywhere, sad->anywhere + is_anywhere(path));
	count_sa(sad, sa, 1);
	xa_store(&sad->by_id, sa->id, sa, GFP_KERNEL);
	WRITE_ONCE(sad->changes, sad->changes + 1);
	espm_expire_begin(sa);
	return 0;
}

static bool has_been(const struct espm_sa *former, const struct espm_sa *sa)
{
	return former->doomed && !former->heir && espm_sa_is_keyed(former) &&
	       former->spi == sa->spi &&
	       !memcmp(former->fingerprint, sa->fingerprint, sizeof(sa->fingerprint));
}

/**
 * espm_sad_find_former() - the SA that one about to be added was before
 * @en: the namespace, locked
 * @sa: a larval SA, complete
 *
 * By its name, or by its key, as it may have another address by now; but a name
 * that is taken is claimed by who has it.
 *
 * Context: process.
 * Return: a doomed SA with its SPI, suite and key, or NULL.
 */
struct espm_sa *espm_sad_find_former(struct espm_net *en, const struct espm_sa *sa)
{
	struct espm_sa *former = find_named(&en->sad, &espm_sa_own_path(sa)->name);
	struct espm_keyring *ring;

	lockdep_assert_held(&en->lock);
	if (former && !espm_sad_is_gone(former))
		return has_been(former, sa) ? former : NULL;
	ring = rhashtable_lookup_fast(&en->sad.by_key, &sa->key_name, by_key_params);
	if (!ring)
		return NULL;
	list_for_each_entry(former, &ring->formers, in_formers) {
		if (!has_been(former, sa))
			continue;
		/* The next one that is asked for is mostly the next one of the list. */
		list_rotate_to_front(&former->in_formers, &ring->formers);
		return former;
	}
	return NULL;
}

/*
 * No two outbound SAs may share a key: soon they would send the same nonce twice.
 * And none may begin with the key of one that goes: its window would be lost.
 */
static bool is_key_taken(const struct espm_keyring *ring, const struct espm_sa *sa)
{
	return sa->dir == ESPM_DIR_OUT ? !!ring->sender : !!ring->doomed;
}

/* A key that a flush has freed is free, though its SA may still be there. */
static void clear_key(struct espm_net *en, const struct espm_sa *sa)
{
	struct espm_keyring *ring;

	ring = rhashtable_lookup_fast(&en->sad.by_key, &sa->key_name, by_key_params);
	if (ring && ring->sender && espm_sad_is_gone(ring->sender))
		espm_sad_del(en, ring->sender);
}

static int stage_name(struct espm_sad *sad, struct espm_path *path)
{
	path->staged = true;
	return rhashtable_lookup_insert_fast(&sad->by_name, &path->by_name, by_name_params);
}

/**
 * espm_sad_stage() - prepare an SA
 * @en: the namespace, locked
 * @sa: a larval SA, complete
 * @extack: takes the sentence of a refusal
 *
 * No packet sees it. Afterwards nothing can fail. It may have the name of an SA
 * that is doomed, or of a reservation, and then takes its place.
 *
 * Context: process, sleeps.
 * Return: 0, and espm_sad_publish() or espm_sad_unstage() must follow; -EEXIST,
 * -EKEYREJECTED or -ENOMEM, and nothing has changed.
 */
int espm_sad_stage(struct espm_net *en, struct espm_sa *sa, struct netlink_ext_ack *extack)
{
	struct espm_sad *sad = &en->sad;
	struct espm_path *path = espm_sa_own_path(sa);
	struct espm_sa *elder;
	int err;

	lockdep_assert_held(&en->lock);
	clear_name(en, &path->name);
	clear_key(en, sa);
	elder = find_named(sad, &path->name);
	if (elder && (elder->heir || (espm_sa_is_keyed(elder) && !elder->doomed)))
		return refuse(extack, -EEXIST);
	sa->link = espm_sad_link_get(en, sa->reqid);
	if (!sa->link)
		return refuse(extack, -ENOMEM);
	sa->tally = get_tally(sad, sa->spi);
	if (!sa->tally) {
		err = refuse(extack, -ENOMEM);
		goto err_put_link;
	}
	err = admit(en, sa->link, sa->tally, extack);
	if (err)
		goto err_put_tally;
	sa->keyring = get_keyring(sad, &sa->key_name);
	if (!sa->keyring) {
		err = refuse(extack, -ENOMEM);
		goto err_put_tally;
	}
	if (is_key_taken(sa->keyring, sa)) {
		if (sa->dir == ESPM_DIR_OUT)
			NL_SET_ERR_MSG(extack, "another outbound SA has this key: each SA needs a key of its own");
		else
			NL_SET_ERR_MSG(extack, "the SA with this key goes, and its window with it: give the new one another key");
		err = -EKEYREJECTED;
		goto err_put_keyring;
	}

	err = xa_alloc_cyclic(&sad->by_id, &sa->id, NULL, XA_LIMIT(1, INT_MAX), &sad->next_id,
			      GFP_KERNEL);
	if (err < 0) {
		refuse(extack, err);
		goto err_put_keyring;
	}
	err = elder ? 0 : stage_name(sad, path);
	if (err) {
		refuse(extack, err);
		goto err_release_id;
	}
	sa->elder = elder;
	if (elder) {
		elder->heir = sa;
		list_del_init(&elder->in_formers);
	}
	if (sa->dir == ESPM_DIR_OUT)
		sa->keyring->sender = sa;
	sa->round = sad->round;
	count_sa(sad, sa, 1);
	return 0;

err_release_id:
	xa_erase(&sad->by_id, sa->id);
err_put_keyring:
	put_keyring(sad, sa->keyring);
err_put_tally:
	put_tally(sad, sa->tally);
err_put_link:
	espm_sad_link_put(en, sa->link);
	sa->link = NULL;
	return err;
}

/**
 * espm_sad_unstage() - take espm_sad_stage() back
 * @en: the namespace, locked
 * @sa: the SA; free it with espm_sa_free() after a grace period
 *
 * Context: process.
 */
void espm_sad_unstage(struct espm_net *en, struct espm_sa *sa)
{
	lockdep_assert_held(&en->lock);
	count_sa(&en->sad, sa, -1);
	if (sa->elder) {
		sa->elder->heir = NULL;
		if (sa->elder->doomed && has_key(sa->elder))
			list_add(&sa->elder->in_formers, &sa->elder->keyring->formers);
	} else {
		rhashtable_remove_fast(&en->sad.by_name, &espm_sa_own_path(sa)->by_name,
				       by_name_params);
	}
	xa_erase(&en->sad.by_id, sa->id);
	leave_keyring(&en->sad, sa);
	put_tally(&en->sad, sa->tally);
	espm_sad_link_put(en, sa->link);
	sa->link = NULL;
}

/**
 * espm_sad_publish() - let packets use a staged SA
 * @en: the namespace, locked
 * @sa: the SA; the SAD's from now on
 *
 * Context: process.
 */
void espm_sad_publish(struct espm_net *en, struct espm_sa *sa)
{
	struct espm_path *path = espm_sa_own_path(sa);
	struct espm_sa *elder = sa->elder;
	struct espm_sad *sad = &en->sad;

	lockdep_assert_held(&en->lock);
	espm_expire_born(sa);
	sa->state = ESPM_SA_VALID;
	if (sad->turn && sa->dir == ESPM_DIR_IN)
		keep_reqid(sad, sa, 0);
	show_path(path);
	/* Neither this nor what follows needs memory. */
	if (elder)
		WARN_ON(rhashtable_replace_fast(&sad->by_name,
						&espm_sa_own_path(elder)->by_name,
						&path->by_name, by_name_params));
	WRITE_ONCE(sad->anywhere, sad->anywhere + is_anywhere(path));
	xa_store(&sad->by_id, sa->id, sa, GFP_KERNEL);
	WRITE_ONCE(sad->changes, sad->changes + 1);

	espm_sad_join(en, sa);
	espm_expire_begin(sa);
	sa->elder = NULL;
	/* A reservation has served; a doomed SA is deleted with all the others. */
	if (elder && !elder->doomed)
		unlink_sa(en, elder);
	else if (elder)
		atomic_long_inc_return(&removals);
}

/**
 * espm_sad_doom() - an SA is about to be deleted
 * @en: the namespace, locked
 * @sa: an SA of its SAD; espm_sad_del() follows, or espm_sad_spare()
 *
 * Its name may be given to another one meanwhile.
 */
void espm_sad_doom(struct espm_net *en, struct espm_sa *sa)
{
	lockdep_assert_held(&en->lock);
	if (sa->doomed)
		return;
	count_sa(&en->sad, sa, -1);
	WRITE_ONCE(sa->doomed, true);
	if (has_key(sa)) {
		sa->keyring->doomed++;
		list_add_tail(&sa->in_formers, &sa->keyring->formers);
	}
}

/**
 * espm_sad_spare() - take espm_sad_doom() back
 * @en: the namespace, locked
 * @sa: the SA
 */
void espm_sad_spare(struct espm_net *en, struct espm_sa *sa)
{
	lockdep_assert_held(&en->lock);
	if (!sa->doomed)
		return;
	WRITE_ONCE(sa->doomed, false);
	if (has_key(sa)) {
		sa->keyring->doomed--;
		list_del_init(&sa->in_formers);
	}
	count_sa(&en->sad, sa, 1);
}

static bool is_renamed(const struct espm_path *old, const struct espm_path *path)
{
	return memcmp(&old->name, &path->name, sizeof(path->name));
}

/**
 * espm_sad_stage_move() - prepare another way for the packets of an SA
 * @en: the namespace, locked
 * @sa: an SA of its SAD
 * @path: the way, a changed espm_path_clone()
 * @extack: takes the sentence of a refusal
 *
 * Context: process, sleeps.
 * Return: 0, and espm_sad_move() or espm_sad_unstage_move() must follow; -EEXIST
 * or -ENOMEM, and nothing has changed.
 */
int espm_sad_stage_move(struct espm_net *en, struct espm_sa *sa, struct espm_path *path,
			struct netlink_ext_ack *extack)
{
	int err = 0;

	lockdep_assert_held(&en->lock);
	if (is_renamed(espm_sa_own_path(sa), path)) {
		clear_name(en, &path->name);
		err = stage_name(&en->sad, path);
	}
	return err ? refuse(extack, err) : 0;
}

/**
 * espm_sad_unstage_move() - take espm_sad_stage_move() back
 * @en: the namespace, locked
 * @sa: the SA
 * @path: the way that it does not go; retired
 *
 * Context: process.
 */
void espm_sad_unstage_move(struct espm_net *en, struct espm_sa *sa, struct espm_path *path)
{
	lockdep_assert_held(&en->lock);
	if (is_renamed(espm_sa_own_path(sa), path))
		rhashtable_remove_fast(&en->sad.by_name, &path->by_name, by_name_params);
	espm_path_retire(path);
}

/**
 * espm_sad_move() - let the packets of an SA go another way
 * @en: the namespace, locked
 * @sa: an SA of its SAD
 * @path: the way, staged; the SA's from now on
 *
 * A packet sees the old path or the new one. Sequence number, window, keys and
 * counters stay.
 *
 * Context: process.
 */
void espm_sad_move(struct espm_net *en, struct espm_sa *sa, struct espm_path *path)
{
	struct espm_path *old = espm_sa_own_path(sa);
	struct espm_sad *sad = &en->sad;

	lockdep_assert_held(&en->lock);
	/* Raised before a path for any address is there, lowered behind one. */
	WRITE_ONCE(sad->anywhere, sad->anywhere + is_anywhere(path));
	if (is_renamed(old, path)) {
		show_path(path);
		rcu_assign_pointer(sa->path, path);
		rhashtable_remove_fast(&sad->by_name, &old->by_name, by_name_params);
	} else {
		WARN_ON(rhashtable_replace_fast(&sad->by_name, &old->by_name, &path->by_name,
						by_name_params));
		rcu_assign_pointer(sa->path, path);
	}
	WRITE_ONCE(sad->anywhere, sad->anywhere - is_anywhere(old));
	atomic_long_inc_return(&removals);
	WRITE_ONCE(sad->changes, sad->changes + 1);
	espm_path_retire(old);
}

/**
 * espm_sad_leave() - give an SA another reqid, when the policies turn
 * @en: the namespace, locked, between espm_sad_turn_begin() and the turn
 * @sa: an SA of its SAD
 * @link: the link of the reqid, promised, a reference that is the SA's from now on
 *
 * espm_sad_join() and, behind the turn, espm_sad_settle() must follow.
 *
 * Context: process.
 * Return: true if a grace period has to pass before it joins: who walks through
 * the list that it was in must not go on in the other one.
 */
bool espm_sad_leave(struct espm_net *en, struct espm_sa *sa, struct espm_link *link)
{
	struct espm_link *old = sa->link;

	lockdep_assert_held(&en->lock);
	unlist(&en->sad, sa);
	/* The other one has counted it since espm_sad_promise(). */
	*counted(&en->sad, &old->count) -= 1;
	sa->link = link;
	keep_reqid(&en->sad, sa, old->reqid);
	/* Pairs with espm_sa_reqid_in(). */
	smp_store_release(&sa->reqid, link->reqid);
	WRITE_ONCE(en->sad.changes, en->sad.changes + 1);
	espm_sad_link_put(en, old);
	return sa->dir == ESPM_DIR_OUT;
}

/**
 * espm_sad_join() - let packets choose an SA among those of its reqid
 * @en: the namespace, locked
 * @sa: an SA of its SAD, which packets cannot choose yet; an inbound one, for which
 *	there is nothing to do
 *
 * Context: process.
 */
void espm_sad_join(struct espm_net *en, struct espm_sa *sa)
{
	lockdep_assert_held(&en->lock);
	if (sa->dir != ESPM_DIR_OUT)
		return;
	keep_before(&en->sad, sa->link);
	list_by_age(sa->link, sa);
	choose_outbound(sa->link);
}

/**
 * espm_sad_settle() - what was an SA's reqid counts no more
 * @sa: an SA that has come with a turn, or has got another reqid
 *
 * Context: process, a grace period after espm_spd_turn().
 */
void espm_sad_settle(struct espm_sa *sa)
{
	WRITE_ONCE(sa->reqid_since, 0);
}

/**
 * espm_sad_del() - unlink an SA and kill it
 * @en: the namespace, locked
 * @sa: an SA of its SAD; freed once nobody uses it
 *
 * Context: process.
 */
void espm_sad_del(struct espm_net *en, struct espm_sa *sa)
{
	lockdep_assert_held(&en->lock);
	/* An heir has the place already. */
	if (!sa->heir)
		rhashtable_remove_fast(&en->sad.by_name, &espm_sa_own_path(sa)->by_name,
				       by_name_params);
	unlink_sa(en, sa);
}

/**
 * espm_sad_flush_begin() - end every SA that is there, in one moment
 * @en: the namespace, locked, with nothing staged
 *
 * For all who ask they are gone, their names and keys free, and they count no more.
 * espm_sad_flush_some() takes them away.
 *
 * Context: process.
 */
void espm_sad_flush_begin(struct espm_net *en)
{
	struct espm_sad *sad = &en->sad;

	lockdep_assert_held(&en->lock);
	WRITE_ONCE(sad->round, sad->round + 1);
	sad->sas = 0;
	sad->reservations = 0;
	WRITE_ONCE(sad->changes, sad->changes + 1);
}

/**
 * espm_sad_flush_some() - delete SAs that a flush has ended, for a few milliseconds
 * @en: the namespace, locked
 * @id: where to go on, 0 at first
 *
 * Context: process.
 * Return: true if there may be more.
 */
bool espm_sad_flush_some(struct espm_net *en, unsigned long *id)
{
	u64 until = ktime_get_ns() + HOLD_NS;
	struct espm_sa *sa;

	lockdep_assert_held(&en->lock);
	while ((sa = espm_sad_next_rcu(en, id))) {
		if (espm_sad_is_gone(sa))
			espm_sad_del(en, sa);
		++*id;
		if (ktime_get_ns() > until)
			return true;
	}
	return false;
}

/**
 * espm_sad_flush() - delete every SA
 * @en: the namespace, locked, which ends
 *
 * Context: process, sleeps.
 */
void espm_sad_flush(struct espm_net *en)
{
	unsigned long id = 0;

	espm_sad_flush_begin(en);
	while (espm_sad_flush_some(en, &id))
		cond_resched();
}

static bool is_named(const struct espm_path *path, const struct espm_sa_name *name)
{
	/* Of IPv4, what is not used is zero in both. */
	return path->name.spi == name->spi && path->name.family == name->family &&
	       path->name.dir == name->dir &&
	       ipv6_addr_equal(&path->name.dst.v6, &name->dst.v6);
}

/**
 * espm_sad_find_rcu() - an SA by SPI, destination and direction
 * @en: the namespace
 * @name: what to look for, every unused byte zero
 *
 * Context: any, under rcu_read_lock().
 * Return: its path, borrowed, or NULL.
 */
struct espm_path *espm_sad_find_rcu(struct espm_net *en, const struct espm_sa_name *name)
{
	struct espm_path *path = rhashtable_lookup(&en->sad.by_name, name, by_name_params);

	/* Pairs with show_path(): all else of the SA comes first. */
	return path && !smp_load_acquire(&path->staged) ? path : NULL;
}

/**
 * espm_sad_find_locked() - an SA by name, as it will be after the changes prepared so far
 * @en: the namespace, locked
 * @name: what to look for, every unused byte zero
 *
 * Context: process.
 * Return: the SA, staged perhaps, or NULL.
 */
struct espm_sa *espm_sad_find_locked(struct espm_net *en, const struct espm_sa_name *name)
{
	struct espm_sa *sa;

	lockdep_assert_held(&en->lock);
	sa = find_named(&en->sad, name);
	if (sa && espm_sad_is_gone(sa))
		return NULL;
	if (sa && sa->heir)
		return sa->heir;
	return sa && !sa->doomed ? sa : NULL;
}

/* An inbound SA for any address of this host (RFC 4301 section 4.1: the SPI alone may do). */
static struct espm_path *find_anywhere(struct espm_net *en, const struct espm_sa_name *name)
{
	struct espm_sa_name any = { .spi = name->spi, .family = name->family, .dir = name->dir };

	return espm_sad_find_rcu(en, &any);
}

/**
 * espm_sad_recall_rcu() - the SA of a packet by SPI, destination and direction
 * @en: the namespace
 * @name: what to look for, every unused byte zero
 *
 * The next packet is mostly for the SA of the last one (-120 instructions, twice
 * for each packet that comes in).
 *
 * Context: softirqs off, under rcu_read_lock().
 * Return: its path, borrowed, or NULL.
 */
struct espm_path *espm_sad_recall_rcu(struct espm_net *en, const struct espm_sa_name *name)
{
	struct memo *memo = this_cpu_ptr(&lately);
	struct espm_path *path;
	long now, then;

	lockdep_assert(in_softirq());
	espm_local_lock(&lately.lock);
	path = memo->path;
	then = memo->removals;
	espm_local_unlock(&lately.lock);
	/* Before the search, so that what it finds is not newer than it says. */
	now = atomic_long_read_acquire(&removals);
	if (path && then == now && path->sa->en == en && is_named(path, name))
		return path;
	path = espm_sad_find_rcu(en, name);
	if (!path && READ_ONCE(en->sad.anywhere))
		return find_anywhere(en, name);
	espm_local_lock(&lately.lock);
	memo->path = path;
	memo->removals = now;
	espm_local_unlock(&lately.lock);
	return path;
}

/**
 * espm_sad_last_rcu() - the SA that this CPU has recalled last
 * @en: the namespace
 *
 * Context: softirqs off, under rcu_read_lock().
 * Return: its path, borrowed, or NULL if nothing is known of it any more.
 */
struct espm_path *espm_sad_last_rcu(const struct espm_net *en)
{
	const struct memo *memo = this_cpu_ptr(&lately);
	struct espm_path *path;
	long then;

	lockdep_assert(in_softirq());
	espm_local_lock(&lately.lock);
	path = memo->path;
	then = memo->removals;
	espm_local_unlock(&lately.lock);
	if (path && then == atomic_long_read_acquire(&removals) && path->sa->en == en)
		return path;
	return NULL;
}

/**
 * espm_sad_find_id_rcu() - an SA by its number
 * @en: the namespace
 * @id: the number
 *
 * Context: any, under rcu_read_lock().
 * Return: the SA, borrowed, or NULL.
 */
struct espm_sa *espm_sad_find_id_rcu(struct espm_net *en, u32 id)
{
	return xa_load(&en->sad.by_id, id);
}

/**
 * espm_sad_next_rcu() - walk through the SAs
 * @en: the namespace
 * @id: where to begin; becomes the number of the SA found
 *
 * Context: any, under rcu_read_lock(), or with the namespace locked.
 * Return: the first SA from there on, borrowed, or NULL.
 */
struct espm_sa *espm_sad_next_rcu(struct espm_net *en, unsigned long *id)
{
	return xa_find(&en->sad.by_id, id, ULONG_MAX, XA_PRESENT);
}
