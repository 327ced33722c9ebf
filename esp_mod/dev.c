// SPDX-License-Identifier: GPL-2.0
/* The esp device of a namespace. See dev.h. */
#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>
#include <net/gro_cells.h>
#include <net/rtnetlink.h>
#include "compat.h"
#include "dev.h"
#include "drop.h"
#include "netns.h"

struct dev_priv {
	struct espm_net *en;
};

static int open(struct net_device *dev)
{
	struct in_device *in = __in_dev_get_rtnl(dev);
	struct inet6_dev *in6 = __in6_dev_get(dev);

	/*
	 * It neither routes nor has neighbours: no redirects, no routers, no link-local address.
	 * Where the settings of all devices say otherwise, espm_flow_is_of_link() holds.
	 */
	if (in) {
		IN_DEV_CONF_SET(in, SEND_REDIRECTS, false);
		IN_DEV_CONF_SET(in, ACCEPT_REDIRECTS, false);
		/* No route leads back here; selectors and policies check the source. */
		IN_DEV_CONF_SET(in, RP_FILTER, 0);
	}
	if (in6) {
		in6->cnf.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
		in6->cnf.accept_ra = 0;
		in6->cnf.accept_redirects = 0;
	}
	return 0;
}

static netdev_tx_t refuse(struct sk_buff *skb, struct net_device *dev)
{
	struct dev_priv *priv = netdev_priv(dev);

	rcu_read_lock();
	espm_drop(priv->en, NULL, NULL, skb, ESPM_OUT_DEVICE);
	rcu_read_unlock();
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static void free_dev(struct net_device *dev)
{
	struct dev_priv *priv = netdev_priv(dev);

	/* Hooks compare the pointer, and read behind it. */
	WARN_ON_ONCE(READ_ONCE(priv->en->dev) == dev);
	/* register_netdevice() may have called this before it failed. */
	free_percpu(dev->tstats);
	dev->tstats = NULL;
}

static const struct net_device_ops dev_ops = {
	.ndo_open		= open,
	.ndo_start_xmit		= refuse,
	.ndo_get_stats64	= dev_get_tstats64,
};

static void setup(struct net_device *dev)
{
	dev->netdev_ops = &dev_ops;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_NOARP;
	dev->mtu = ETH_DATA_LEN;
	dev->min_mtu = ESPM_IPV4_MIN_MTU;
	dev->max_mtu = IP_MAX_MTU;
	dev->tx_queue_len = 0;
	dev->needs_free_netdev = true;
	dev->priv_destructor = free_dev;
	espm_compat_dev_flags(dev);
}

static struct rtnl_link_ops link_ops __read_mostly = {
	.kind = "esp_mod",
};

/**
 * espm_dev_init() - what all esp devices need
 *
 * Context: process, sleeps.
 * Return: 0 or an error.
 */
int espm_dev_init(void)
{
	return rtnl_link_register(&link_ops);
}

/**
 * espm_dev_exit() - undo espm_dev_init(), once every device is gone
 *
 * Context: process, sleeps.
 */
void espm_dev_exit(void)
{
	rtnl_link_unregister(&link_ops);
}

/**
 * espm_dev_create() - make a namespace's device and bring it up
 * @en: the namespace, locked
 * @extack: takes the sentence of a failure
 *
 * Context: process, sleeps, takes the RTNL.
 * Return: 0 or an error.
 */
int espm_dev_create(struct espm_net *en, struct netlink_ext_ack *extack)
{
	struct net_device *dev;
	struct dev_priv *priv;
	int err;

	dev = alloc_netdev(sizeof(*priv), "esp%d", NET_NAME_ENUM, setup);
	if (!dev)
		return -ENOMEM;
	priv = netdev_priv(dev);
	priv->en = en;
	dev_net_set(dev, en->net);
	dev->rtnl_link_ops = &link_ops;
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	if (!dev->tstats) {
		free_netdev(dev);
		return -ENOMEM;
	}
	err = gro_cells_init(&en->cells, dev);
	if (err) {
		free_percpu(dev->tstats);
		free_netdev(dev);
		return err;
	}

	rtnl_lock();
	err = register_netdevice(dev);
	if (err) {
		rtnl_unlock();
		gro_cells_destroy(&en->cells);
		free_dev(dev);
		free_netdev(dev);
		return err;
	}
	err = dev_open(dev, extack);
	if (err) {
		gro_cells_destroy(&en->cells);
		unregister_netdevice(dev);
		rtnl_unlock();
		return err;
	}
	rtnl_unlock();
	WRITE_ONCE(en->dev, dev);
	return 0;
}

/* Before the device itself, whose list of NAPI instances the cells are on. */
static void begin_end(struct espm_net *en, struct list_head *dying)
{
	if (!en->dev)
		return;
	gro_cells_destroy(&en->cells);
	unregister_netdevice_queue(en->dev, dying);
}

/**
 * espm_dev_destroy() - remove a namespace's device
 * @en: the namespace, with no packet on its way to the device
 *
 * What it has received lies in the backlogs of CPUs until it is unregistered, and is
 * known by it until then. So the hooks, which may live on, lose sight of it in between:
 * when nothing comes from it any more, and before rtnl_unlock() frees it.
 *
 * Context: process, sleeps, takes the RTNL.
 */
void espm_dev_destroy(struct espm_net *en)
{
	LIST_HEAD(dying);

	if (!en->dev)
		return;
	rtnl_lock();
	begin_end(en, &dying);
	unregister_netdevice_many(&dying);
	WRITE_ONCE(en->dev, NULL);
	synchronize_net();
	rtnl_unlock();
}

/**
 * espm_dev_destroy_all() - remove the devices of namespaces that end together
 * @nets: the namespaces, in a list of their exit_list, each as for espm_dev_destroy()
 *
 * The same, with its grace periods shared.
 *
 * Context: process, sleeps, takes the RTNL.
 */
void espm_dev_destroy_all(struct list_head *nets)
{
	struct net *net;
	LIST_HEAD(dying);

	rtnl_lock();
	list_for_each_entry(net, nets, exit_list)
		begin_end(espm_net_of(net), &dying);
	if (!list_empty(&dying)) {
		unregister_netdevice_many(&dying);
		list_for_each_entry(net, nets, exit_list)
			WRITE_ONCE(espm_net_of(net)->dev, NULL);
		synchronize_net();
	}
	rtnl_unlock();
}
