// SPDX-License-Identifier: GPL-2.0
/* Names, sentences and sums of the counters. See stats.h. */
#include <linux/cpumask.h>
#include "stats.h"

#define COUNTER_NAME(id, name, sentence) [ESPM_##id] = name,
#define COUNTER_SENTENCE(id, name, sentence) [ESPM_##id] = sentence,
#define COUNTER_IS_DROP(id, name, sentence) [ESPM_##id] = true,

static const char *const names[ESPM_COUNTERS] = {
	ESPM_NOTES(COUNTER_NAME)
	ESPM_DROPS(COUNTER_NAME)
};

static const char *const sentences[ESPM_COUNTERS] = {
	ESPM_NOTES(COUNTER_SENTENCE)
	ESPM_DROPS(COUNTER_SENTENCE)
};

static const bool drops[ESPM_COUNTERS] = {
	ESPM_DROPS(COUNTER_IS_DROP)
};

/**
 * espm_counter_name() - name of a counter
 * @id: the counter
 *
 * Return: a name that stays the same between versions.
 */
const char *espm_counter_name(enum espm_counter id)
{
	return names[id];
}

/**
 * espm_counter_sentence() - what a counter counts
 * @id: the counter
 *
 * Return: one sentence.
 */
const char *espm_counter_sentence(enum espm_counter id)
{
	return sentences[id];
}

/**
 * espm_counter_is_drop() - whether the packets counted were dropped
 * @id: the counter
 *
 * Return: true for a drop.
 */
bool espm_counter_is_drop(enum espm_counter id)
{
	return drops[id];
}

/**
 * espm_stats_sum() - value of a counter
 * @stats: counters of a namespace
 * @id: the counter
 *
 * Return: packets, of all CPUs.
 */
u64 espm_stats_sum(const struct espm_stats __percpu *stats, enum espm_counter id)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(stats, cpu)->count[id]);
	return sum;
}
