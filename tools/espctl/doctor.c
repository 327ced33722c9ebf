// SPDX-License-Identifier: GPL-2.0
/* espctl doctor: what in this namespace keeps ESP from working, and what to do. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <linux/xfrm.h>
#include <json-c/json.h>
#include <esp_mod.h>
#include "around.h"
#include "command.h"
#include "nl.h"
#include "out.h"
#include "say.h"

#define WHAT	"doctor"
/* No clock that is right shows less: the year in which this was written. */
#define YEAR_2026	1767225600

struct findings {
	struct args *args;
	struct json_list list;
	struct nl_reply sas;
	struct nl_reply policies;
	unsigned int bad;
};

/* One finding: what was looked at, whether it is well, what it is, what to do. */
static void __printf(5, 6) find(struct findings *findings, const char *check, bool good,
				const char *advice, const char *fmt, ...)
{
	enum colour colour = good ? PLAIN : BAD;
	struct json_object *o;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	findings->bad += !good;
	if (findings->args->json) {
		o = json_object_new_object();
		json_add_string(o, "check", check);
		json_object_object_add(o, "good", json_object_new_boolean(good));
		json_add_string(o, "finding", text);
		if (!good)
			json_add_string(o, "advice", advice);
		json_list_add(&findings->list, o);
		return;
	}
	printf("%s%s%s  %-12s  %s\n", colour_on(colour), good ? "ok  " : "BAD ",
	       colour_off(colour), check, text);
	if (!good)
		printf("      %-12s  -> %s\n", "", advice);
}

/* A number in a file of /proc, or less than 0. */
static int number_of(const char *path)
{
	FILE *file = fopen(path, "re");
	int number = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

static bool file_has(const char *path, const char *word)
{
	char line[512];
	bool found = false;
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, word);
	fclose(file);
	return found;
}

static bool has_tunnels(const struct findings *findings)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	const struct nlmsghdr *nlh;

	for (nlh = nl_next(&findings->sas, NULL); nlh; nlh = nl_next(&findings->sas, nlh)) {
		nl_attrs(nlh, attr, ESPM_A_SA_MAX);
		if (nl_number(attr[ESPM_A_SA_MODE]) == ESPM_MODE_TUNNEL)
			return true;
	}
	return false;
}

static void check_sysctls(struct findings *findings)
{
	int filter = number_of("/proc/sys/net/ipv4/conf/all/rp_filter");
	bool tunnels = has_tunnels(findings);

	find(findings, "rp_filter", filter <= 0 || !tunnels,
	     "sysctl -w net.ipv4.conf.all.rp_filter=0, and set it for each device that needs it",
	     "net.ipv4.conf.all.rp_filter is %d%s", filter,
	     filter > 0 ? ": it drops what comes out of tunnels" : "");
	if (tunnels) {
		find(findings, "forwarding",
		     number_of("/proc/sys/net/ipv4/ip_forward") == 1,
		     "on a gateway: sysctl -w net.ipv4.ip_forward=1; a host needs none",
		     "net.ipv4.ip_forward is %d", number_of("/proc/sys/net/ipv4/ip_forward"));
		find(findings, "ipv6",
		     number_of("/proc/sys/net/ipv6/conf/esp0/disable_ipv6") <= 0,
		     "where IPv6 travels in tunnels: sysctl -w net.ipv6.conf.esp0.disable_ipv6=0",
		     "net.ipv6.conf.esp0.disable_ipv6 is %d",
		     number_of("/proc/sys/net/ipv6/conf/esp0/disable_ipv6"));
	}
}

/* A driver in plain C where the processor can do better. */
static void check_crypto(struct findings *findings)
{
	bool aes = file_has("/proc/cpuinfo", " aes ") || file_has("/proc/cpuinfo", " aes\n");
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	const struct nlmsghdr *nlh;
	unsigned int slow = 0, all = 0;
	const char *driver = "";

	for (nlh = nl_next(&findings->sas, NULL); nlh; nlh = nl_next(&findings->sas, nlh)) {
		nl_attrs(nlh, attr, ESPM_A_SA_MAX);
		if (!attr[ESPM_A_SA_DRIVER])
			continue;
		all++;
		if (strstr(nl_string(attr[ESPM_A_SA_DRIVER]), "generic") ||
		    strstr(nl_string(attr[ESPM_A_SA_DRIVER]), "-fixed-time")) {
			slow++;
			driver = nl_string(attr[ESPM_A_SA_DRIVER]);
		}
	}
	if (slow)
		find(findings, "crypto", false, aes ?
		     "load drivers of the processor, as by 'modprobe aesni_intel'; add SAs anew" :
		     "this processor does not say that it has AES: chacha20poly1305 is faster there",
		     "%u of %u SAs have a driver in plain C, such as %s", slow, all, driver);
	else
		find(findings, "crypto", true, NULL, "%u SAs, none with a driver in plain C", all);
}

static void check_sas(struct findings *findings)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	const struct nlmsghdr *nlh;
	__u32 spi, mtu;

	for (nlh = nl_next(&findings->sas, NULL); nlh; nlh = nl_next(&findings->sas, nlh)) {
		nl_attrs(nlh, attr, ESPM_A_SA_MAX);
		spi = nl_number(attr[ESPM_A_SA_SPI]);
		mtu = nl_number(attr[ESPM_A_SA_MTU]);
		if (nl_number(attr[ESPM_A_SA_STATE]) == ESPM_SA_EXPIRED)
			find(findings, "expired", false, "replace it: espctl sa add, then sa del",
			     "the SA of SPI 0x%08x has expired", spi);
		if (nl_number(attr[ESPM_A_SA_DIRECTION]) != ESPM_DIR_OUT)
			continue;
		if (!attr[ESPM_A_SA_MTU])
			find(findings, "route", false, "ip route get DST; add a route to it",
			     "there is no route to the peer of SPI 0x%08x", spi);
		else
			find(findings, "mtu", mtu >= 1280,
			     "look for a narrow link on the way: 1280 bytes are the least that IPv6 takes for granted",
			     "SPI 0x%08x carries %u bytes whole", spi, mtu);
	}
}

/* Is there an SA that this policy can use? */
static bool is_served(const struct findings *findings, __u32 reqid, __u32 dir)
{
	const struct nlattr *attr[ESPM_A_SA_MAX + 1];
	const struct nlmsghdr *nlh;
	__u32 state;

	for (nlh = nl_next(&findings->sas, NULL); nlh; nlh = nl_next(&findings->sas, nlh)) {
		nl_attrs(nlh, attr, ESPM_A_SA_MAX);
		state = nl_number(attr[ESPM_A_SA_STATE]);
		if (nl_number(attr[ESPM_A_SA_REQID]) == reqid &&
		    nl_number(attr[ESPM_A_SA_DIRECTION]) == dir &&
		    (state == ESPM_SA_VALID || state == ESPM_SA_DYING))
			return true;
	}
	return false;
}

static void check_policies(struct findings *findings)
{
	const struct nlattr *attr[ESPM_A_POLICY_MAX + 1];
	const struct nlmsghdr *nlh;
	__u32 dir, reqid;
	bool served;

	for (nlh = nl_next(&findings->policies, NULL); nlh;
	     nlh = nl_next(&findings->policies, nlh)) {
		nl_attrs(nlh, attr, ESPM_A_POLICY_MAX);
		if (nl_number(attr[ESPM_A_POLICY_ACTION]) != ESPM_ACTION_PROTECT)
			continue;
		dir = nl_number(attr[ESPM_A_POLICY_DIRECTION]);
		reqid = nl_number(attr[ESPM_A_POLICY_REQID]);
		served = is_served(findings, reqid, dir);
		find(findings, "policy", served,
		     dir == ESPM_DIR_OUT ? "add an outbound SA: till then its packets are dropped" :
					   "add an inbound SA: till then nothing can come in by it",
		     "policy %u wants ESP, and there is %s SA of reqid %u",
		     (__u32)nl_number(attr[ESPM_A_POLICY_ID]), served ? "an" : "no usable", reqid);
	}
}

static void check_xfrm(struct findings *findings)
{
	int policies = around_xfrm(XFRM_MSG_GETPOLICY), states = around_xfrm(XFRM_MSG_GETSA);

	if (policies < 0)
		find(findings, "xfrm", true, NULL, "the kernel has no IPsec of its own");
	else
		find(findings, "xfrm", !policies && !states,
		     "both may run, for different traffic: 'ip xfrm policy' shows what the other takes",
		     "the kernel's own IPsec has %d policies and %d SAs here", policies, states);
}

/* Where policy is not asked: see esp_mod(4). A program may do anything, which is no fault yet. */
static void check_around(struct findings *findings)
{
	int routes = around_routes(), programs = around_programs();

	if (!nl_next(&findings->policies, NULL))
		return;
	if (routes)
		find(findings, "around", false,
		     "use a device for the tunnel (ip link add ... type gre): policy is asked there",
		     "%d routes or nexthops wrap packets by themselves (encap), past policy",
		     routes);
	else
		find(findings, "around", true, NULL,
		     "no route wraps packets by itself (encap), past policy");
	if (programs)
		find(findings, "around", true, NULL,
		     "%d devices have an XDP program, which sees packets before policy does",
		     programs);
}

/* Large receive offload has merged packets that are then sealed as one. */
static void check_offloads(struct findings *findings)
{
	struct if_nameindex *names = if_nameindex(), *name;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_value value;
	unsigned int bad = 0;
	struct ifreq ifr;

	for (name = names; name && name->if_index; name++) {
		memset(&ifr, 0, sizeof(ifr));
		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name->if_name);
		value.cmd = ETHTOOL_GFLAGS;
		value.data = 0;
		ifr.ifr_data = (void *)&value;
		if (ioctl(fd, SIOCETHTOOL, &ifr) || !(value.data & ETH_FLAG_LRO))
			continue;
		bad++;
		find(findings, "offloads", false, "ethtool -K DEVICE lro off (gro may stay)",
		     "%s merges packets for good (large-receive-offload)", name->if_name);
	}
	if (names && !bad)
		find(findings, "offloads", true, NULL, "no device merges packets for good");
	if_freenameindex(names);
	if (fd >= 0)
		close(fd);
}

static void check_clock(struct findings *findings)
{
	time_t now = time(NULL);
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime(&now));
	find(findings, "clock", now > YEAR_2026,
	     "set it: lifetimes do not need it, but logs and the certificates of key daemons do",
	     "the clock shows %s", text);
}

int doctor(struct args *args)
{
	struct findings findings = { .args = args };
	struct nl_request req;
	int err;

	nl_begin(&req, ESPM_CMD_SA_GET, WHAT);
	err = nl_dump(&req, &findings.sas);
	if (!err) {
		nl_begin(&req, ESPM_CMD_POLICY_GET, WHAT);
		err = nl_dump(&req, &findings.policies);
	}
	if (!err) {
		if (args->json)
			json_list_begin(&findings.list);
		check_sysctls(&findings);
		check_crypto(&findings);
		check_sas(&findings);
		check_policies(&findings);
		check_xfrm(&findings);
		check_around(&findings);
		check_offloads(&findings);
		check_clock(&findings);
		err = args->json ? json_list_end(&findings.list) : out_done();
	}
	nl_free(&findings.sas);
	nl_free(&findings.policies);
	return err ?: findings.bad ? STATUS_REFUSED : STATUS_DONE;
}
