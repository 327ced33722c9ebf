// SPDX-License-Identifier: GPL-2.0
/* The module, and how a namespace begins, wakes and ends. */
#include <linux/module.h>
#include <linux/netlink.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include "crypto.h"
#include "dev.h"
#include "event.h"
#include "hold.h"
#include "hooks.h"
#include "main.h"
#include "netlink.h"
#include "netns.h"
#include "notify.h"
#include "offload.h"
#include "spread.h"

enum { REST = 5 * HZ };	/* that a namespace is empty before it sleeps */

static unsigned int net_id;

/**
 * espm_net_of() - what the module holds for a namespace
 * @net: the namespace
 *
 * Context: any, while the namespace is there.
 * Return: its state; never NULL.
 */
struct espm_net *espm_net_of(const struct net *net)
{
	return net_generic(net, net_id);
}

/**
 * espm_net_wake() - make a namespace ready for its first SA or policy
 * @en: the namespace, locked
 * @extack: takes the sentence of a failure
 *
 * Does nothing if it is awake already.
 *
 * Context: process, sleeps, takes the RTNL.
 * Return: 0 or an error; then it still sleeps.
 */
int espm_net_wake(struct espm_net *en, struct netlink_ext_ack *extack)
{
	int err;

	lockdep_assert_held(&en->lock);
	if (en->awake)
		return 0;
	err = espm_dev_create(en, extack);
	if (err) {
		NL_SET_ERR_MSG(extack, "cannot create the esp device");
		return err;
	}
	err = espm_hooks_register(en);
	if (err) {
		NL_SET_ERR_MSG(extack, "cannot register with netfilter");
		espm_dev_destroy(en);
		return err;
	}
	en->awake = true;
	return 0;
}

static bool is_empty(struct espm_net *en)
{
	return xa_empty(&en->sad.by_id) && list_empty(&en->spd.in_order);
}

/**
 * espm_net_rest() - let a namespace sleep again, if nothing is left in it
 * @en: the namespace, locked
 *
 * Some seconds later, for who flushes mostly adds.
 *
 * Context: process.
 */
void espm_net_rest(struct espm_net *en)
{
	lockdep_assert_held(&en->lock);
	if (en->awake && !en->ends && is_empty(en))
		mod_delayed_work(system_unbound_wq, &en->rest, REST);
}

/*
 * No policy asks for anything, so that hooks need not stay until the device is gone, as
 * they do where the namespace ends. Without SAs, and without operations in flight, which
 * hold theirs, nobody gives the device a packet. Whoever adds something waits, and then
 * finds a namespace that sleeps.
 */
static void fall_asleep(struct work_struct *work)
{
	struct espm_net *en = container_of(to_delayed_work(work), struct espm_net, rest);

	mutex_lock(&en->lock);
	if (!en->awake || en->ends || !is_empty(en))
		goto unlock;
	/* SAs that are not freed, or that somebody is about to add. */
	if (atomic_read(&en->sas)) {
		espm_net_rest(en);
		goto unlock;
	}
	espm_hooks_leave(en);
	espm_dev_destroy(en);
	en->awake = false;
unlock:
	mutex_unlock(&en->lock);
}

static int __net_init begin_net(struct net *net)
{
	struct espm_net *en = espm_net_of(net);
	int err;

	en->net = net;
	mutex_init(&en->flush_lock);
	mutex_init(&en->lock);
	INIT_DELAYED_WORK(&en->rest, fall_asleep);
	espm_quota_init(&en->quota, net->user_ns == &init_user_ns);
	init_waitqueue_head(&en->sas_gone);
	espm_notify_begin(en);
	en->stats = alloc_percpu(struct espm_stats);
	if (!en->stats)
		return -ENOMEM;
	err = espm_sad_init(en);
	if (err)
		goto err_stats;
	err = espm_spd_init(en);
	if (err)
		goto err_sad;
	return 0;

err_sad:
	espm_sad_exit(en);
err_stats:
	free_percpu(en->stats);
	return err;
}

/*
 * Namespaces end together, for grace periods, which cost the most, are shared;
 * in two steps. In the first one the SAs go, while addresses, routes and other
 * devices are still there. An operation in flight holds its SA: when the last
 * SA is freed none is left, and nobody can hand NFQUEUE a packet of ours.
 */
static void __net_exit end_sas(struct list_head *nets)
{
	struct espm_net *en;
	struct net *net;

	list_for_each_entry(net, nets, exit_list) {
		en = espm_net_of(net);
		mutex_lock(&en->lock);
		en->ends = true;
		espm_sad_flush(en);
		mutex_unlock(&en->lock);
		cancel_delayed_work_sync(&en->rest);
	}
	list_for_each_entry(net, nets, exit_list) {
		espm_hold_exit(espm_net_of(net));
		espm_sa_await(espm_net_of(net));
	}
	espm_dev_destroy_all(nets);
}

/*
 * In the second one, when no device is left in a namespace that dies, hooks and
 * policies go: until then nothing leaves in clear that must not.
 */
static void __net_exit end_nets(struct list_head *nets)
{
	struct espm_net *en;
	struct net *net;

	espm_hooks_unregister(nets);
	list_for_each_entry(net, nets, exit_list) {
		en = espm_net_of(net);
		mutex_lock(&en->lock);
		espm_spd_flush(en);
		mutex_unlock(&en->lock);
		espm_event_exit(en);
	}
	rcu_barrier();
	list_for_each_entry(net, nets, exit_list) {
		en = espm_net_of(net);
		espm_spd_exit(en);
		espm_sad_exit(en);
		free_percpu(en->stats);
	}
}

static struct pernet_operations net_ops = {
	.init		= begin_net,
	.exit_batch	= end_nets,
	.id		= &net_id,
	.size		= sizeof(struct espm_net),
};

static struct pernet_operations sas_ops = {
	.exit_batch	= end_sas,
};

static int __init espm_init(void)
{
	int err;

	err = espm_sa_init();
	if (err)
		return err;
	err = espm_spread_init();
	if (err)
		goto err_sa;
	err = espm_offload_init();
	if (err)
		goto err_spread;
	err = espm_dev_init();
	if (err)
		goto err_offload;
	/* Devices end before subsystems. */
	err = register_pernet_subsys(&net_ops);
	if (err)
		goto err_dev;
	err = register_pernet_device(&sas_ops);
	if (err)
		goto err_net;
	err = espm_netlink_init();
	if (err)
		goto err_sas;
	return 0;

err_sas:
	unregister_pernet_device(&sas_ops);
err_net:
	unregister_pernet_subsys(&net_ops);
err_dev:
	espm_dev_exit();
err_offload:
	espm_offload_exit();
err_spread:
	espm_spread_exit();
err_sa:
	espm_sa_exit();
	return err;
}

static void __exit espm_exit(void)
{
	espm_netlink_exit();
	unregister_pernet_device(&sas_ops);
	unregister_pernet_subsys(&net_ops);
	espm_dev_exit();
	espm_offload_exit();
	espm_spread_exit();
	espm_sa_exit();
	espm_crypto_exit();
	rcu_barrier();
}

module_init(espm_init);
module_exit(espm_exit);

MODULE_DESCRIPTION("IPsec ESP with its own SA and policy databases");
MODULE_LICENSE("GPL");
MODULE_VERSION(ESPM_VERSION);
MODULE_ALIAS_GENL_FAMILY(ESPM_GENL_NAME);
