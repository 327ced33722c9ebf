// SPDX-License-Identifier: GPL-2.0
/* A peer whose address changes. See roam.h. */
#include <linux/udp.h>
#include "crypto.h"
#include "event.h"
#include "netns.h"
#include "roam.h"
#include "sa.h"

static bool is_at(const struct espm_path *path, const struct espm_peer *peer)
{
	/* An update gave the SA another family: where it was before is no news. */
	if (path->name.family != peer->family)
		return true;
	return path->encap_sport == peer->port &&
	       !espm_addr_cmp(&path->src, &peer->addr, path->name.family);
}

/**
 * espm_roam_look() - has the peer moved?
 * @op: the newest packet of an inbound SA, authenticated, its headers still in place
 *
 * Context: softirqs off, under rcu_read_lock().
 */
void espm_roam_look(const struct espm_op *op)
{
	const struct espm_path *path = espm_sa_path_rcu(op->sa);
	const u8 *packet = op->skb->data;
	struct espm_sa *sa = op->sa;
	struct espm_peer peer = {};

	if (((const struct iphdr *)packet)->version == 4) {
		peer.family = AF_INET;
		peer.addr.v4 = ((const struct iphdr *)packet)->saddr;
	} else {
		peer.family = AF_INET6;
		peer.addr.v6 = ((const struct ipv6hdr *)packet)->saddr;
	}
	if (op->encap)
		peer.port = ((const struct udphdr *)(packet + op->esp - op->encap))->source;
	if (is_at(path, &peer))
		return;
	spin_lock(&sa->rx_lock);
	sa->seen = peer;
	spin_unlock(&sa->rx_lock);
	espm_event_raise(sa, ESPM_EVENT_MOVED);
}

/* Where the peer was seen last; false if that is where it is known to be. */
static bool has_moved(struct espm_sa *sa, struct espm_peer *peer)
{
	spin_lock_bh(&sa->rx_lock);
	*peer = sa->seen;
	spin_unlock_bh(&sa->rx_lock);
	return !is_at(espm_sa_own_path(sa), peer);
}

static bool sends_to(const struct espm_sa *sa, const struct espm_path *peer)
{
	const struct espm_path *path = espm_sa_own_path(sa);

	return path->name.family == peer->name.family && path->encap_dport == peer->encap_sport &&
	       !espm_addr_cmp(&path->name.dst, &peer->src, peer->name.family);
}

/* Uses up @path. */
static int move(struct espm_net *en, struct espm_sa *sa, struct espm_path *path)
{
	int err = espm_sad_stage_move(en, sa, path, NULL);

	if (err) {
		espm_path_free(path);
		return err;
	}
	espm_sad_move(en, sa, path);
	sa->roamed = true;
	return 0;
}

static int move_inbound(struct espm_net *en, struct espm_sa *sa, const struct espm_peer *peer)
{
	struct espm_path *path = espm_path_clone(espm_sa_own_path(sa));

	if (!path)
		return -ENOMEM;
	path->src = peer->addr;
	path->any_src = false;
	path->encap_sport = peer->port;
	return move(en, sa, path);
}

static int move_outbound(struct espm_net *en, struct espm_sa *sa, const struct espm_peer *peer)
{
	struct espm_path *path = espm_path_clone(espm_sa_own_path(sa));

	if (!path)
		return -ENOMEM;
	path->name.dst = peer->addr;
	path->encap_dport = peer->port;
	return move(en, sa, path);
}

/**
 * espm_roam_follow() - send to where the peer is now
 * @en: the namespace, locked
 * @sa: an inbound SA, whose peer was seen elsewhere
 * @tell: told of each SA that has moved
 *
 * Without memory nothing moves, and the peer's next packet asks again.
 *
 * Context: process, sleeps.
 */
void espm_roam_follow(struct espm_net *en, struct espm_sa *sa,
		      void (*tell)(struct espm_net *en, struct espm_sa *sa))
{
	struct espm_path *was;
	struct espm_peer peer;
	struct espm_sa *out;

	lockdep_assert_held(&en->lock);
	if (!has_moved(sa, &peer))
		return;
	was = espm_path_clone(espm_sa_own_path(sa));
	if (!was)
		return;
	/* Last of all the SA itself: as long as it stays, this is tried again. */
	hlist_for_each_entry(out, &sa->link->outbound, in_link)
		if (!espm_sad_is_gone(out) && sends_to(out, was) && !move_outbound(en, out, &peer))
			tell(en, out);
	if (!move_inbound(en, sa, &peer))
		tell(en, sa);
	espm_path_free(was);
}
