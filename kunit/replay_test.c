// SPDX-License-Identifier: GPL-2.0
/* The replay window against RFC 4303's own words, and against a list of what was seen. */
#include <kunit/test.h>
#include "../esp_mod/replay.h"
#include "fixture.h"

enum {
	STEPS	= 700,
	SPANS	= 9,
};

static const u32 windows[] = { 1, 31, 32, 33, 64, 100, 1024, 65536 };

/* Where the highest number stands when a test begins */
static u64 start_at(u32 i, u32 window)
{
	const u64 starts[] = {
		0, 1, window - 1, window, window + 1, (1ULL << 32) - window - 1,
		(1ULL << 32) - window, (1ULL << 32) - 1, 1ULL << 32, (1ULL << 32) + window - 2,
		(1ULL << 32) + window, (1ULL << 63) - 1, (1ULL << 63) + 5,
	};

	return i < ARRAY_SIZE(starts) ? starts[i] : U64_MAX;
}

enum { STARTS = 13 };

static struct espm_replay *make(struct kunit *test, u32 window, u64 top)
{
	struct espm_replay *r = kvmalloc(espm_replay_size(window), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	/* Whatever was there before must not be taken for numbers seen. */
	memset(r, 0xff, espm_replay_size(window));
	espm_replay_init(r, window);
	test->priv = r;
	if (top)
		KUNIT_ASSERT_EQ(test, espm_replay_commit(r, top), ESPM_REPLAY_NEW);
	return r;
}

static void unmake(struct kunit *test)
{
	kvfree(test->priv);
	test->priv = NULL;
}

/**
 * struct model - the same by a list
 * @seen: every number accepted
 * @n: how many
 * @top: the highest of them
 * @window: width
 */
struct model {
	u64 seen[STEPS + 1];
	u32 n;
	u64 top;
	u32 window;
};

static enum espm_replay_verdict ask_model(const struct model *m, u64 seq)
{
	u32 i;

	if (seq == 0 || (seq <= m->top && m->top - seq >= m->window))
		return ESPM_REPLAY_OLD;
	for (i = 0; i < m->n; i++)
		if (m->seen[i] == seq)
			return ESPM_REPLAY_SEEN;
	return ESPM_REPLAY_NEW;
}

static void tell_model(struct model *m, u64 seq)
{
	m->seen[m->n++] = seq;
	m->top = max(m->top, seq);
}

/* A number near one of the places where mistakes live; it may wrap, and be refused. */
static u64 choose(struct rnd_state *rnd, const struct model *m)
{
	u64 w = m->window;

	switch (fixture_pick(rnd, SPANS)) {
	case 0:
		return m->top + 1;
	case 1:
		return m->top + 1 + fixture_pick(rnd, 70);
	case 2:
		return m->top - fixture_pick(rnd, 70);
	case 3:
		return m->top - w + fixture_pick(rnd, 5) - 2;
	case 4:
		return m->top - fixture_pick(rnd, m->window);
	case 5:
		return m->top + w + fixture_pick(rnd, 5) - 2;
	case 6:
		return m->top - w - fixture_pick(rnd, 3 * m->window);
	case 7:
		return m->n ? m->seen[fixture_pick(rnd, m->n)] : 0;
	default:
		if (fixture_pick(rnd, 20))
			return m->top;
		return m->top + w + fixture_pick(rnd, 4 * m->window);
	}
}

static void random_numbers(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	u32 w, s, step, verdicts[3] = {};
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, m);
	fixture_seed(&rnd);
	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		for (s = 0; s < STARTS; s++) {
			u64 top = start_at(s, windows[w]);
			struct espm_replay *r = make(test, windows[w], top);

			m->n = 0;
			m->top = 0;
			m->window = windows[w];
			if (top)
				tell_model(m, top);

			for (step = 0; step < STEPS; step++) {
				u64 seq = choose(&rnd, m);
				enum espm_replay_verdict want = ask_model(m, seq);

				KUNIT_ASSERT_EQ_MSG(test, espm_replay_check(r, seq), want,
						    "window %u, top %llx, number %llx",
						    windows[w], m->top, seq);
				verdicts[want]++;
				/* Some are checked and then turn out to be forged. */
				if (!fixture_pick(&rnd, 8))
					continue;
				KUNIT_ASSERT_EQ_MSG(test, espm_replay_commit(r, seq), want,
						    "window %u, top %llx, number %llx",
						    windows[w], m->top, seq);
				if (want == ESPM_REPLAY_NEW)
					tell_model(m, seq);
				KUNIT_ASSERT_EQ(test, r->top, m->top);
			}
			unmake(test);
		}
	}
	/* All three have been met, and often. */
	for (w = 0; w < ARRAY_SIZE(verdicts); w++)
		KUNIT_EXPECT_GT(test, verdicts[w], STEPS);
}

/* Fill the window, leap, and look at every number that is in the window then. */
static void leaps_forget_exactly(struct kunit *test)
{
	u32 w, l, s;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		const u64 width = windows[w];
		const u64 leaps[] = {
			1, 63, 64, 65, width - 1, width, width + 1, 2 * width + 64, 1ULL << 33,
		};
		const u64 from[] = { 1, (1ULL << 32) - width / 2 };

		for (l = 0; l < ARRAY_SIZE(leaps); l++) {
			for (s = 0; s < ARRAY_SIZE(from); s++) {
				struct espm_replay *r = make(test, width, 0);
				u64 last = from[s] + width - 1;
				u64 top = last + leaps[l], seq;

				if (!leaps[l]) {
					unmake(test);
					continue;
				}
				for (seq = from[s]; seq <= last; seq++)
					espm_replay_commit(r, seq);
				KUNIT_ASSERT_EQ(test, r->top, last);
				KUNIT_ASSERT_EQ(test, espm_replay_commit(r, top), ESPM_REPLAY_NEW);
				for (seq = top - width + 1; seq <= top; seq++)
					KUNIT_ASSERT_EQ_MSG(test, espm_replay_check(r, seq),
							    seq <= last || seq == top ?
							    ESPM_REPLAY_SEEN : ESPM_REPLAY_NEW,
							    "window %llu, leap %llu, number %llx",
							    width, leaps[l], seq);
				KUNIT_ASSERT_EQ(test, espm_replay_check(r, top - width),
						ESPM_REPLAY_OLD);
				unmake(test);
			}
		}
	}
}

static void left_edge_once(struct kunit *test)
{
	u32 w;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		u64 top = 1000000;
		u64 edge = top - windows[w] + 1;
		struct espm_replay *r = make(test, windows[w], top);

		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, edge - 1), ESPM_REPLAY_OLD);
		/* The only number of a window of 1 is the one that was seen. */
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, edge),
				windows[w] == 1 ? ESPM_REPLAY_SEEN : ESPM_REPLAY_NEW);
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, edge), ESPM_REPLAY_SEEN);
		KUNIT_EXPECT_EQ(test, r->top, top);
		unmake(test);
	}
}

static void start_of_life(struct kunit *test)
{
	u32 w;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		struct espm_replay *r = make(test, windows[w], 0);

		KUNIT_EXPECT_EQ(test, r->top, 0ULL);
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, 0), ESPM_REPLAY_OLD);
		KUNIT_EXPECT_EQ(test, espm_replay_check(r, 1), ESPM_REPLAY_NEW);
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, 1), ESPM_REPLAY_NEW);
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, 1), ESPM_REPLAY_SEEN);
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, 0), ESPM_REPLAY_OLD);
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, U64_MAX), ESPM_REPLAY_NEW);
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, U64_MAX), ESPM_REPLAY_SEEN);
		KUNIT_EXPECT_EQ(test, espm_replay_commit(r, 2), ESPM_REPLAY_OLD);
		unmake(test);
	}
}

static void no_window_accepts_all(struct kunit *test)
{
	struct espm_replay *r = make(test, 0, 0);
	struct rnd_state rnd;
	u64 top = 0, seq;
	u32 i;

	fixture_seed(&rnd);
	for (i = 0; i < STEPS; i++) {
		seq = i % 3 ? fixture_pick(&rnd, 4) : fixture_pick64(&rnd);
		top = max(top, seq);
		KUNIT_ASSERT_EQ(test, espm_replay_check(r, seq), ESPM_REPLAY_NEW);
		KUNIT_ASSERT_EQ(test, espm_replay_commit(r, seq), ESPM_REPLAY_NEW);
		KUNIT_ASSERT_EQ(test, r->top, top);
	}
	unmake(test);
}

/* RFC 4303 appendix A2.2, as it is printed */
static u64 infer_by_rfc(u64 top, u32 w, u32 lo)
{
	u32 th = top >> 32, tl = top, hi;
	u32 bl = tl - w + 1;

	if (tl >= w - 1)
		hi = lo >= bl ? th : th + 1;
	else
		/* There is nothing in front of the first 2^32 numbers. */
		hi = lo >= bl && th ? th - 1 : th;
	return (u64)hi << 32 | lo;
}

static void infer_is_appendix_a2(struct kunit *test)
{
	u32 w, s, i, side;
	struct rnd_state rnd;

	fixture_seed(&rnd);
	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		for (s = 0; s < STARTS; s++) {
			u64 top = start_at(s, windows[w]);
			struct espm_replay *r = make(test, windows[w], top);
			const u32 edges[] = {
				0, top, top - windows[w], 1u << 31, top + (1u << 31),
			};

			for (side = 0; side < ARRAY_SIZE(edges); side++) {
				for (i = 0; i < 11; i++) {
					u32 lo = edges[side] + i - 5;

					KUNIT_ASSERT_EQ_MSG(test, espm_replay_infer(r, lo),
							    infer_by_rfc(top, windows[w], lo),
							    "window %u, top %llx, low %x",
							    windows[w], top, lo);
				}
			}
			for (i = 0; i < 50; i++) {
				u32 lo = prandom_u32_state(&rnd);

				KUNIT_ASSERT_EQ(test, espm_replay_infer(r, lo),
						infer_by_rfc(top, windows[w], lo));
			}
			unmake(test);
		}
	}
}

/* Every number from the left edge to 2^32 further on is told from its low half. */
static void infer_finds_the_number_sent(struct kunit *test)
{
	u32 w, s, i;
	struct rnd_state rnd;

	fixture_seed(&rnd);
	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		for (s = 0; s < STARTS; s++) {
			u64 top = start_at(s, windows[w]);
			u64 base = top >= windows[w] ? top - windows[w] + 1 : 0;
			struct espm_replay *r = make(test, windows[w], top);

			for (i = 0; i < 100; i++) {
				u64 seq = base + prandom_u32_state(&rnd);

				KUNIT_ASSERT_EQ(test, espm_replay_infer(r, (u32)seq), seq);
			}
			KUNIT_ASSERT_EQ(test, espm_replay_infer(r, (u32)base), base);
			KUNIT_ASSERT_EQ(test, espm_replay_infer(r, (u32)(base - 1)),
					base + U32_MAX);
			unmake(test);
		}
	}
}

static void size_holds_window(struct kunit *test)
{
	u32 window, words;

	for (window = 0; window <= ESP_MOD_REPLAY_WINDOW_MAX; window++) {
		words = (espm_replay_size(window) - sizeof(struct espm_replay)) / sizeof(u64);
		/* A window that begins at a word's last bit touches one word more. */
		KUNIT_ASSERT_GE_MSG(test, words * 64, window + 63, "window %u", window);
		KUNIT_ASSERT_EQ(test, words & (words - 1), 0);
	}
}

static void exit_replay(struct kunit *test)
{
	unmake(test);
}

/* What was resumed behind refuses all up to there, and takes all that follows, once. */
static void resumed_window_goes_on(struct kunit *test)
{
	static const u64 tops[] = { 0, 1, 63, 64, 65, 1000, U32_MAX, 1ULL << 32, 0x123456789a };
	struct espm_replay *r;
	u32 w, t;
	u64 seq;

	for (w = 0; w < ARRAY_SIZE(windows); w++) {
		r = kunit_kzalloc(test, espm_replay_size(windows[w]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, r);
		for (t = 0; windows[w] && t < ARRAY_SIZE(tops); t++) {
			u64 first = tops[t] >= windows[w] ? tops[t] - windows[w] + 1 : 0;

			espm_replay_init(r, windows[w]);
			espm_replay_resume(r, tops[t]);
			for (seq = first; seq <= tops[t] && seq < first + 3000; seq++)
				KUNIT_ASSERT_NE(test, espm_replay_check(r, seq), ESPM_REPLAY_NEW);
			for (seq = tops[t] + 1; seq < tops[t] + 200; seq++) {
				KUNIT_ASSERT_EQ(test, espm_replay_commit(r, seq), ESPM_REPLAY_NEW);
				KUNIT_ASSERT_NE(test, espm_replay_commit(r, seq), ESPM_REPLAY_NEW);
			}
		}
		kunit_kfree(test, r);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(resumed_window_goes_on),
	KUNIT_CASE(random_numbers),
	KUNIT_CASE(leaps_forget_exactly),
	KUNIT_CASE(left_edge_once),
	KUNIT_CASE(start_of_life),
	KUNIT_CASE(no_window_accepts_all),
	KUNIT_CASE(infer_is_appendix_a2),
	KUNIT_CASE(infer_finds_the_number_sent),
	KUNIT_CASE(size_holds_window),
	{}
};

static struct kunit_suite suite = {
	.name = "esp_mod_replay",
	.exit = exit_replay,
	.test_cases = cases,
};

kunit_test_suites(&suite);
