/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family of netlink_uapi/esp_mod.yaml. */
#ifndef _ESPM_NETLINK_H
#define _ESPM_NETLINK_H

#include <linux/netlink.h>
#include <linux/types.h>
#include "sa.h"
#include "selector.h"
#include "stats.h"

struct espm_limits;
struct espm_link;
struct espm_net;
struct espm_policy;
struct genl_family;
struct genl_info;
struct net;
struct sk_buff;

extern struct genl_family espm_family;

/* Refuse a request because of an attribute, or of none, in one sentence; gives the error. */
#define ESPM_REFUSE(info, attr, err, sentence) ({					\
	if (attr)								\
		NL_SET_BAD_ATTR((info)->extack, attr);				\
	NL_SET_ERR_MSG((info)->extack, sentence);				\
	err;									\
})

/**
 * struct espm_nl_idle - what a request says of an SA that has nothing to send
 * @given: whether it says anything
 * @kind: what is sent then
 * @limit: after how many seconds
 */
struct espm_nl_idle {
	bool given;
	enum espm_idle kind;
	u16 limit;
};

/**
 * struct espm_nl_change - what is prepared to change an SA; to make it cannot fail
 * @path: its way, staged, or NULL: as it is
 * @link: of another reqid, a reference, or NULL: as it is
 * @limited: whether it gets other limits
 * @limits: which, owned, or NULL for none
 * @idle: what it sends when it has nothing to send
 * @pin: whether it is preferred
 * @roamed: whether its peer is elsewhere than it was told
 */
struct espm_nl_change {
	struct espm_path *path;
	struct espm_link *link;
	bool limited;
	struct espm_limits *limits;
	struct espm_nl_idle idle;
	bool pin;
	bool roamed;
};

int espm_nl_need(struct genl_info *info, int attr, const char *sentence);
int espm_nl_may_configure(const struct sk_buff *skb, struct netlink_ext_ack *extack);
struct espm_net *espm_nl_net(const struct genl_info *info);
int espm_nl_read_addr(struct genl_info *info, const struct nlattr *attr, union espm_addr *addr,
		      u16 *addr_family);
int espm_nl_read_selector(struct genl_info *info, struct nlattr *nest, u8 sel_family,
			  struct espm_selector *sel);
int espm_nl_addr_fill(struct sk_buff *msg, int attr, const union espm_addr *addr, u8 addr_family);
int espm_nl_selector_fill(struct sk_buff *msg, int attr, const struct espm_selector *sel,
			  bool alone);
int espm_nl_counter_fill(struct sk_buff *msg, int attr, enum espm_counter id, u64 value);
struct sk_buff *espm_nl_begin_reply(struct genl_info *info, void **hdr);
int espm_nl_finish_reply(struct genl_info *info, struct sk_buff *msg, void *hdr, int err);
int espm_nl_finish_add(struct genl_info *info, struct sk_buff *msg, void *hdr, int err);
int espm_nl_begin_dump(struct netlink_callback *cb, u32 changes);
int espm_nl_sa_read(struct genl_info *info, struct espm_net *en, struct espm_sa **result);
struct espm_sa *espm_nl_sa_find(struct genl_info *info, struct espm_net *en);
int espm_nl_sa_change_read(struct genl_info *info, struct espm_net *en, struct espm_sa *sa,
			   struct espm_nl_change *change);
int espm_nl_sa_change_into(struct genl_info *info, struct espm_net *en, struct espm_sa *sa,
			   const struct espm_sa *wanted, struct espm_nl_change *change);
void espm_nl_sa_change_undo(struct espm_net *en, struct espm_sa *sa,
			    struct espm_nl_change *change);
void espm_nl_sa_change_make(struct espm_net *en, struct espm_sa *sa,
			    struct espm_nl_change *change);
int espm_nl_policy_read(struct genl_info *info, struct espm_policy *policy);
struct espm_policy *espm_nl_policy_find(struct genl_info *info, struct espm_net *en);
int espm_netlink_init(void);
void espm_netlink_exit(void);
bool espm_netlink_may_show(const struct net *net);
int espm_sa_fill(struct sk_buff *msg, struct espm_sa *sa);
int espm_policy_fill(struct sk_buff *msg, const struct espm_policy *policy);

#endif /* _ESPM_NETLINK_H */
