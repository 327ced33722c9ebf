/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whereabouts: what a task that goes through the stack is at, for those functions of ours that
 * it meets on its way and that are not told. Each stands on the task's own stack, and a CPU
 * knows the last one. Softirqs are off all the way, so that the task stays on its CPU.
 *
 * Without PREEMPT_RT nothing else runs there meanwhile: the last one is mine. With it others
 * may, since 6.18, and then each looks for its own; the list is locked, one's own is one's own.
 */
#ifndef _ESPM_FRAME_H
#define _ESPM_FRAME_H

#include <linux/percpu.h>
#include <linux/sched.h>
#include "compat.h"

/**
 * struct espm_frame - what one task is at
 * @outer: what it, or another task of this CPU, was at before
 * @task: the task, with PREEMPT_RT
 */
struct espm_frame {
	struct espm_frame *outer;
	const struct task_struct *task;
};

/**
 * struct espm_frames - all of one kind on a CPU
 * @lock: guards the list
 * @last: its head, or NULL
 */
struct espm_frames {
	struct espm_local lock;
	struct espm_frame *last;
};

/**
 * espm_frame_push() - begin
 * @frames: the kind
 * @frame: on the stack, until espm_frame_pop()
 *
 * Context: softirqs off.
 */
static __always_inline void espm_frame_push(struct espm_frames __percpu *frames,
					    struct espm_frame *frame)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		frame->task = current;
	espm_local_lock(&frames->lock);
	frame->outer = this_cpu_read(frames->last);
	this_cpu_write(frames->last, frame);
	espm_local_unlock(&frames->lock);
}

/**
 * espm_frame_pop() - end
 * @frames: the kind
 * @frame: as it was pushed
 *
 * Context: softirqs off.
 */
static __always_inline void espm_frame_pop(struct espm_frames __percpu *frames,
					   struct espm_frame *frame)
{
	struct espm_frame **at;

	espm_local_lock(&frames->lock);
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		for (at = &this_cpu_ptr(frames)->last; *at != frame; at = &(*at)->outer)
			;
		*at = frame->outer;
	} else {
		this_cpu_write(frames->last, frame->outer);
	}
	espm_local_unlock(&frames->lock);
}

/**
 * espm_frame_mine() - what the running task is at
 * @frames: the kind
 *
 * Context: softirqs off.
 * Return: its innermost frame, which nobody else changes, or NULL.
 */
static __always_inline struct espm_frame *espm_frame_mine(struct espm_frames __percpu *frames)
{
	struct espm_frame *frame;

	espm_local_lock(&frames->lock);
	frame = this_cpu_read(frames->last);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		while (frame && frame->task != current)
			frame = frame->outer;
	espm_local_unlock(&frames->lock);
	return frame;
}

#endif /* _ESPM_FRAME_H */
