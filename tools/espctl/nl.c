// SPDX-License-Identifier: GPL-2.0
/* Generic netlink with libmnl. See nl.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <esp_mod.h>
#include "key.h"
#include "nl.h"
#include "out.h"
#include "say.h"

enum {
	/* A large buffer lets the kernel answer a dump in large pieces. */
	RECEIVE_SIZE = 65536,
	/* Room for some thousand events that nobody has read yet. */
	EVENTS_SIZE = 4 << 20,
	DUMP_TRIES = 5,
};

void nl_begin(struct nl_request *req, __u8 cmd, const char *what)
{
	struct genlmsghdr *genl;

	memset(req, 0, sizeof(*req));
	req->what = what;
	req->nlh = mnl_nlmsg_put_header(req->buf);
	genl = mnl_nlmsg_put_extra_header(req->nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = ESPM_GENL_VERSION;
}

static void note_origin(struct nl_request *req, const struct said *said)
{
	struct nl_origin *origin;

	if (!said || req->origins == NL_WORDS_MAX)
		return;
	origin = &req->origin[req->origins++];
	origin->offset = req->nlh->nlmsg_len;
	origin->said = said;
}

/* Room is never short for what the parser lets through, but for names. */
void nl_put(struct nl_request *req, __u16 type, const void *data, size_t len,
	    const struct said *said)
{
	note_origin(req, said);
	if (!mnl_attr_put_check(req->nlh, sizeof(req->buf), type, len, data))
		exit(misuse("%s: %s is too long", req->what, said ? said->name : "a value"));
}

void nl_put_u8(struct nl_request *req, __u16 type, __u8 number, const struct said *said)
{
	nl_put(req, type, &number, sizeof(number), said);
}

void nl_put_u16(struct nl_request *req, __u16 type, __u16 number, const struct said *said)
{
	nl_put(req, type, &number, sizeof(number), said);
}

void nl_put_u64(struct nl_request *req, __u16 type, __u64 number, const struct said *said)
{
	nl_put(req, type, &number, sizeof(number), said);
}

void nl_put_u32(struct nl_request *req, __u16 type, __u32 number, const struct said *said)
{
	nl_put(req, type, &number, sizeof(number), said);
}

/* The value of a word, as a u32; nothing if the word was left out. */
void nl_put_number(struct nl_request *req, __u16 type, const struct value *value)
{
	if (value->given)
		nl_put_u32(req, type, value->number, &value->said);
}

/* The same, as a u8. */
void nl_put_small(struct nl_request *req, __u16 type, const struct value *value)
{
	if (value->given)
		nl_put_u8(req, type, value->number, &value->said);
}

void nl_put_addr(struct nl_request *req, __u16 type, const struct value *value)
{
	if (value->given)
		nl_put(req, type, value->addr.bytes, value->addr.len, &value->said);
}

struct nlattr *nl_nest(struct nl_request *req, __u16 type, const struct said *said)
{
	note_origin(req, said);
	return mnl_attr_nest_start(req->nlh, type);
}

void nl_nest_end(struct nl_request *req, struct nlattr *nest)
{
	mnl_attr_nest_end(req->nlh, nest);
}

/* Attributes by their type; those that are newer than espctl are passed over. */
static void index_attr(const struct nlattr *attr, const struct nlattr **into, unsigned int max)
{
	unsigned int type = mnl_attr_get_type(attr);

	if (type <= max)
		into[type] = attr;
}

void nl_attrs(const struct nlmsghdr *nlh, const struct nlattr **into, unsigned int max)
{
	const struct nlattr *attr;

	memset(into, 0, (max + 1) * sizeof(*into));
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		index_attr(attr, into, max);
}

void nl_nested(const struct nlattr *nest, const struct nlattr **into, unsigned int max)
{
	const struct nlattr *attr;

	memset(into, 0, (max + 1) * sizeof(*into));
	mnl_attr_for_each_nested(attr, nest)
		index_attr(attr, into, max);
}

/* A number of whatever width it came in; 0 where it is absent. */
__u64 nl_number(const struct nlattr *attr)
{
	if (!attr)
		return 0;
	switch (mnl_attr_get_payload_len(attr)) {
	case 1:
		return mnl_attr_get_u8(attr);
	case 2:
		return mnl_attr_get_u16(attr);
	case 4:
		return mnl_attr_get_u32(attr);
	case 8:
		return mnl_attr_get_u64(attr);
	default:
		return 0;
	}
}

const char *nl_string(const struct nlattr *attr)
{
	if (!attr || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return "";
	return mnl_attr_get_str(attr);
}

void nl_addr(struct addr *addr, const struct nlattr *attr)
{
	addr->len = 0;
	if (attr)
		addr_set(addr, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

static const struct said *said_at(const struct nl_request *req, __u32 offset)
{
	unsigned int i;

	for (i = 0; i < req->origins; i++)
		if (req->origin[i].offset == offset)
			return req->origin[i].said;
	return NULL;
}

/* What the kernel would have taken, where its policy for the value says so. */
static void bounds_text(const struct nlattr *policy, char *text, size_t size)
{
	const struct nlattr *attr[NL_POLICY_TYPE_ATTR_MAX + 1];

	text[0] = '\0';
	if (!policy)
		return;
	nl_nested(policy, attr, NL_POLICY_TYPE_ATTR_MAX);
	if (attr[NL_POLICY_TYPE_ATTR_MIN_VALUE_U] && attr[NL_POLICY_TYPE_ATTR_MAX_VALUE_U])
		snprintf(text, size, ": from %llu to %llu",
			 (unsigned long long)nl_number(attr[NL_POLICY_TYPE_ATTR_MIN_VALUE_U]),
			 (unsigned long long)nl_number(attr[NL_POLICY_TYPE_ATTR_MAX_VALUE_U]));
	else if (attr[NL_POLICY_TYPE_ATTR_MAX_LENGTH])
		snprintf(text, size, ": %llu bytes at most",
			 (unsigned long long)nl_number(attr[NL_POLICY_TYPE_ATTR_MAX_LENGTH]));
}

/*
 * Say in one line what was refused and why; said is what it is about, if that is
 * known, and tlv is what explains the error.
 */
static int say_refusal(const char *what, const struct said *said, int err,
		       const struct nlattr **tlv)
{
	const char *why = nl_string(tlv[NLMSGERR_ATTR_MSG]);
	char bounds[64];

	if (err == -EPERM && !*why) {
		if (geteuid())
			return refuse("needs CAP_NET_ADMIN: run it as root");
		return refuse("needs CAP_NET_ADMIN in the initial user namespace");
	}
	if (!*why)
		why = err == -ENOENT ? "there is none of this name" : strerror(-err);
	if (!said)
		return refuse("%s: %s", what, why);
	bounds_text(tlv[NLMSGERR_ATTR_POLICY], bounds, sizeof(bounds));
	return refuse("%s%s%s: %s%s%s%s%s", said->name, *said->value ? " " : "", said->value, why,
		      bounds, said->hint ? " (" : "", said->hint ?: "", said->hint ? ")" : "");
}

static int say_refused(const struct nl_request *req, int err, const struct nlattr **tlv)
{
	const struct nlattr *at = tlv[NLMSGERR_ATTR_OFFS];

	return say_refusal(req->what, at ? said_at(req, nl_number(at)) : NULL, err, tlv);
}

/*
 * The error of an ACK or of a dump's end, 0 for none. What
 * explains it stands behind the error and, unless capped, behind the copy of
 * the request.
 */
static int decode_error(const struct nlmsghdr *nlh, const struct nlattr **tlv)
{
	size_t size = mnl_nlmsg_get_payload_len(nlh), skip;
	const struct nlattr *attr;
	int err;

	memset(tlv, 0, (NLMSGERR_ATTR_MAX + 1) * sizeof(*tlv));
	if (nlh->nlmsg_type == NLMSG_DONE) {
		if (size < sizeof(err))
			return 0;
		err = *(const int *)mnl_nlmsg_get_payload(nlh);
		skip = sizeof(err);
	} else {
		const struct nlmsgerr *nlerr = mnl_nlmsg_get_payload(nlh);

		if (size < sizeof(*nlerr))
			return -EBADMSG;
		err = nlerr->error;
		skip = sizeof(*nlerr);
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
			skip += MNL_ALIGN(nlerr->msg.nlmsg_len) - sizeof(nlerr->msg);
	}
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS && skip <= size)
		mnl_attr_for_each(attr, nlh, skip)
			index_attr(attr, tlv, NLMSGERR_ATTR_MAX);
	return err;
}

struct transport {
	struct mnl_socket *socket;
	__u16 family;
	__u32 events;			/* number of the multicast group, 0 without */
	__u32 seq;
};

/* Zeroed once, opened on first use, closed by the end of the process. */
static struct transport transport;
static char receive[RECEIVE_SIZE] __aligned(NLMSG_ALIGNTO);

/* Where in what was gathered the request of a line ends. */
struct gathered_line {
	__u32 end;
	unsigned int line;
	const char *what;
};

struct gathered_origin {
	__u32 offset;
	struct said said;
};

static struct {
	bool on;
	unsigned int line;
	char *buf;			/* one message; it may hold keys */
	size_t len;
	size_t room;
	struct gathered_line *lines;
	size_t lines_n;
	size_t lines_room;
	struct gathered_origin *origins;
	size_t origins_n;
	size_t origins_room;
} gathered;

static int send_request(const struct nlmsghdr *nlh, const char *what)
{
	if (mnl_socket_sendto(transport.socket, nlh, nlh->nlmsg_len) < 0)
		return refuse("%s: cannot ask the kernel: %s", what, strerror(errno));
	return 0;
}

static void keep(struct nl_reply *reply, const struct nlmsghdr *nlh)
{
	size_t len = MNL_ALIGN(nlh->nlmsg_len);

	reply->buf = more_room(reply->buf, &reply->room, reply->len + len, 1);
	memset(reply->buf + reply->len + nlh->nlmsg_len, 0, len - nlh->nlmsg_len);
	memcpy(reply->buf + reply->len, nlh, nlh->nlmsg_len);
	reply->len += len;
}

/*
 * Gather the answer up to its ACK or its end. Sets *interrupted
 * if what was dumped changed meanwhile.
 */
static int take_answer(const char *what, struct nl_reply *reply, bool *interrupted,
		       int *error, const struct nlattr **tlv)
{
	const struct nlmsghdr *nlh;
	ssize_t got;
	int len;

	for (;;) {
		got = mnl_socket_recvfrom(transport.socket, receive, sizeof(receive));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse("%s: no answer from the kernel: %s", what, strerror(errno));
		len = got;
		for (nlh = (const void *)receive; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != transport.seq)
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				*interrupted = true;
			if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
				*error = decode_error(nlh, tlv);
				return 0;
			}
			if (reply && nlh->nlmsg_type >= NLMSG_MIN_TYPE)
				keep(reply, nlh);
		}
	}
}

static int exchange(struct nl_request *req, __u16 type, __u16 flags, struct nl_reply *reply,
		    bool *interrupted, int *error, const struct nlattr **tlv)
{
	req->nlh->nlmsg_type = type;
	req->nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	req->nlh->nlmsg_seq = ++transport.seq;
	return send_request(req->nlh, req->what) ?:
	       take_answer(req->what, reply, interrupted, error, tlv);
}

static __u32 group_from(const struct nlattr *groups)
{
	const struct nlattr *attr[CTRL_ATTR_MCAST_GRP_MAX + 1], *group;

	if (!groups)
		return 0;
	mnl_attr_for_each_nested(group, groups) {
		nl_nested(group, attr, CTRL_ATTR_MCAST_GRP_MAX);
		if (!strcmp(nl_string(attr[CTRL_ATTR_MCAST_GRP_NAME]), ESP_MOD_MCGRP_EVENTS))
			return nl_number(attr[CTRL_ATTR_MCAST_GRP_ID]);
	}
	return 0;
}

static void note_family(const struct nl_reply *reply)
{
	const struct nlattr *attr[CTRL_ATTR_MCAST_GROUPS + 1];
	const struct nlmsghdr *nlh = nl_next(reply, NULL);

	if (!nlh)
		return;
	nl_attrs(nlh, attr, CTRL_ATTR_MCAST_GROUPS);
	transport.family = nl_number(attr[CTRL_ATTR_FAMILY_ID]);
	transport.events = group_from(attr[CTRL_ATTR_MCAST_GROUPS]);
}

/* Ask for the family's number; asking also loads the module if it is installed. */
static int resolve_family(void)
{
	const struct nlattr *tlv[NLMSGERR_ATTR_MAX + 1];
	struct nl_reply reply = { };
	bool interrupted = false;
	struct nl_request req;
	int err, error = 0;

	nl_begin(&req, CTRL_CMD_GETFAMILY, "generic netlink");
	nl_put(&req, CTRL_ATTR_FAMILY_NAME, ESPM_GENL_NAME, sizeof(ESPM_GENL_NAME), NULL);
	err = exchange(&req, GENL_ID_CTRL, NLM_F_ACK, &reply, &interrupted, &error, tlv);
	if (!err && error == -ENOENT)
		err = refuse("the kernel has no %s family: 'insmod esp_mod.ko' or 'modprobe esp_mod' adds it",
			     ESPM_GENL_NAME);
	else if (!err && error)
		err = say_refused(&req, error, tlv);
	if (!err)
		note_family(&reply);
	if (!err && !transport.family)
		err = refuse("the kernel did not tell the number of its %s family", ESPM_GENL_NAME);
	nl_free(&reply);
	return err;
}

static int ready(void)
{
	int on = 1;

	if (transport.family)
		return 0;
	if (!transport.socket) {
		transport.socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
		if (!transport.socket || mnl_socket_bind(transport.socket, 0, MNL_SOCKET_AUTOPID))
			return refuse("cannot open a netlink socket: %s", strerror(errno));
		/*
		 * Sentences, please, and no copy of the request with them:
		 * it may hold a key. Kernels without either still work.
		 */
		mnl_socket_setsockopt(transport.socket, NETLINK_EXT_ACK, &on, sizeof(on));
		mnl_socket_setsockopt(transport.socket, NETLINK_CAP_ACK, &on, sizeof(on));
	}
	return resolve_family();
}

/* Keys may be in what moves, so nothing of it is left behind. */
static void grow_gathered(size_t wanted)
{
	size_t room = gathered.room * 2 > wanted ? gathered.room * 2 : wanted + RECEIVE_SIZE;
	char *buf;

	if (wanted <= gathered.room)
		return;
	buf = malloc(room);
	if (!buf)
		exit(refuse("out of memory"));
	key_guard();
	if (gathered.len)
		memcpy(buf, gathered.buf, gathered.len);
	if (gathered.buf)
		key_wipe(gathered.buf, gathered.room);
	free(gathered.buf);
	gathered.buf = buf;
	gathered.room = room;
}

/* Nothing of what was gathered, keys among it, is left. */
void nl_forget_gathered(void)
{
	if (gathered.buf)
		key_wipe(gathered.buf, gathered.room);
	free(gathered.buf);
	gathered.buf = NULL;
	gathered.room = 0;
	gathered.len = 0;
	gathered.on = false;
}

void nl_gather(void)
{
	struct nl_request req;

	nl_begin(&req, ESPM_CMD_APPLY, "");
	grow_gathered(req.nlh->nlmsg_len);
	memcpy(gathered.buf, req.buf, req.nlh->nlmsg_len);
	gathered.len = req.nlh->nlmsg_len;
	gathered.on = true;
}

bool nl_gathers(void)
{
	return gathered.on;
}

void nl_gather_line(unsigned int line)
{
	gathered.line = line;
}

static __u16 step_of(__u8 cmd)
{
	switch (cmd) {
	case ESPM_CMD_SA_ADD:
		return ESPM_A_STEP_SA_ADD;
	case ESPM_CMD_SA_UPDATE:
		return ESPM_A_STEP_SA_UPDATE;
	case ESPM_CMD_SA_DEL:
		return ESPM_A_STEP_SA_DEL;
	case ESPM_CMD_SA_FLUSH:
		return ESPM_A_STEP_SA_FLUSH;
	case ESPM_CMD_POLICY_ADD:
		return ESPM_A_STEP_POLICY_ADD;
	case ESPM_CMD_POLICY_DEL:
		return ESPM_A_STEP_POLICY_DEL;
	default:
		return ESPM_A_STEP_POLICY_FLUSH;
	}
}

static void put_nest(struct nlattr *nest, __u16 type, size_t payload, bool nested)
{
	nest->nla_type = type | (nested ? NLA_F_NESTED : 0);
	nest->nla_len = MNL_ATTR_HDRLEN + payload;
}

static void gather_origin(const struct nl_origin *from, __u32 moved)
{
	struct gathered_origin *origin;

	gathered.origins = more_room(gathered.origins, &gathered.origins_room,
				     gathered.origins_n + 1, sizeof(*origin));
	origin = &gathered.origins[gathered.origins_n++];
	origin->offset = from->offset + moved;
	origin->said = *from->said;
	/* The words stay; a hint is of the moment. */
	if (origin->said.hint)
		origin->said.hint = strdup(origin->said.hint);
}

/* A request becomes a step: its attributes, in two nests. */
static int gather_request(const struct nl_request *req)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(req->nlh);
	size_t header = mnl_nlmsg_size(MNL_ALIGN(sizeof(*genl)));
	size_t payload = req->nlh->nlmsg_len - header;
	size_t nests = 2 * MNL_ATTR_HDRLEN;
	__u16 step = step_of(genl->cmd);
	bool flag = step == ESPM_A_STEP_SA_FLUSH || step == ESPM_A_STEP_POLICY_FLUSH;
	struct gathered_line *line;
	unsigned int i;
	char *at;

	grow_gathered(gathered.len + nests + payload);
	at = gathered.buf + gathered.len;
	put_nest((void *)at, ESPM_A_APPLY_STEP, MNL_ATTR_HDRLEN + payload, true);
	put_nest((void *)(at + MNL_ATTR_HDRLEN), step, payload, !flag);
	memcpy(at + nests, req->buf + header, payload);
	for (i = 0; i < req->origins; i++)
		gather_origin(&req->origin[i], gathered.len + nests - header);
	gathered.len += nests + payload;

	gathered.lines = more_room(gathered.lines, &gathered.lines_room, gathered.lines_n + 1,
				   sizeof(*line));
	line = &gathered.lines[gathered.lines_n++];
	line->end = gathered.len;
	line->line = gathered.line;
	line->what = req->what;
	return STATUS_DONE;
}

/* The line that an offset is in; where there is none, the kernel has blamed no line. */
static int say_refused_line(const char *file, int err, const struct nlattr **tlv)
{
	__u32 offset = tlv[NLMSGERR_ATTR_OFFS] ? nl_number(tlv[NLMSGERR_ATTR_OFFS]) : 0;
	const struct said *said = NULL;
	size_t i;

	for (i = 0; i < gathered.origins_n && !said; i++)
		if (gathered.origins[i].offset == offset)
			said = &gathered.origins[i].said;
	for (i = 0; i < gathered.lines_n && offset; i++) {
		if (offset < gathered.lines[i].end) {
			say_place(file, gathered.lines[i].line);
			return say_refusal(gathered.lines[i].what, said, err, tlv);
		}
	}
	return say_refusal(file, said, err, tlv);
}

static int send_gathered(const char *file)
{
	struct nlmsghdr *nlh = (void *)gathered.buf;
	int size = gathered.len + RECEIVE_SIZE;

	nlh->nlmsg_len = gathered.len;
	nlh->nlmsg_type = transport.family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++transport.seq;
	/* One message holds all, however much that is. */
	if (setsockopt(mnl_socket_get_fd(transport.socket), SOL_SOCKET, SO_SNDBUFFORCE, &size,
		       sizeof(size)))
		setsockopt(mnl_socket_get_fd(transport.socket), SOL_SOCKET, SO_SNDBUF, &size,
			   sizeof(size));
	return send_request(nlh, file);
}

/* Have the kernel do all that was gathered, or nothing. */
int nl_send_gathered(const char *file)
{
	const struct nlattr *tlv[NLMSGERR_ATTR_MAX + 1];
	bool interrupted = false;
	int err = 0, error = 0;

	if (gathered.lines_n)
		err = ready() ?: send_gathered(file) ?:
		      take_answer(file, NULL, &interrupted, &error, tlv);
	nl_forget_gathered();
	return !err && error ? say_refused_line(file, error, tlv) : err;
}

/* One request; the messages of its answer go to reply, which may be NULL. */
int nl_do(struct nl_request *req, struct nl_reply *reply)
{
	const struct nlattr *tlv[NLMSGERR_ATTR_MAX + 1];
	bool interrupted = false;
	int err, error = 0;

	if (gathered.on)
		return gather_request(req);
	err = ready() ?: exchange(req, transport.family, NLM_F_ACK, reply, &interrupted,
				  &error, tlv);
	if (!err && error)
		err = say_refused(req, error, tlv);
	return err;
}

/*
 * All of a table. If it never stood still, reply holds the last try, and the
 * status says that it may lack something.
 */
int nl_dump(struct nl_request *req, struct nl_reply *reply)
{
	const struct nlattr *tlv[NLMSGERR_ATTR_MAX + 1];
	int err, error = 0, try;
	bool interrupted;

	err = ready();
	for (try = 0; !err && try < DUMP_TRIES; try++) {
		interrupted = false;
		reply->len = 0;
		err = exchange(req, transport.family, NLM_F_DUMP, reply, &interrupted, &error, tlv);
		if (!err && error)
			err = say_refused(req, error, tlv);
		if (!err && !interrupted)
			return 0;
	}
	if (err) {
		reply->len = 0;
		return err;
	}
	return refuse("%s: changed while it was read, %d times over: the list may be incomplete",
		      req->what, DUMP_TRIES);
}

/* The message behind nlh, the first one for NULL; NULL behind the last. */
const struct nlmsghdr *nl_next(const struct nl_reply *reply, const struct nlmsghdr *nlh)
{
	const char *at = reply->buf;

	if (nlh)
		at = (const char *)nlh + MNL_ALIGN(nlh->nlmsg_len);
	if (!reply->len || at >= reply->buf + reply->len)
		return NULL;
	return (const void *)at;
}

/* Join the group of events. */
int nl_listen(const char *what)
{
	int err = ready(), size = EVENTS_SIZE;

	if (err)
		return err;
	if (!transport.events)
		return refuse("%s: this version of the module tells no events", what);
	setsockopt(mnl_socket_get_fd(transport.socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		   sizeof(size));
	if (!mnl_socket_setsockopt(transport.socket, NETLINK_ADD_MEMBERSHIP, &transport.events,
				   sizeof(transport.events)))
		return STATUS_DONE;
	if (errno == EPERM)
		return refuse("%s: needs CAP_NET_ADMIN: run it as root", what);
	return refuse("%s: cannot listen: %s", what, strerror(errno));
}

/* Wait for events; as long as it takes where left is NULL. Signals are let in meanwhile. */
enum nl_heard nl_hear(struct nl_reply *reply, const struct timespec *left, const char *what)
{
	struct pollfd wait = { .fd = mnl_socket_get_fd(transport.socket), .events = POLLIN };
	const struct nlmsghdr *nlh;
	sigset_t none;
	ssize_t got;
	int len;

	sigemptyset(&none);
	reply->len = 0;
	len = ppoll(&wait, 1, left, &none);
	if (!len || (len < 0 && errno == EINTR))
		return NL_SILENCE;
	got = len < 0 ? -1 : mnl_socket_recvfrom(transport.socket, receive, sizeof(receive));
	if (got < 0 && errno == ENOBUFS)
		return NL_LOST;
	if (got < 0) {
		refuse("%s: %s", what, strerror(errno));
		return NL_BROKEN;
	}
	len = got;
	for (nlh = (const void *)receive; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		if (nlh->nlmsg_type == transport.family)
			keep(reply, nlh);
	return NL_HEARD;
}

void nl_free(struct nl_reply *reply)
{
	free(reply->buf);
	memset(reply, 0, sizeof(*reply));
}
