// SPDX-License-Identifier: GPL-2.0
/* Objects of other subsystems, counted by their own netlink dumps. See around.h. */
#include <stdbool.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include "around.h"

/* LWTUNNEL_ENCAP_XFRM, of headers since 6.2 */
enum { ENCAP_XFRM = 10 };

/* How many messages of a dump count; less than 0 without that subsystem. */
static int count(int bus, __u16 type, size_t header, bool (*counts)(const struct nlmsghdr *nlh))
{
	struct mnl_socket *socket = mnl_socket_open(bus);
	char buf[32768];
	struct nlmsghdr *nlh;
	bool done = false;
	int found = 0;
	int len;

	if (!socket)
		return -1;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (header)
		mnl_nlmsg_put_extra_header(nlh, header);
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
		done = true;
	while (!done && (len = mnl_socket_recvfrom(socket, buf, sizeof(buf))) > 0) {
		for (nlh = (void *)buf; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR)
				done = true;
			else
				found += counts(nlh);
		}
	}
	mnl_socket_close(socket);
	return found;
}

static bool is_any(const struct nlmsghdr *nlh)
{
	(void)nlh;
	return true;
}

/* By which the kernel wraps a packet in place of sending it; others only tell a device how to. */
static bool wraps(const struct nlattr *type)
{
	switch (mnl_attr_get_u16(type)) {
	case LWTUNNEL_ENCAP_NONE:
	case LWTUNNEL_ENCAP_IP:
	case LWTUNNEL_ENCAP_IP6:
	case ENCAP_XFRM:
		return false;
	default:
		return true;
	}
}

static bool has_encap(const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);
	const struct nlattr *attr;

	for (; RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		mnl_attr_for_each_payload((void *)RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop))
			if (mnl_attr_get_type(attr) == RTA_ENCAP_TYPE && wraps(attr))
				return true;
	return false;
}

static bool is_wrapping_route(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct rtmsg))
		if ((mnl_attr_get_type(attr) == RTA_ENCAP_TYPE && wraps(attr)) ||
		    (mnl_attr_get_type(attr) == RTA_MULTIPATH && has_encap(attr)))
			return true;
	return false;
}

static bool is_wrapping_nexthop(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nhmsg))
		if (mnl_attr_get_type(attr) == NHA_ENCAP_TYPE && wraps(attr))
			return true;
	return false;
}

/* Routes that put packets into others, or take them out, without a device. */
int around_routes(void)
{
	int routes = count(NETLINK_ROUTE, RTM_GETROUTE, sizeof(struct rtmsg), is_wrapping_route);
	int hops = count(NETLINK_ROUTE, RTM_GETNEXTHOP, sizeof(struct nhmsg), is_wrapping_nexthop);

	return (routes > 0 ? routes : 0) + (hops > 0 ? hops : 0);
}

static bool has_program(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *inner;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		if ((mnl_attr_get_type(attr) & NLA_TYPE_MASK) != IFLA_XDP)
			continue;
		mnl_attr_for_each_nested(inner, attr)
			if (mnl_attr_get_type(inner) == IFLA_XDP_ATTACHED &&
			    mnl_attr_get_u8(inner) != XDP_ATTACHED_NONE)
				return true;
	}
	return false;
}

/* Devices with an XDP program. */
int around_programs(void)
{
	int found = count(NETLINK_ROUTE, RTM_GETLINK, sizeof(struct ifinfomsg), has_program);

	return found > 0 ? found : 0;
}

/* Policies or SAs of the kernel's own IPsec; less than 0 without it. */
int around_xfrm(unsigned short type)
{
	return count(NETLINK_XFRM, type, 0, is_any);
}
