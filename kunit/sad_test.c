// SPDX-License-Identifier: GPL-2.0
/* The SA database: what is found, what is refused, and that all of it goes away. */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/netlink.h>
#include <linux/socket.h>
#include <linux/string.h>
#include "../esp_mod/crypto.h"
#include "../esp_mod/sa.h"
#include "../esp_mod/sad.h"
#include "../esp_mod/trailer.h"
#include "fixture.h"

enum {
	KEY_LEN		= 20,	/* aes128gcm16 */
	CROWD		= 400,
	ROUNDS		= 3000,
	REQIDS		= 8,
};

/* Nobody changes it while a test looks. */
static struct espm_path *path_of(const struct espm_sa *sa)
{
	return rcu_dereference_protected(sa->path, 1);
}

/* An SA that is ready for the SAD, with a key that @key tells from others */
static struct espm_sa *make_sa(struct kunit *test, u8 dir, u32 spi, u32 key)
{
	u8 material[KEY_LEN] = { key >> 24, key >> 16, key >> 8, key };
	struct espm_sa *sa;

	sa = espm_sa_alloc(test->priv, dir, cpu_to_be32(spi), ESPM_WINDOW_DEFAULT);
	KUNIT_ASSERT_NOT_NULL(test, sa);
	path_of(sa)->name.family = AF_INET;
	path_of(sa)->name.dst.v4 = cpu_to_be32(0xc6336402);
	sa->reqid = 1;
	sa->suite = espm_suite_find("aes128gcm16");
	KUNIT_ASSERT_EQ(test, espm_suite_key_len(sa->suite), KEY_LEN);
	KUNIT_ASSERT_EQ(test, espm_crypto_set_key(sa, material, NULL), 0);
	espm_crypto_fingerprint(sa->fingerprint, sa->suite, material);
	espm_crypto_key_name(sa->key_name.name, sa->suite, material);
	KUNIT_EXPECT_EQ(test, sa->state, ESPM_SA_LARVAL);
	return sa;
}

static int add(struct espm_sa *sa, struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&sa->en->lock);
	err = espm_sad_stage(sa->en, sa, extack);
	if (!err)
		espm_sad_publish(sa->en, sa);
	mutex_unlock(&sa->en->lock);
	return err;
}

static void del(struct espm_sa *sa)
{
	struct espm_net *en = sa->en;

	mutex_lock(&en->lock);
	espm_sad_del(en, sa);
	mutex_unlock(&en->lock);
}

static struct espm_sa *make_and_add(struct kunit *test, u8 dir, u32 spi, u32 key)
{
	struct espm_sa *sa = make_sa(test, dir, spi, key);

	KUNIT_ASSERT_EQ(test, add(sa, NULL), 0);
	KUNIT_EXPECT_EQ(test, sa->state, ESPM_SA_VALID);
	return sa;
}

/* Only for comparison: nobody deletes while a test looks. */
static struct espm_sa *find(struct espm_net *en, const struct espm_sa_name *name)
{
	struct espm_path *path;

	rcu_read_lock();
	path = espm_sad_find_rcu(en, name);
	rcu_read_unlock();
	return path ? path->sa : NULL;
}

static struct espm_sa *find_id(struct espm_net *en, u32 id)
{
	struct espm_sa *sa;

	rcu_read_lock();
	sa = espm_sad_find_id_rcu(en, id);
	rcu_read_unlock();
	return sa;
}

static struct espm_sa *out_of(struct espm_link *link)
{
	return rcu_access_pointer(link->out);
}

static void found_by_every_byte_of_its_name(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *sa = make_and_add(test, ESPM_DIR_IN, 256, 1);
	struct espm_sa_name name = path_of(sa)->name;
	u32 i;

	KUNIT_EXPECT_PTR_EQ(test, find(en, &name), sa);
	KUNIT_EXPECT_PTR_EQ(test, find_id(en, sa->id), sa);
	KUNIT_EXPECT_NULL(test, find_id(en, sa->id + 1));
	for (i = 0; i < sizeof(name); i++) {
		((u8 *)&name)[i] ^= 1;
		KUNIT_EXPECT_NULL_MSG(test, find(en, &name), "byte %u", i);
		((u8 *)&name)[i] ^= 1;
	}
	del(sa);
	KUNIT_EXPECT_NULL(test, find(en, &name));
	KUNIT_EXPECT_TRUE(test, fixture_sas_fall_to(en, 0));
}

static void duplicate_name_is_refused(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *first = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	struct espm_sa *second = make_sa(test, ESPM_DIR_OUT, 300, 2);
	struct netlink_ext_ack extack = {};

	second->reqid = 2;
	KUNIT_EXPECT_EQ(test, add(second, &extack), -EEXIST);
	KUNIT_ASSERT_NOT_NULL(test, extack._msg);
	KUNIT_EXPECT_STREQ(test, extack._msg, "an SA with this SPI, destination and direction exists");

	/* Nothing has changed: its key and its reqid are free. */
	KUNIT_EXPECT_EQ(test, second->state, ESPM_SA_LARVAL);
	KUNIT_EXPECT_NULL(test, second->link);
	KUNIT_EXPECT_PTR_EQ(test, find(en, &path_of(first)->name), first);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.by_name.nelems), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.by_key.nelems), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.links.nelems), 1);
	KUNIT_EXPECT_PTR_EQ(test, out_of(first->link), first);

	/* Under another name the same SA is welcome. */
	path_of(second)->name.spi = cpu_to_be32(301);
	KUNIT_EXPECT_EQ(test, add(second, NULL), 0);
	/* The other direction, and the other family, are other names. */
	make_and_add(test, ESPM_DIR_IN, 300, 3);
	second = make_sa(test, ESPM_DIR_OUT, 300, 4);
	path_of(second)->name.family = AF_INET6;
	KUNIT_EXPECT_EQ(test, add(second, NULL), 0);
}

static void same_key_outbound_is_refused(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *first = make_and_add(test, ESPM_DIR_OUT, 300, 77);
	struct espm_sa *second = make_sa(test, ESPM_DIR_OUT, 301, 77);
	struct netlink_ext_ack extack = {};

	KUNIT_EXPECT_EQ(test, add(second, &extack), -EKEYREJECTED);
	KUNIT_ASSERT_NOT_NULL(test, extack._msg);
	KUNIT_EXPECT_STREQ(test, extack._msg,
			   "another outbound SA has this key: each SA needs a key of its own");
	KUNIT_EXPECT_EQ(test, second->state, ESPM_SA_LARVAL);
	KUNIT_EXPECT_NULL(test, find(en, &path_of(second)->name));
	KUNIT_EXPECT_EQ(test, first->link->users, 1);

	/* Inbound, the same key is the other end's affair. */
	make_and_add(test, ESPM_DIR_IN, 302, 77);
	make_and_add(test, ESPM_DIR_IN, 303, 77);
	/* With the first one gone the key is free again. */
	del(first);
	KUNIT_EXPECT_EQ(test, add(second, NULL), 0);
}

static void output_takes_the_newest(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *a, *b, *c, *d;
	struct espm_link *link;

	mutex_lock(&en->lock);
	link = espm_sad_link_get(en, 1);
	mutex_unlock(&en->lock);
	KUNIT_ASSERT_NOT_NULL(test, link);
	KUNIT_EXPECT_NULL(test, out_of(link));

	make_and_add(test, ESPM_DIR_IN, 300, 1);
	KUNIT_EXPECT_NULL(test, out_of(link));
	a = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), a);
	b = make_and_add(test, ESPM_DIR_OUT, 301, 2);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), b);
	c = make_and_add(test, ESPM_DIR_OUT, 302, 3);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), c);
	d = make_sa(test, ESPM_DIR_OUT, 303, 4);
	d->reqid = 2;
	KUNIT_ASSERT_EQ(test, add(d, NULL), 0);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), c);
	KUNIT_EXPECT_PTR_EQ(test, out_of(d->link), d);
	KUNIT_EXPECT_EQ(test, link->users, 5);

	/* Deletion falls back, and one that has ended is no choice. */
	del(a);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), c);
	a = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), a);
	KUNIT_EXPECT_TRUE(test, espm_sa_end(c));
	KUNIT_EXPECT_FALSE(test, espm_sa_end(c));
	del(a);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), b);
	del(b);
	KUNIT_EXPECT_NULL(test, out_of(link));
	del(c);
	KUNIT_EXPECT_NULL(test, out_of(link));

	mutex_lock(&en->lock);
	espm_sad_link_put(en, link);
	mutex_unlock(&en->lock);
}

static bool tryget(struct espm_sa *sa)
{
	bool got;

	rcu_read_lock();
	got = espm_sa_tryget(sa);
	rcu_read_unlock();
	return got;
}

static void a_user_keeps_a_killed_sa(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *sa = make_and_add(test, ESPM_DIR_OUT, 300, 1);

	KUNIT_ASSERT_TRUE(test, tryget(sa));
	KUNIT_EXPECT_TRUE(test, espm_sa_usable(sa));
	del(sa);
	/* Unusable at once, though not gone while someone holds it */
	KUNIT_EXPECT_FALSE(test, espm_sa_usable(sa));
	KUNIT_EXPECT_EQ(test, sa->state, ESPM_SA_DEAD);
	KUNIT_EXPECT_FALSE(test, tryget(sa));
	KUNIT_EXPECT_FALSE(test, espm_sa_end(sa));
	rcu_barrier();
	msleep(FIXTURE_POLL_MS);
	KUNIT_EXPECT_TRUE(test, fixture_sas_fall_to(en, 1));
	espm_sa_put(sa);
	KUNIT_EXPECT_TRUE(test, fixture_sas_fall_to(en, 0));
}

static void larval_sa_is_freed_at_once(struct kunit *test)
{
	struct espm_net *en = test->priv;
	static const u32 widths[] = { 0, 1, 1024, ESPM_WINDOW_MAX };
	struct espm_sa *sa;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		sa = espm_sa_alloc(en, ESPM_DIR_IN, cpu_to_be32(300), widths[i]);
		KUNIT_ASSERT_NOT_NULL(test, sa);
		KUNIT_EXPECT_EQ(test, sa->replay->window, widths[i]);
		espm_sa_free(sa);
	}
	sa = make_sa(test, ESPM_DIR_OUT, 300, 1);
	KUNIT_EXPECT_NULL(test, sa->replay);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sas), FIXTURE_SAS + 1);
	espm_sa_free(sa);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sas), FIXTURE_SAS);
}

/* Add and delete at random, beside an array of what should be there. */
static void crowd_comes_and_goes(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa **crowd = kunit_kcalloc(test, CROWD, sizeof(*crowd), GFP_KERNEL);
	u32 *age = kunit_kcalloc(test, CROWD, sizeof(*age), GFP_KERNEL);
	u32 round, at, r, newest[REQIDS], n = 0;
	struct rnd_state rnd;
	struct espm_sa *sa;
	unsigned long id;

	KUNIT_ASSERT_TRUE(test, crowd && age);
	fixture_seed(&rnd);
	for (round = 1; round <= ROUNDS; round++) {
		at = fixture_pick(&rnd, CROWD);
		if (crowd[at]) {
			del(crowd[at]);
			crowd[at] = NULL;
			n--;
		} else {
			sa = espm_sa_alloc(en, at % 4 ? ESPM_DIR_OUT : ESPM_DIR_IN,
					   cpu_to_be32(256 + at), 64);
			KUNIT_ASSERT_NOT_NULL(test, sa);
			path_of(sa)->name.family = AF_INET6;
			sa->reqid = 1 + at % REQIDS;
			memcpy(sa->key_name.name, &at, sizeof(at));
			KUNIT_ASSERT_EQ(test, add(sa, NULL), 0);
			crowd[at] = sa;
			age[at] = round;
			n++;
		}
		if (round % 50)
			continue;

		/* Each reqid sends with the youngest that is left of it. */
		memset(newest, 0xff, sizeof(newest));
		for (at = 0; at < CROWD; at++) {
			if (!crowd[at])
				continue;
			KUNIT_ASSERT_PTR_EQ(test, find(en, &path_of(crowd[at])->name), crowd[at]);
			KUNIT_ASSERT_PTR_EQ(test, find_id(en, crowd[at]->id), crowd[at]);
			r = at % REQIDS;
			if (at % 4 && (newest[r] == U32_MAX || age[newest[r]] < age[at]))
				newest[r] = at;
		}
		for (at = 0; at < CROWD; at++)
			if (crowd[at] && at % 4)
				KUNIT_ASSERT_PTR_EQ(test, out_of(crowd[at]->link),
						    crowd[newest[at % REQIDS]]);
		KUNIT_ASSERT_EQ(test, atomic_read(&en->sad.by_name.nelems), n);
	}

	id = 0;
	for (r = 0; ; r++, id++) {
		rcu_read_lock();
		sa = espm_sad_next_rcu(en, &id);
		rcu_read_unlock();
		if (!sa)
			break;
		KUNIT_ASSERT_EQ(test, (unsigned long)sa->id, id);
	}
	KUNIT_EXPECT_EQ(test, r, n);
	KUNIT_EXPECT_GT(test, n, CROWD / 4);
}

/* The next number of an SA, 0 where there is none */
static u64 next_seq(struct kunit *test, struct espm_sa *sa)
{
	enum espm_counter why;
	u64 seq;

	local_bh_disable();
	rcu_read_lock();
	why = espm_sa_next_seq(sa, 100, &seq);
	rcu_read_unlock();
	local_bh_enable();
	if (why == ESPM_PASS)
		return seq;
	KUNIT_EXPECT_EQ(test, why, ESPM_OUT_SEQ_END);
	return 0;
}

/* RFC 4303 section 3.3.3: a sequence number must not cycle. */
static void sequence_ends(struct kunit *test)
{
	struct espm_sa *sa = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	u32 i;

	KUNIT_EXPECT_EQ(test, next_seq(test, sa), 1ULL);
	KUNIT_EXPECT_EQ(test, next_seq(test, sa), 2ULL);
	atomic64_set(&sa->seq, U32_MAX - 1);
	KUNIT_EXPECT_EQ(test, next_seq(test, sa), (u64)U32_MAX);
	KUNIT_EXPECT_TRUE(test, espm_sa_usable(sa));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, next_seq(test, sa), 0ULL);
	KUNIT_EXPECT_FALSE(test, espm_sa_usable(sa));

	sa = make_sa(test, ESPM_DIR_OUT, 301, 2);
	sa->esn = true;
	KUNIT_ASSERT_EQ(test, add(sa, NULL), 0);
	atomic64_set(&sa->seq, U32_MAX);
	KUNIT_EXPECT_EQ(test, next_seq(test, sa), 1ULL << 32);
	atomic64_set(&sa->seq, -2);
	KUNIT_EXPECT_EQ(test, next_seq(test, sa), U64_MAX);
	KUNIT_EXPECT_TRUE(test, espm_sa_usable(sa));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, next_seq(test, sa), 0ULL);
	KUNIT_EXPECT_FALSE(test, espm_sa_usable(sa));
}

enum {
	HAMMERS		= 4,
	LEFT		= 1000,	/* numbers that they find */
	STROKES		= 100000,
};

/**
 * struct crew - who takes the last numbers of an SA at once
 * @sa: the SA
 * @first: the first number that is left
 * @taken: how often each of those was given out
 * @wrong: how often another one was
 * @begin: all begin together
 * @ended: one has ended
 */
struct crew {
	struct espm_sa *sa;
	u64 first;
	atomic_t taken[LEFT];
	atomic_t wrong;
	struct completion begin;
	struct completion ended;
};

static int hammer(void *data)
{
	struct crew *crew = data;
	u32 i;
	u64 seq;

	wait_for_completion(&crew->begin);
	for (i = 0; i < STROKES; i++) {
		local_bh_disable();
		rcu_read_lock();
		if (espm_sa_next_seq(crew->sa, 100, &seq) == ESPM_PASS) {
			if (seq - crew->first < LEFT)
				atomic_inc(&crew->taken[seq - crew->first]);
			else
				atomic_inc(&crew->wrong);
		}
		rcu_read_unlock();
		local_bh_enable();
		cond_resched();
	}
	complete(&crew->ended);
	return 0;
}

/* However many ask at once, and however often, no number is given out twice. */
static void numbers_end_for_all(struct kunit *test)
{
	static const bool esn[] = { false, true };
	struct crew *crew = kunit_kzalloc(test, sizeof(*crew), GFP_KERNEL);
	struct task_struct *task;
	u32 i, n, bad;

	KUNIT_ASSERT_NOT_NULL(test, crew);
	for (i = 0; i < ARRAY_SIZE(esn); i++) {
		memset(crew, 0, sizeof(*crew));
		init_completion(&crew->begin);
		init_completion(&crew->ended);
		crew->sa = make_sa(test, ESPM_DIR_OUT, 300 + i, i + 1);
		crew->sa->esn = esn[i];
		KUNIT_ASSERT_EQ(test, add(crew->sa, NULL), 0);
		crew->first = espm_sa_last_seq(crew->sa) - LEFT + 1;
		atomic64_set(&crew->sa->seq, crew->first - 1);
		for (n = 0; n < HAMMERS; n++) {
			task = kthread_run(hammer, crew, "espm_hammer");
			if (IS_ERR(task))
				break;
		}
		KUNIT_EXPECT_EQ(test, n, (u32)HAMMERS);
		complete_all(&crew->begin);
		while (n--)
			wait_for_completion(&crew->ended);
		for (n = 0, bad = 0; n < LEFT; n++)
			bad += atomic_read(&crew->taken[n]) != 1;
		KUNIT_EXPECT_EQ(test, bad, 0U);
		KUNIT_EXPECT_EQ(test, atomic_read(&crew->wrong), 0);
		KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&crew->sa->seq),
				espm_sa_last_seq(crew->sa));
		KUNIT_EXPECT_TRUE(test, espm_sa_has_expired(crew->sa));
	}
}

static int move(struct espm_sa *sa, struct espm_path *path)
{
	int err;

	mutex_lock(&sa->en->lock);
	err = espm_sad_stage_move(sa->en, sa, path, NULL);
	if (!err)
		espm_sad_move(sa->en, sa, path);
	mutex_unlock(&sa->en->lock);
	return err;
}

static void moved_sa_is_found_where_it_is(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *sa = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	struct espm_sa *other = make_and_add(test, ESPM_DIR_OUT, 301, 2);
	struct espm_sa_name was = path_of(sa)->name;
	struct espm_path *path;

	/* The same name, another source */
	path = espm_path_clone(path_of(sa));
	KUNIT_ASSERT_NOT_NULL(test, path);
	path->src.v4 = cpu_to_be32(0xc6336403);
	KUNIT_EXPECT_EQ(test, move(sa, path), 0);
	KUNIT_EXPECT_PTR_EQ(test, path_of(sa), path);
	KUNIT_EXPECT_PTR_EQ(test, find(en, &was), sa);

	/* Another name */
	path = espm_path_clone(path_of(sa));
	KUNIT_ASSERT_NOT_NULL(test, path);
	path->name.dst.v4 = cpu_to_be32(0xc6336409);
	KUNIT_EXPECT_EQ(test, move(sa, path), 0);
	KUNIT_EXPECT_NULL(test, find(en, &was));
	KUNIT_EXPECT_PTR_EQ(test, find(en, &path->name), sa);
	KUNIT_EXPECT_EQ(test, path->src.v4, cpu_to_be32(0xc6336403));

	/* Somebody's name */
	path = espm_path_clone(path_of(sa));
	KUNIT_ASSERT_NOT_NULL(test, path);
	path->name = path_of(other)->name;
	KUNIT_EXPECT_EQ(test, move(sa, path), -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, find(en, &path->name), other);
	KUNIT_EXPECT_PTR_NE(test, path_of(sa), path);
	KUNIT_EXPECT_PTR_EQ(test, find(en, &path_of(sa)->name), sa);
	espm_path_free(path);
	KUNIT_EXPECT_EQ(test, atomic_read(&en->sad.by_name.nelems), 2);
}

static struct espm_sa *recall(struct espm_net *en, const struct espm_sa_name *name)
{
	struct espm_path *path;

	local_bh_disable();
	rcu_read_lock();
	path = espm_sad_recall_rcu(en, name);
	rcu_read_unlock();
	local_bh_enable();
	return path ? path->sa : NULL;
}

/* An inbound SA for any address yields to one for the address itself. */
static void any_destination_comes_last(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *anywhere = make_sa(test, ESPM_DIR_IN, 300, 1), *here;
	struct espm_sa_name name;

	path_of(anywhere)->name.dst.v4 = 0;
	KUNIT_ASSERT_EQ(test, add(anywhere, NULL), 0);
	name = path_of(anywhere)->name;
	name.dst.v4 = cpu_to_be32(0xc6336402);
	KUNIT_EXPECT_PTR_EQ(test, recall(en, &name), anywhere);
	here = make_and_add(test, ESPM_DIR_IN, 300, 2);
	KUNIT_EXPECT_PTR_EQ(test, recall(en, &name), here);
	name.dst.v4 = cpu_to_be32(0xc6336499);
	KUNIT_EXPECT_PTR_EQ(test, recall(en, &name), anywhere);
	name.spi = cpu_to_be32(301);
	KUNIT_EXPECT_NULL(test, recall(en, &name));
	name.spi = cpu_to_be32(300);
	name.family = AF_INET6;
	KUNIT_EXPECT_NULL(test, recall(en, &name));
	name.family = AF_INET;
	KUNIT_EXPECT_EQ(test, en->sad.anywhere, 1U);
	del(anywhere);
	KUNIT_EXPECT_EQ(test, en->sad.anywhere, 0U);
	KUNIT_EXPECT_NULL(test, recall(en, &name));
}

/* The SA that a packet of a generation gets for a link */
static struct espm_sa *chosen_in(struct espm_link *link, unsigned long gen)
{
	const struct espm_policy policy = { .link = link };
	struct espm_sa *sa;

	rcu_read_lock();
	sa = espm_sad_outbound_get(&policy, gen);
	rcu_read_unlock();
	if (sa)
		espm_sa_put(sa);
	return sa;
}

/* What follows in a transaction when all that comes is shown. */
static void turn(struct espm_net *en)
{
	espm_spd_turn(en);
	synchronize_rcu();
	espm_sad_turn_end(en);
}

/* Two SAs change their reqids: each packet sees both as they were, or both as they are. */
static void reqids_turn_together(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *one = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	struct espm_sa *other = make_sa(test, ESPM_DIR_OUT, 301, 2);
	unsigned long was = espm_spd_generation(&en->spd), is = was + 1;
	struct espm_link *first = one->link, *second;
	struct espm_sa *sa;

	other->reqid = 2;
	KUNIT_ASSERT_EQ(test, add(other, NULL), 0);
	second = other->link;
	mutex_lock(&en->lock);
	espm_sad_turn_begin(en);
	KUNIT_EXPECT_PTR_EQ(test, espm_sad_link_get(en, 1), first);
	KUNIT_EXPECT_PTR_EQ(test, espm_sad_link_get(en, 2), second);
	espm_sad_promise(en, first, 1);
	espm_sad_promise(en, second, 1);
	KUNIT_EXPECT_TRUE(test, espm_sad_leave(en, one, second));
	KUNIT_EXPECT_TRUE(test, espm_sad_leave(en, other, first));
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(first, was), one);
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(second, was), other);
	synchronize_rcu();
	espm_sad_join(en, one);
	espm_sad_join(en, other);
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(first, was), one);
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(second, was), other);
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(first, is), other);
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(second, is), one);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(one, was), 1U);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(one, is), 2U);
	turn(en);
	espm_sad_settle(one);
	espm_sad_settle(other);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(one, is), 2U);
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(second, is), one);
	KUNIT_EXPECT_EQ(test, first->users, 1U);
	KUNIT_EXPECT_EQ(test, second->users, 1U);

	/* What goes with a turn serves those of before alone. */
	espm_sad_turn_begin(en);
	espm_sad_doom(en, one);
	espm_sad_withdraw(en, one);
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(second, is), one);
	KUNIT_EXPECT_NULL(test, chosen_in(second, is + 1));
	turn(en);
	KUNIT_EXPECT_PTR_EQ(test, espm_sad_link_get(en, 2), second);
	espm_sad_del(en, one);

	/* And what comes with it serves those of behind it, though there was none before. */
	sa = make_sa(test, ESPM_DIR_OUT, 302, 3);
	sa->reqid = 2;
	KUNIT_EXPECT_EQ(test, espm_sad_stage(en, sa, NULL), 0);
	espm_sad_turn_begin(en);
	espm_sad_publish(en, sa);
	KUNIT_EXPECT_NULL(test, chosen_in(second, is + 1));
	KUNIT_EXPECT_PTR_EQ(test, chosen_in(second, is + 2), sa);
	turn(en);
	espm_sad_link_put(en, second);
	mutex_unlock(&en->lock);
}

/* Whoever comes from another reqid comes with its age. */
static void reqid_keeps_its_order(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *old = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	struct espm_sa *new = make_sa(test, ESPM_DIR_OUT, 301, 2);
	struct espm_link *link;

	new->reqid = 2;
	KUNIT_ASSERT_EQ(test, add(new, NULL), 0);
	link = new->link;
	new->added = old->added + 1;
	mutex_lock(&en->lock);
	espm_sad_turn_begin(en);
	KUNIT_EXPECT_PTR_EQ(test, espm_sad_link_get(en, 2), link);
	espm_sad_promise(en, link, 1);
	espm_sad_leave(en, old, link);
	synchronize_rcu();
	espm_sad_join(en, old);
	turn(en);
	espm_sad_settle(old);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), new);
	espm_sad_del(en, new);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), old);
	mutex_unlock(&en->lock);
}

/* Before a turn a new inbound SA answers to no policy, behind it one that goes. */
static void inbound_turns_too(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *old = make_and_add(test, ESPM_DIR_IN, 300, 1);
	struct espm_sa *new = make_sa(test, ESPM_DIR_IN, 301, 2);
	unsigned long was = espm_spd_generation(&en->spd), is = was + 1;

	mutex_lock(&en->lock);
	KUNIT_EXPECT_EQ(test, espm_sad_stage(en, new, NULL), 0);
	espm_sad_doom(en, old);
	espm_sad_turn_begin(en);
	espm_sad_withdraw(en, old);
	espm_sad_publish(en, new);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(old, was), 1U);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(old, is), 0U);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(new, was), 0U);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(new, is), 1U);
	turn(en);
	espm_sad_settle(new);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(old, is), 0U);
	KUNIT_EXPECT_EQ(test, espm_sa_reqid_in(new, is), 1U);
	espm_sad_del(en, old);
	mutex_unlock(&en->lock);
}

/* What is prepared is not found; it may have the name of one that is doomed. */
static void staged_sa_waits(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *old = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	struct espm_sa *heir = make_sa(test, ESPM_DIR_OUT, 300, 2);
	struct espm_sa *vain = make_sa(test, ESPM_DIR_OUT, 301, 3);
	struct espm_sa *again = make_sa(test, ESPM_DIR_OUT, 300, 1);
	struct espm_sa_name name = path_of(old)->name, other = path_of(vain)->name;
	struct espm_link *link = old->link;

	mutex_lock(&en->lock);
	KUNIT_EXPECT_EQ(test, espm_sad_stage(en, heir, NULL), -EEXIST);
	KUNIT_EXPECT_NULL(test, espm_sad_find_former(en, again));
	espm_sad_doom(en, old);
	/* An SA with the key of a doomed one is that one. */
	KUNIT_EXPECT_PTR_EQ(test, espm_sad_find_former(en, again), old);
	KUNIT_EXPECT_NULL(test, espm_sad_find_former(en, heir));
	KUNIT_EXPECT_EQ(test, espm_sad_stage(en, again, NULL), -EKEYREJECTED);
	KUNIT_EXPECT_NULL(test, espm_sad_find_locked(en, &name));
	KUNIT_ASSERT_EQ(test, espm_sad_stage(en, heir, NULL), 0);
	KUNIT_ASSERT_EQ(test, espm_sad_stage(en, vain, NULL), 0);
	KUNIT_EXPECT_EQ(test, espm_sad_stage(en, again, NULL), -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, espm_sad_find_locked(en, &name), heir);
	KUNIT_EXPECT_PTR_EQ(test, find(en, &name), old);
	KUNIT_EXPECT_NULL(test, find(en, &other));
	KUNIT_EXPECT_NULL(test, find_id(en, heir->id));
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), old);

	/* All back, and once more */
	espm_sad_unstage(en, vain);
	espm_sad_unstage(en, heir);
	espm_sad_spare(en, old);
	KUNIT_EXPECT_PTR_EQ(test, find(en, &name), old);
	KUNIT_EXPECT_PTR_EQ(test, espm_sad_find_locked(en, &name), old);
	KUNIT_EXPECT_EQ(test, espm_sad_stage(en, heir, NULL), -EEXIST);
	espm_sad_doom(en, old);
	KUNIT_ASSERT_EQ(test, espm_sad_stage(en, heir, NULL), 0);
	espm_sad_publish(en, heir);
	KUNIT_EXPECT_PTR_EQ(test, find(en, &name), heir);
	KUNIT_EXPECT_PTR_EQ(test, out_of(link), heir);
	espm_sad_del(en, old);
	KUNIT_EXPECT_PTR_EQ(test, find(en, &name), heir);
	mutex_unlock(&en->lock);
	synchronize_rcu();
	espm_sa_free(vain);
	espm_sa_free(again);
}

/* An SA is known again by its key where its address has changed; an inbound one by its SPI, too. */
static void key_tells_who_it_was(struct kunit *test)
{
	struct espm_net *en = test->priv;
	struct espm_sa *in = make_and_add(test, ESPM_DIR_IN, 300, 1);
	struct espm_sa *out = make_and_add(test, ESPM_DIR_OUT, 300, 1);
	struct espm_sa *again = make_sa(test, ESPM_DIR_IN, 300, 1);
	struct espm_sa *other = make_sa(test, ESPM_DIR_IN, 301, 1);

	path_of(again)->name.dst.v4 = cpu_to_be32(0xc6336403);
	path_of(other)->name.dst.v4 = cpu_to_be32(0xc6336403);
	mutex_lock(&en->lock);
	espm_sad_doom(en, out);
	KUNIT_EXPECT_NULL(test, espm_sad_find_former(en, again));
	espm_sad_doom(en, in);
	KUNIT_EXPECT_PTR_EQ(test, espm_sad_find_former(en, again), in);
	KUNIT_EXPECT_NULL(test, espm_sad_find_former(en, other));
	/* Beside it none may begin with its key, and an empty window. */
	KUNIT_EXPECT_EQ(test, espm_sad_stage(en, again, NULL), -EKEYREJECTED);
	espm_sad_spare(en, in);
	espm_sad_spare(en, out);
	mutex_unlock(&en->lock);
	/* Two addresses of a host may share an SA. */
	KUNIT_EXPECT_EQ(test, add(again, NULL), 0);
	KUNIT_EXPECT_EQ(test, add(other, NULL), 0);
}

static void load_is_summed(struct kunit *test)
{
	struct espm_sa *sa = make_and_add(test, ESPM_DIR_IN, 300, 1);
	u64 packets, bytes;

	local_bh_disable();
	espm_sa_account(sa, 1400);
	espm_sa_account(sa, 0);
	espm_sa_account(sa, 65535);
	local_bh_enable();
	espm_sa_load_sum(sa, &packets, &bytes);
	KUNIT_EXPECT_EQ(test, packets, 3ULL);
	KUNIT_EXPECT_EQ(test, bytes, 66935ULL);
}

/* Bytes on the wire for an inner packet whose IP header has @hdr bytes */
static u32 sealed_len(const struct espm_sa *sa, u32 inner, u32 hdr)
{
	u32 len = 8 + sa->suite->iv_len + sa->suite->icv_len;
	u32 payload = sa->mode == ESPM_MODE_TUNNEL ? inner : inner - hdr;

	if (sa->mode == ESPM_MODE_TUNNEL)
		len += path_of(sa)->name.family == AF_INET ? 20 : 40;
	else
		len += hdr;
	if (path_of(sa)->encap_sport)
		len += 8;
	return len + payload + espm_trailer_len(payload, sa->suite->block);
}

/* One shape of SA: family, encapsulation, and @options bytes behind the IP header */
static bool mtu_holds(struct kunit *test, const struct espm_sa *sa, u32 mtu, u32 options)
{
	u32 hdr = path_of(sa)->name.family == AF_INET ? 20 : 40;
	u32 outside = sa->mode == ESPM_MODE_TUNNEL ? 0 : hdr + options;
	u32 least = outside + 1;
	u32 inner = espm_path_inner_mtu(path_of(sa), mtu, outside);
	bool holds;

	if (!inner)
		holds = sealed_len(sa, least, hdr + options) > mtu;
	else
		holds = sealed_len(sa, inner, hdr + options) <= mtu &&
			sealed_len(sa, inner + 1, hdr + options) > mtu;
	KUNIT_EXPECT_TRUE_MSG(test, holds, "%s, mode %u, path %u, inner %u, header %u + %u",
			      sa->suite->name, sa->mode, mtu, inner, hdr, options);
	return holds;
}

static void try_shapes(struct kunit *test, u8 mode, u32 options)
{
	struct espm_sa *sa = make_sa(test, ESPM_DIR_OUT, 300, 1);
	const struct espm_suite *suite;
	u32 i, shape, mtu;
	bool go_on = true;

	sa->mode = mode;
	for (i = 0; go_on && (suite = espm_suite_at(i)); i++) {
		sa->suite = suite;
		for (shape = 0; shape < 4; shape++) {
			path_of(sa)->name.family = shape & 1 ? AF_INET : AF_INET6;
			path_of(sa)->encap_sport = cpu_to_be16(shape & 2 ? 4500 : 0);
			for (mtu = 0; go_on && mtu < 180; mtu++)
				go_on = mtu_holds(test, sa, mtu, options);
			for (mtu = 1480; go_on && mtu <= 1500; mtu++)
				go_on = mtu_holds(test, sa, mtu, options);
		}
	}
	espm_sa_free(sa);
}

static void inner_mtu_of_tunnel_is_exact(struct kunit *test)
{
	try_shapes(test, ESPM_MODE_TUNNEL, 0);
}

static void inner_mtu_of_transport_fits(struct kunit *test)
{
	try_shapes(test, ESPM_MODE_TRANSPORT, 0);
}

/* The header in front of ESP may be longer, which moves the padding. */
static void inner_mtu_of_transport_fits_with_options(struct kunit *test)
{
	u32 options;

	for (options = 8; options <= 40; options += 8)
		try_shapes(test, ESPM_MODE_TRANSPORT, options);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(found_by_every_byte_of_its_name),
	KUNIT_CASE(duplicate_name_is_refused),
	KUNIT_CASE(same_key_outbound_is_refused),
	KUNIT_CASE(output_takes_the_newest),
	KUNIT_CASE(a_user_keeps_a_killed_sa),
	KUNIT_CASE(larval_sa_is_freed_at_once),
	KUNIT_CASE(crowd_comes_and_goes),
	KUNIT_CASE(sequence_ends),
	KUNIT_CASE(numbers_end_for_all),
	KUNIT_CASE(moved_sa_is_found_where_it_is),
	KUNIT_CASE(any_destination_comes_last),
	KUNIT_CASE(reqids_turn_together),
	KUNIT_CASE(reqid_keeps_its_order),
	KUNIT_CASE(inbound_turns_too),
	KUNIT_CASE(staged_sa_waits),
	KUNIT_CASE(key_tells_who_it_was),
	KUNIT_CASE(load_is_summed),
	KUNIT_CASE(inner_mtu_of_tunnel_is_exact),
	KUNIT_CASE(inner_mtu_of_transport_fits),
	KUNIT_CASE(inner_mtu_of_transport_fits_with_options),
	{}
};

static struct kunit_suite suite = {
	.name = "esp_mod_sad",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = cases,
};

kunit_test_suites(&suite);
