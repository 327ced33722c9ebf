// SPDX-License-Identifier: GPL-2.0
/* Crypto on more CPUs than one. See spread.h. */
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/timex.h>
#include <linux/workqueue.h>
#include "crypto.h"
#include "input.h"
#include "output.h"
#include "sa.h"
#include "spread.h"

enum {
	RING	= 1024,	/* packets in a lane; a power of two */
	BATCH	= 4,	/* that a helper takes at once */
	BUDGET	= 64,	/* that go on until the other softirqs have their turn, as NAPI's */
	AHEAD	= 16,	/* that wait before their own CPU helps, too */
	WINDOW	= 32,	/* between two looks at the load */
	RECENT	= HZ / 25,	/* jiffies that a look holds */
};

enum { NEVER, WHEN_BUSY, ALWAYS };

static int spread = WHEN_BUSY;
module_param(spread, int, 0644);
MODULE_PARM_DESC(spread, "crypto of a CPU's packets on other CPUs: 0 never, 1 when it is busy, 2 always");

/**
 * struct espm_lane - packets of one CPU under crypto
 * @lock: guards what follows, up to @ring
 * @head: the packet that goes on next
 * @taken: the first one that nobody works on yet
 * @tail: where the next one is put
 * @called: whether the lane's CPU is about to look for finished ones
 * @delivering: whether somebody hands them on
 * @spent: time that they took, on whichever CPU
 * @ring: the packets
 * @busy: the lane's CPU alone, or with PREEMPT_RT under @lock: time under crypto since @since
 * @since: when it began to count
 * @packets: packets since then
 * @weighed: when that last ended, jiffies
 * @wanted: whether they are too much for it alone
 * @cpu: its number
 * @call: reaches it from other CPUs
 * @deliver: what it does then
 */
struct espm_lane {
	spinlock_t lock;	/* positions in the ring, and whose turn it is */
	u32 head;
	u32 taken;
	u32 tail;
	bool called;
	bool delivering;
	cycles_t spent;
	struct espm_op *ring[RING];

	cycles_t busy ____cacheline_aligned_in_smp;
	cycles_t since;
	u32 packets;
	unsigned long weighed;
	bool wanted;
	int cpu;
	call_single_data_t call;
	struct tasklet_struct deliver;
};

/**
 * struct helper - somebody who looks for packets that wait
 * @work: does so, on a CPU that the scheduler finds for it
 * @awake: bit 0: is at it, or about to be
 */
struct helper {
	struct work_struct work;
	unsigned long awake;
};

/* NULL with one CPU, which has nobody to help it. */
static struct espm_lane __percpu *lanes;
static struct helper *helpers;
static struct workqueue_struct *queue;
static atomic_t awake;

static int crypt(struct espm_op *op)
{
	return op->sa->dir == ESPM_DIR_OUT ? espm_crypto_seal(op) : espm_crypto_open(op);
}

static void go_on(struct espm_op *op, int err)
{
	if (op->sa->dir == ESPM_DIR_OUT)
		espm_output_done(op, err);
	else
		espm_input_done(op, err);
}

/*
 * Is there more crypto than one CPU can do? Packets want other things done as
 * well, so that begins with half of its time; helpers are sent home at a quarter.
 */
static void weigh(struct espm_lane *lane, cycles_t took, u32 packets)
{
	cycles_t now, elapsed;

	lane->busy += took;
	lane->packets += packets;
	if (likely(lane->packets < WINDOW))
		return;
	now = get_cycles();
	elapsed = now - lane->since;
	WRITE_ONCE(lane->wanted, lane->busy > elapsed >> (lane->wanted ? 2 : 1));
	WRITE_ONCE(lane->weighed, jiffies);
	lane->since = now;
	lane->busy = 0;
	lane->packets = 0;
}

/* With few packets there is no queue, whatever was before. */
static bool is_too_much(const struct espm_lane *lane)
{
	return READ_ONCE(lane->wanted) && num_online_cpus() > 1 &&
	       time_before(jiffies, READ_ONCE(lane->weighed) + RECENT);
}

static bool is_head_finished(const struct espm_lane *lane)
{
	return lane->head != lane->taken && lane->ring[lane->head % RING]->finished;
}

static u32 pop(struct espm_lane *lane, struct espm_op **ops)
{
	u32 n = 0;

	for (; n < BATCH && is_head_finished(lane); n++) {
		ops[n] = lane->ring[lane->head % RING];
		WRITE_ONCE(lane->head, lane->head + 1);
	}
	weigh(lane, lane->spent, n);
	lane->spent = 0;
	return n;
}

/*
 * Hand on what is finished, in order. What becomes so meanwhile, or is queued by
 * a packet that goes on, is for the one who is at it already.
 *
 * A whole lane at once is more than the queues behind it hold, of the esp device
 * or of the next one, before NAPI empties them.
 *
 * Return: whether that was the budget, and there is more.
 */
static bool deliver(struct espm_lane *lane)
{
	struct espm_op *ops[BATCH];
	u32 i, n, done = 0;
	bool more = false;

	spin_lock(&lane->lock);
	if (!lane->delivering) {
		lane->delivering = true;
		while (done < BUDGET && (n = pop(lane, ops))) {
			spin_unlock(&lane->lock);
			for (i = 0; i < n; i++)
				go_on(ops[i], ops[i]->err);
			done += n;
			spin_lock(&lane->lock);
		}
		more = is_head_finished(lane);
		lane->delivering = false;
		lane->called = more;
	}
	spin_unlock(&lane->lock);
	return more;
}

static void deliver_softirq(struct tasklet_struct *tasklet)
{
	if (deliver(container_of(tasklet, struct espm_lane, deliver)))
		tasklet_schedule(tasklet);
}

static void called(void *lane)
{
	tasklet_schedule(&((struct espm_lane *)lane)->deliver);
}

/*
 * Have a lane's CPU hand on what is finished: two CPUs would overtake each other
 * on their way through the stack. One that has gone offline is no longer there
 * to be overtaken.
 */
static void call(struct espm_lane *lane)
{
	int err;

	if (lane->cpu == smp_processor_id()) {
		tasklet_schedule(&lane->deliver);
		return;
	}
	err = smp_call_function_single_async(lane->cpu, &lane->call);
	/* -EBUSY: an earlier call has yet to arrive, and will do. */
	if (unlikely(err && err != -EBUSY))
		while (deliver(lane))
			;
}

/* Under the lane's lock. Return: whether its CPU must be called. */
static bool needs_call(struct espm_lane *lane)
{
	if (lane->called || lane->delivering || !is_head_finished(lane))
		return false;
	lane->called = true;
	return true;
}

static void finish(struct espm_lane *lane, struct espm_op **ops, const int *errs, u32 n,
		   cycles_t took)
{
	bool must_call;
	u32 i;

	spin_lock(&lane->lock);
	for (i = 0; i < n; i++) {
		/* It is its driver's, which may have finished and be done with it. */
		if (errs[i] == -EINPROGRESS)
			continue;
		ops[i]->err = errs[i];
		ops[i]->finished = true;
	}
	lane->spent += took;
	must_call = needs_call(lane);
	spin_unlock(&lane->lock);
	if (must_call)
		call(lane);
}

/* Softirqs are off. */
static void help_lane(struct espm_lane *lane)
{
	struct espm_op *ops[BATCH];
	int errs[BATCH];
	cycles_t begin;
	u32 i, n = 0;

	spin_lock(&lane->lock);
	for (; n < BATCH && lane->taken != lane->tail; n++) {
		ops[n] = lane->ring[lane->taken % RING];
		WRITE_ONCE(lane->taken, lane->taken + 1);
	}
	spin_unlock(&lane->lock);
	if (!n)
		return;

	begin = get_cycles();
	for (i = 0; i < n; i++)
		errs[i] = crypt(ops[i]);
	finish(lane, ops, errs, n, get_cycles() - begin);
}

static struct espm_lane *find_waiting(void)
{
	struct espm_lane *lane;
	int cpu;

	for_each_possible_cpu(cpu) {
		lane = per_cpu_ptr(lanes, cpu);
		if (READ_ONCE(lane->taken) != READ_ONCE(lane->tail))
			return lane;
	}
	return NULL;
}

static bool wake(struct helper *helper)
{
	if (test_and_set_bit(0, &helper->awake))
		return false;
	atomic_inc(&awake);
	return true;
}

static void help(struct work_struct *work)
{
	struct helper *helper = container_of(work, struct helper, work);
	struct espm_lane *lane;

	do {
		while ((lane = find_waiting())) {
			local_bh_disable();
			help_lane(lane);
			local_bh_enable();
			cond_resched();
		}
		atomic_dec(&awake);
		clear_bit(0, &helper->awake);
		/* Pairs with ask(): it sees that we sleep, or we see its packet. */
		smp_mb();
	} while (find_waiting() && wake(helper));
}

/* One helper more, where those that are awake have enough to do. */
static void ask(u32 waiting)
{
	/* The one CPU that is left helps itself. */
	u32 i, most = max(num_online_cpus() - 1, 1u);

	/* Pairs with help(): the packet is there before we look who is awake. */
	smp_mb();
	i = atomic_read(&awake);
	if (waiting <= i * BATCH)
		return;
	for (i = 0; i < most; i++) {
		if (wake(&helpers[i])) {
			queue_work(queue, &helpers[i].work);
			return;
		}
	}
}

static bool is_to_queue(const struct espm_lane *lane)
{
	switch (READ_ONCE(spread)) {
	case NEVER:
		break;
	case WHEN_BUSY:
		if (is_too_much(lane))
			return true;
		break;
	default:
		return true;
	}
	/* Nobody overtakes what is on its way. */
	return READ_ONCE(lane->head) != READ_ONCE(lane->tail);
}

static void here(struct espm_lane *lane, struct espm_op *op)
{
	cycles_t begin = get_cycles();
	int err = crypt(op);

	/* With PREEMPT_RT another task of this CPU may be at it as well. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		spin_lock(&lane->lock);
	weigh(lane, get_cycles() - begin, 1);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		spin_unlock(&lane->lock);
	go_on(op, err);
}

/**
 * espm_spread() - seal or open a packet, here or elsewhere, and go on with it
 * @op: the packet, ready for espm_crypto_seal() or espm_crypto_open()
 *
 * Ends in espm_output_done() or espm_input_done(), in the order in which this
 * CPU was given its packets. A driver's own queue is no business of this: what
 * returns -EINPROGRESS takes next to no time here, so it stays inline.
 *
 * Context: softirqs off.
 */
void espm_spread(struct espm_op *op)
{
	struct espm_lane *lane;
	bool must_call;
	u32 waiting;

	op->lane = NULL;
	if (!lanes) {
		go_on(op, crypt(op));
		return;
	}
	lane = this_cpu_ptr(lanes);
	if (likely(!is_to_queue(lane))) {
		here(lane, op);
		return;
	}

	op->finished = false;
	op->lane = lane;
	spin_lock(&lane->lock);
	/*
	 * Its own CPU does what others leave: so somebody is late who has taken the first
	 * packet, an asynchronous driver, or a CPU that its hypervisor has put aside.
	 */
	if (unlikely(lane->tail - lane->head == RING)) {
		spin_unlock(&lane->lock);
		go_on(op, -ENOBUFS);
		return;
	}
	lane->ring[lane->tail % RING] = op;
	WRITE_ONCE(lane->tail, lane->tail + 1);
	waiting = lane->tail - lane->taken;
	/* At the end of this round of softirqs: so a burst needs no call by others. */
	must_call = !lane->called && !lane->delivering;
	if (must_call)
		lane->called = true;
	spin_unlock(&lane->lock);

	if (must_call)
		tasklet_schedule(&lane->deliver);
	ask(waiting);
	if (waiting > AHEAD)
		help_lane(lane);
}

/**
 * espm_spread_done() - what an asynchronous driver has finished
 * @op: the packet
 * @err: the driver's result
 *
 * Context: softirqs off.
 */
void espm_spread_done(struct espm_op *op, int err)
{
	if (op->lane)
		finish(op->lane, &op, &err, 1, 0);
	else
		go_on(op, err);
}

/**
 * espm_spread_init() - a lane for each CPU
 *
 * Context: process, sleeps.
 * Return: 0 or -ENOMEM.
 */
int espm_spread_init(void)
{
	struct espm_lane *lane;
	int cpu, i;

	if (num_possible_cpus() == 1)
		return 0;
	/* The administrator may keep them from some CPUs (workqueue/esp_mod_spread/cpumask). */
	queue = alloc_workqueue("esp_mod_spread", WQ_UNBOUND | WQ_HIGHPRI | WQ_SYSFS, nr_cpu_ids);
	if (!queue)
		return -ENOMEM;
	helpers = kcalloc(nr_cpu_ids, sizeof(*helpers), GFP_KERNEL);
	if (!helpers)
		goto err_queue;
	for (i = 0; i < nr_cpu_ids; i++)
		INIT_WORK(&helpers[i].work, help);
	lanes = alloc_percpu(struct espm_lane);
	if (!lanes)
		goto err_helpers;
	for_each_possible_cpu(cpu) {
		lane = per_cpu_ptr(lanes, cpu);
		spin_lock_init(&lane->lock);
		lane->cpu = cpu;
		INIT_CSD(&lane->call, called, lane);
		tasklet_setup(&lane->deliver, deliver_softirq);
	}
	return 0;

err_helpers:
	kfree(helpers);
err_queue:
	destroy_workqueue(queue);
	return -ENOMEM;
}

/**
 * espm_spread_exit() - undo espm_spread_init(), once no packet is left
 *
 * Context: process, sleeps.
 */
void espm_spread_exit(void)
{
	int cpu;

	if (!lanes)
		return;
	/* Helpers may be about to look once more, calls on their way, their tasklets to run. */
	destroy_workqueue(queue);
	kick_all_cpus_sync();
	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu_ptr(lanes, cpu)->deliver);
	free_percpu(lanes);
	kfree(helpers);
}
