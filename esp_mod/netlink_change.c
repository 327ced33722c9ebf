// SPDX-License-Identifier: GPL-2.0
/*
 * All that changes SAs and policies, one change or many: prepared where packets
 * don't see it, with all that can fail, then made as a whole.
 */
#include <linux/sched/signal.h>
#include <net/genetlink.h>
#include "hold.h"
#include "idle.h"
#include "main.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "netns.h"
#include "notify.h"
#include "offload.h"

/**
 * struct step - one change
 * @kind: ESPM_A_STEP_*
 * @attr: what asks for it; NULL in a request of one change
 * @sa: the SA; of an addition the caller's until staged
 * @policy: the policy
 * @id: number of what was added
 * @change: of an update, or of an SA that lives on where it was to be added
 * @lives_on: an addition has found its SA alive
 */
struct step {
	u16 kind;
	const struct nlattr *attr;
	struct espm_sa *sa;
	struct espm_policy *policy;
	u32 id;
	struct espm_nl_change change;
	bool lives_on;
};

/**
 * struct transaction - changes that are made together
 * @en: the namespace
 * @info: the request
 * @step: the changes, in their order
 * @n: how many
 * @staged: how many are prepared
 * @policies: policies that come or go
 * @relinks: SAs get another reqid
 * @flushes: all SAs go that were there
 * @sa_begun: an SA was added or changed: too late for a flush
 * @policy_begun: the same of policies
 * @policy_ends: whether policies go
 * @releases: packets that wait for SAs may find them now
 * @reqid: of those SAs, 0 for any
 */
struct transaction {
	struct espm_net *en;
	struct genl_info *info;
	struct step *step;
	u32 n;
	u32 staged;
	u32 policies;
	bool relinks;
	bool flushes;
	bool sa_begun;
	bool policy_begun;
	bool policy_ends;
	bool releases;
	u32 reqid;
};

/* The attributes of a step, as those of a request. */
struct view {
	struct genl_info info;
	struct nlattr *attrs[ESPM_A_SA_MAX + 1];
};

static_assert(ESPM_A_POLICY_MAX <= ESPM_A_SA_MAX);

#define FORM(set) { esp_mod_##set##_nl_policy, ARRAY_SIZE(esp_mod_##set##_nl_policy) - 1 }

/* What the nest of a step may hold; a flush has none. */
static const struct {
	const struct nla_policy *policy;
	int max;
} forms[] = {
	[ESPM_A_STEP_SA_ADD]		= FORM(sa_new),
	[ESPM_A_STEP_SA_UPDATE]		= FORM(sa_change),
	[ESPM_A_STEP_SA_DEL]		= FORM(sa_name),
	[ESPM_A_STEP_POLICY_ADD]	= FORM(policy_new),
	[ESPM_A_STEP_POLICY_DEL]	= FORM(policy_name),
	[ESPM_A_STEP_POLICY_FLUSH]	= {},
};

static int look(const struct transaction *t, const struct step *step, struct view *view)
{
	view->info = *t->info;
	if (!step->attr || !forms[step->kind].policy)
		return 0;
	memset(view->attrs, 0, sizeof(view->attrs));
	view->info.attrs = view->attrs;
	return nla_parse_nested(view->attrs, forms[step->kind].max, step->attr,
				forms[step->kind].policy, t->info->extack);
}

/* Make the SAs that are to be added, which may load modules, before anything is locked. */
static int make_sas(struct transaction *t)
{
	struct view view;
	u32 i;
	int err;

	for (i = 0; i < t->n; i++) {
		struct step *step = &t->step[i];

		if (step->kind != ESPM_A_STEP_SA_ADD)
			continue;
		/* Who is being killed waits for no answer. */
		err = fatal_signal_pending(current) ? -EINTR :
		      look(t, step, &view) ?: espm_nl_sa_read(&view.info, t->en, &step->sa);
		if (err) {
			t->staged = i;
			return err;
		}
		cond_resched();
	}
	return 0;
}

/* --- Prepare: what can fail does so here --- */

static int stage_sa_add(struct transaction *t, struct step *step, struct genl_info *info)
{
	struct espm_sa *former = espm_sad_find_former(t->en, step->sa);
	int err;

	t->sa_begun = true;
	if (!former)
		return espm_sad_stage(t->en, step->sa, info->extack);
	err = espm_sad_admit(t->en, former, info->extack) ?:
	      espm_nl_sa_change_into(info, t->en, former, step->sa, &step->change);
	if (err)
		return err;
	espm_sa_free(step->sa);
	espm_sad_spare(t->en, former);
	step->sa = former;
	step->lives_on = true;
	return 0;
}

static int stage_sa_update(struct transaction *t, struct step *step, struct genl_info *info)
{
	struct espm_sa *sa = espm_nl_sa_find(info, t->en);

	if (IS_ERR(sa))
		return PTR_ERR(sa);
	t->sa_begun = true;
	step->sa = sa;
	return espm_nl_sa_change_read(info, t->en, sa, &step->change);
}

static int stage_sa_del(struct transaction *t, struct step *step, struct genl_info *info)
{
	struct espm_sa *sa = espm_nl_sa_find(info, t->en);

	if (IS_ERR(sa))
		return PTR_ERR(sa);
	if (sa->changing || (espm_sa_is_keyed(sa) && READ_ONCE(sa->state) == ESPM_SA_LARVAL))
		return ESPM_REFUSE(info, NULL, -EBUSY,
				   "the transaction adds or changes this SA: leave that out");
	step->sa = sa;
	espm_sad_doom(t->en, sa);
	return 0;
}

static int stage_sa_flush(struct transaction *t, struct genl_info *info)
{
	struct espm_sa *sa;
	unsigned long id;

	if (t->sa_begun)
		return ESPM_REFUSE(info, NULL, -EINVAL,
				   "a flush stands before what the transaction adds or changes");
	if (t->flushes)
		return 0;
	t->flushes = true;
	xa_for_each(&t->en->sad.by_id, id, sa) {
		if (!espm_sad_is_gone(sa))
			espm_sad_doom(t->en, sa);
		cond_resched();
	}
	return 0;
}

static int stage_policy_add(struct transaction *t, struct step *step, struct genl_info *info)
{
	struct espm_policy wanted;
	int err = espm_nl_policy_read(info, &wanted) ?: espm_spd_admit(t->en, info->extack);

	if (err)
		return err;
	step->policy = espm_spd_stage(t->en, &wanted, info->extack);
	if (!step->policy)
		return -ENOMEM;
	t->policy_begun = true;
	t->policies++;
	return 0;
}

static void doom_policy(struct transaction *t, struct espm_policy *policy)
{
	espm_spd_doom(t->en, policy);
	t->policies++;
	t->policy_ends = true;
}

static int stage_policy_del(struct transaction *t, struct step *step, struct genl_info *info)
{
	struct espm_policy *policy;

	rcu_read_lock();
	policy = espm_nl_policy_find(info, t->en);
	rcu_read_unlock();
	/* The lock keeps it. */
	if (IS_ERR(policy))
		return PTR_ERR(policy);
	if (policy->dies)
		return ESPM_REFUSE(info, NULL, -ENOENT, "there is no such policy");
	step->policy = policy;
	doom_policy(t, policy);
	return 0;
}

static int stage_policy_flush(struct transaction *t, struct genl_info *info)
{
	struct espm_policy *policy;

	if (t->policy_begun)
		return ESPM_REFUSE(info, NULL, -EINVAL,
				   "a flush stands before what the transaction adds");
	list_for_each_entry(policy, &t->en->spd.in_order, in_order) {
		if (!policy->dies && !espm_spd_is_gone(t->en, policy))
			doom_policy(t, policy);
		cond_resched();
	}
	return 0;
}

static int stage(struct transaction *t, struct step *step)
{
	struct view view;
	int err = look(t, step, &view);

	if (err)
		return err;
	switch (step->kind) {
	case ESPM_A_STEP_SA_ADD:
		return stage_sa_add(t, step, &view.info);
	case ESPM_A_STEP_SA_UPDATE:
		return stage_sa_update(t, step, &view.info);
	case ESPM_A_STEP_SA_DEL:
		return stage_sa_del(t, step, &view.info);
	case ESPM_A_STEP_SA_FLUSH:
		return stage_sa_flush(t, &view.info);
	case ESPM_A_STEP_POLICY_ADD:
		return stage_policy_add(t, step, &view.info);
	case ESPM_A_STEP_POLICY_DEL:
		return stage_policy_del(t, step, &view.info);
	default:
		return stage_policy_flush(t, &view.info);
	}
}

static bool adds(const struct step *step)
{
	return step->kind == ESPM_A_STEP_SA_ADD || step->kind == ESPM_A_STEP_POLICY_ADD;
}

static int stage_all(struct transaction *t)
{
	bool wakes = false;
	int err;

	for (t->staged = 0; t->staged < t->n; t->staged++) {
		wakes |= adds(&t->step[t->staged]);
		/* Nothing else is asked for it: behind this there is no way back. */
		err = fatal_signal_pending(current) ? -EINTR : stage(t, &t->step[t->staged]);
		if (err)
			return err;
		t->relinks |= !!t->step[t->staged].change.link;
		cond_resched();
	}
	/* Last of all, for nothing takes it back. */
	return wakes ? espm_net_wake(t->en, t->info->extack) : 0;
}

/* --- Undo: nobody has seen any of it --- */

static void spare_sas(struct espm_net *en)
{
	struct espm_sa *sa;
	unsigned long id;

	xa_for_each(&en->sad.by_id, id, sa) {
		if (!espm_sad_is_gone(sa))
			espm_sad_spare(en, sa);
		cond_resched();
	}
}

static void spare_policies(struct espm_net *en)
{
	struct espm_policy *policy;

	list_for_each_entry(policy, &en->spd.in_order, in_order) {
		if (!espm_spd_is_gone(en, policy))
			espm_spd_spare(en, policy);
		cond_resched();
	}
}

/* The last one first: one SA may have been promised the name of another. */
static void undo(struct transaction *t)
{
	u32 i;

	for (i = t->staged; i--;) {
		struct step *step = &t->step[i];

		switch (step->kind) {
		case ESPM_A_STEP_SA_ADD:
			if (!step->lives_on) {
				espm_sad_unstage(t->en, step->sa);
				break;
			}
			espm_nl_sa_change_undo(t->en, step->sa, &step->change);
			/* Spared already. */
			step->sa = NULL;
			break;
		case ESPM_A_STEP_SA_UPDATE:
			espm_nl_sa_change_undo(t->en, step->sa, &step->change);
			break;
		case ESPM_A_STEP_SA_DEL:
			espm_sad_spare(t->en, step->sa);
			break;
		case ESPM_A_STEP_SA_FLUSH:
			spare_sas(t->en);
			break;
		case ESPM_A_STEP_POLICY_ADD:
			espm_spd_bury(t->en, step->policy);
			break;
		case ESPM_A_STEP_POLICY_DEL:
			espm_spd_spare(t->en, step->policy);
			break;
		case ESPM_A_STEP_POLICY_FLUSH:
			spare_policies(t->en);
			break;
		}
		cond_resched();
	}
}

/* Free the SAs that were made in vain. Lookups may have passed by those that were staged. */
static void free_sas(struct transaction *t, bool seen)
{
	u32 i;

	if (seen)
		synchronize_rcu();
	for (i = 0; i < t->n; i++) {
		if (t->step[i].kind == ESPM_A_STEP_SA_ADD && t->step[i].sa)
			espm_sa_free(t->step[i].sa);
		cond_resched();
	}
}

/* --- Make: nothing can fail any more --- */

/* Packets that wait are asked about again, by the reqid that got an SA, if it is one. */
static void note_release(struct transaction *t, u32 reqid)
{
	t->reqid = t->releases && t->reqid != reqid ? 0 : reqid;
	t->releases = true;
}

static void withdraw_all(struct espm_net *en)
{
	struct espm_sa *sa;
	unsigned long id;

	xa_for_each(&en->sad.by_id, id, sa) {
		if (sa->doomed)
			espm_sad_withdraw(en, sa);
		cond_resched();
	}
}

/* What goes serves nobody from the turn on. Return: whether to wait after that */
static bool withdraw(struct transaction *t, const struct step *step)
{
	switch (step->kind) {
	case ESPM_A_STEP_SA_DEL:
		/* Unless it was added again, and lives on. */
		if (step->sa->doomed)
			espm_sad_withdraw(t->en, step->sa);
		return false;
	case ESPM_A_STEP_SA_ADD:
	case ESPM_A_STEP_SA_UPDATE:
		return step->change.link && espm_sad_leave(t->en, step->sa, step->change.link);
	default:
		return false;
	}
}

static void begin(struct transaction *t, struct step *step)
{
	struct espm_net *en = t->en;

	switch (step->kind) {
	case ESPM_A_STEP_SA_ADD:
		if (!step->lives_on) {
			/* A reservation has served. */
			if (step->sa->elder && !step->sa->elder->doomed)
				espm_notify_sa(en, ESPM_CMD_SA_DEL_NTF, step->sa->elder);
			espm_sad_publish(en, step->sa);
			espm_idle_begin(step->sa);
			espm_notify_sa(en, ESPM_CMD_SA_ADD_NTF, step->sa);
			step->id = step->sa->id;
			if (step->sa->dir == ESPM_DIR_OUT)
				note_release(t, step->sa->reqid);
			break;
		}
		fallthrough;
	case ESPM_A_STEP_SA_UPDATE:
		if (step->change.link && step->sa->dir == ESPM_DIR_OUT)
			note_release(t, step->change.link->reqid);
		espm_nl_sa_change_make(en, step->sa, &step->change);
		espm_notify_sa(en, ESPM_CMD_SA_UPDATE_NTF, step->sa);
		break;
	case ESPM_A_STEP_POLICY_ADD:
		espm_spd_publish(en, step->policy);
		step->id = step->policy->id;
		note_release(t, 0);
		espm_notify_policy(en, ESPM_CMD_POLICY_ADD_NTF, step->policy);
		break;
	}
}

static void end_sa(struct transaction *t, struct espm_sa *sa, bool tell)
{
	if (tell)
		espm_notify_sa(t->en, ESPM_CMD_SA_DEL_NTF, sa);
	espm_sad_del(t->en, sa);
}

static void end_policy(struct transaction *t, struct espm_policy *policy, bool tell)
{
	if (tell)
		espm_notify_policy(t->en, ESPM_CMD_POLICY_DEL_NTF, policy);
	espm_spd_bury(t->en, policy);
}

/* Where nothing is left, that is told; else each that goes. */
static void end_sas(struct transaction *t)
{
	struct espm_sa *sa;
	unsigned long id;

	xa_for_each(&t->en->sad.by_id, id, sa) {
		if (sa->doomed)
			end_sa(t, sa, t->sa_begun);
		cond_resched();
	}
	if (!t->sa_begun)
		espm_notify_flush(t->en, ESPM_CMD_SA_FLUSH_NTF);
}

static void end_policies(struct transaction *t)
{
	struct espm_policy *policy, *next;

	list_for_each_entry_safe_reverse(policy, next, &t->en->spd.in_order, in_order) {
		if (policy->dies && !espm_spd_is_gone(t->en, policy))
			end_policy(t, policy, t->policy_begun);
		cond_resched();
	}
	if (!t->policy_begun)
		espm_notify_flush(t->en, ESPM_CMD_POLICY_FLUSH_NTF);
}

/* What an earlier flush has ended with all the others is not looked at again. */
static void end(struct transaction *t, const struct step *step, bool *sas, bool *policies)
{
	switch (step->kind) {
	case ESPM_A_STEP_SA_DEL:
		/* Unless it was added again, and lives on. */
		if (!*sas && step->sa->doomed)
			end_sa(t, step->sa, true);
		break;
	case ESPM_A_STEP_SA_FLUSH:
		if (!*sas)
			end_sas(t);
		*sas = true;
		break;
	case ESPM_A_STEP_POLICY_DEL:
		if (!*policies)
			end_policy(t, step->policy, true);
		break;
	case ESPM_A_STEP_POLICY_FLUSH:
		if (!*policies)
			end_policies(t);
		*policies = true;
		break;
	}
}

static void settle(const struct step *step)
{
	if (step->kind == ESPM_A_STEP_SA_ADD || step->kind == ESPM_A_STEP_SA_UPDATE)
		espm_sad_settle(step->sa);
}

/* What comes is there before the turn, what goes is gone only behind it. */
static void make_together(struct transaction *t)
{
	bool waits = false;
	u32 i;

	espm_sad_turn_begin(t->en);
	if (t->flushes)
		withdraw_all(t->en);
	for (i = 0; i < t->n; i++) {
		waits |= withdraw(t, &t->step[i]);
		cond_resched();
	}
	if (waits)
		synchronize_rcu();
	for (i = 0; i < t->n; i++) {
		begin(t, &t->step[i]);
		cond_resched();
	}
	espm_spd_turn(t->en);
	synchronize_rcu();
	for (i = 0; i < t->n; i++) {
		settle(&t->step[i]);
		cond_resched();
	}
	espm_sad_turn_end(t->en);
	/* What found no SA before the turn may have waited until now. */
	note_release(t, 0);
}

/*
 * A packet meets the policies and SAs of before, or those of behind it, never some
 * of each. Where no policy changes, and no reqid, that is so for each reqid alone.
 */
static void make(struct transaction *t)
{
	bool sas = false, policies = false;
	u32 i;

	if (t->relinks || t->policies > 1 || (t->policies && t->n > 1)) {
		make_together(t);
	} else {
		/* No grace period: key daemons add, and replace, thousands of SAs. */
		for (i = 0; i < t->n; i++) {
			begin(t, &t->step[i]);
			cond_resched();
		}
		if (t->policies)
			espm_spd_turn(t->en);
	}
	for (i = 0; i < t->n; i++) {
		end(t, &t->step[i], &sas, &policies);
		cond_resched();
	}
	if (t->policy_ends)
		espm_spd_trim(t->en);
}

static int run(struct transaction *t)
{
	bool seen;
	int err;

	err = make_sas(t);
	if (err) {
		const struct step *blamed = &t->step[t->staged];

		free_sas(t, false);
		if (blamed->attr && !t->info->extack->bad_attr)
			NL_SET_BAD_ATTR(t->info->extack, blamed->attr);
		return err;
	}
	if (t->step->kind == ESPM_A_STEP_POLICY_DEL)
		espm_spd_await(t->en);
	if (mutex_lock_killable(&t->en->lock)) {
		free_sas(t, false);
		return -EINTR;
	}
	err = stage_all(t);
	if (err) {
		seen = t->staged;
		if (t->staged < t->n && t->step[t->staged].attr && !t->info->extack->bad_attr)
			NL_SET_BAD_ATTR(t->info->extack, t->step[t->staged].attr);
		undo(t);
	} else {
		make(t);
	}
	espm_net_rest(t->en);
	mutex_unlock(&t->en->lock);
	if (!err && t->policies)
		espm_offload_review(t->en);
	if (err)
		free_sas(t, seen);
	else if (t->policy_ends)
		espm_hold_drop(t->en);
	else if (t->releases)
		espm_hold_release(t->en, t->reqid);
	return err;
}

/* Let others have the lock. */
static void breathe(struct espm_net *en)
{
	mutex_unlock(&en->lock);
	cond_resched();
	mutex_lock(&en->lock);
}

/*
 * A flush that is a request of its own ends all there is in one moment, and tells of it;
 * from then on names, keys and places are free. To take it all away needs a while, in
 * which others have the lock now and then.
 */
static int flush_sas(struct espm_net *en)
{
	unsigned long id = 0;

	if (mutex_lock_killable(&en->lock))
		return -EINTR;
	espm_sad_flush_begin(en);
	espm_notify_flush(en, ESPM_CMD_SA_FLUSH_NTF);
	while (espm_sad_flush_some(en, &id))
		breathe(en);
	espm_net_rest(en);
	mutex_unlock(&en->lock);
	return 0;
}

static int flush_policies(struct espm_net *en)
{
	struct espm_policy *at = NULL;

	if (mutex_lock_killable(&en->lock))
		return -EINTR;
	espm_spd_flush_begin(en);
	espm_notify_flush(en, ESPM_CMD_POLICY_FLUSH_NTF);
	while (espm_spd_flush_doom(en, &at))
		breathe(en);
	if (at) {
		espm_spd_flush_turn(en);
		mutex_unlock(&en->lock);
		/* What waits was sent when ESP was wanted. */
		espm_hold_drop(en);
		synchronize_rcu();
		mutex_lock(&en->lock);
		while (espm_spd_flush_bury(en))
			breathe(en);
	}
	espm_net_rest(en);
	mutex_unlock(&en->lock);
	return 0;
}

static int run_flush(struct sk_buff *skb, struct genl_info *info, bool policies)
{
	struct espm_net *en = espm_nl_net(info);
	int err = espm_nl_may_configure(skb, info->extack);

	if (err)
		return err;
	if (mutex_lock_killable(&en->flush_lock))
		return -EINTR;
	err = policies ? flush_policies(en) : flush_sas(en);
	mutex_unlock(&en->flush_lock);
	if (!err && policies)
		espm_offload_review(en);
	return err;
}

/* A request of one change, which stands in its attributes. @id: of what is added, or NULL */
static int run_one(struct sk_buff *skb, struct genl_info *info, u16 kind, u32 *id)
{
	struct step step = { .kind = kind };
	struct transaction t = { .en = espm_nl_net(info), .info = info, .step = &step, .n = 1 };
	int err = espm_nl_may_configure(skb, info->extack) ?: run(&t);

	if (id)
		*id = step.id;
	return err;
}

/* The same, and @attr of the answer is the number of what was added. */
static int run_add(struct sk_buff *skb, struct genl_info *info, u16 kind, int attr)
{
	struct sk_buff *msg;
	void *hdr;
	u32 id;
	int err;

	/* Nothing may fail once it is there. */
	msg = espm_nl_begin_reply(info, &hdr);
	if (!msg)
		return -ENOMEM;
	err = run_one(skb, info, kind, &id);
	if (!err)
		err = nla_put_u32(msg, attr, id);
	return espm_nl_finish_add(info, msg, hdr, err);
}

static void wipe_key(const struct nlattr *attr)
{
	if (nla_type(attr) == ESPM_A_SA_KEY)
		memzero_explicit(nla_data(attr), nla_len(attr));
}

/* The request, and the refusal that quotes it, outlive us. */
static void wipe_keys(struct genl_info *info)
{
	struct nlattr *attr;
	int rest;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rest)
		wipe_key(attr);
}

/* espctl sa add */
int esp_mod_nl_sa_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = run_add(skb, info, ESPM_A_STEP_SA_ADD, ESPM_A_SA_ID);

	wipe_keys(info);
	return err;
}

/* espctl sa update */
int esp_mod_nl_sa_update_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_one(skb, info, ESPM_A_STEP_SA_UPDATE, NULL);
}

/* espctl sa del */
int esp_mod_nl_sa_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_one(skb, info, ESPM_A_STEP_SA_DEL, NULL);
}

/* espctl sa flush */
int esp_mod_nl_sa_flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_flush(skb, info, false);
}

/* espctl policy add */
int esp_mod_nl_policy_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_add(skb, info, ESPM_A_STEP_POLICY_ADD, ESPM_A_POLICY_ID);
}

/* espctl policy del */
int esp_mod_nl_policy_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_one(skb, info, ESPM_A_STEP_POLICY_DEL, NULL);
}

/* espctl policy flush */
int esp_mod_nl_policy_flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_flush(skb, info, true);
}

/* A step holds just one change. */
static int read_step(struct genl_info *info, const struct nlattr *nest, struct step *step)
{
	const struct nlattr *attr = nla_data(nest);

	if (!nla_ok(attr, nla_len(nest)) || nla_len(nest) != NLA_ALIGN(attr->nla_len))
		return ESPM_REFUSE(info, nest, -EINVAL, "a step is one change, no less and no more");
	step->kind = nla_type(attr);
	step->attr = attr;
	return 0;
}

static void wipe_step(const struct nlattr *nest)
{
	const struct nlattr *attr, *inner;
	int rest, inner_rest;

	nla_for_each_nested(attr, nest, rest)
		if (nla_type(attr) == ESPM_A_STEP_SA_ADD)
			nla_for_each_nested(inner, attr, inner_rest)
				wipe_key(inner);
}

/* espctl -f */
int esp_mod_nl_apply_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct transaction t = { .en = espm_nl_net(info), .info = info };
	struct nlattr *attr;
	u32 n = 0;
	int rest, err;

	err = espm_nl_may_configure(skb, info->extack);
	if (err)
		goto wipe;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rest)
		n++;
	err = espm_nl_need(info, ESPM_A_APPLY_STEP, "a transaction needs a step");
	if (err)
		goto wipe;
	if (n > ESP_MOD_STEPS_MAX) {
		err = ESPM_REFUSE(info, NULL, -E2BIG, "a transaction has a million steps at most");
		goto wipe;
	}
	t.step = kvcalloc(n, sizeof(*t.step), GFP_KERNEL_ACCOUNT);
	if (!t.step) {
		err = ESPM_REFUSE(info, NULL, -ENOMEM, "out of memory");
		goto wipe;
	}
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rest) {
		err = read_step(info, attr, &t.step[t.n++]);
		if (err)
			goto free;
	}
	err = run(&t);
free:
	kvfree(t.step);
wipe:
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rest)
		wipe_step(attr);
	return err;
}
