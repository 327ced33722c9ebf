/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way to the kernel: one request, its answer, and for a refusal the
 * kernel's own sentence, tied to the word that it is about.
 */
#ifndef _ESPCTL_NL_H
#define _ESPCTL_NL_H

#include <stdbool.h>
#include <signal.h>
#include <stddef.h>
#include <libmnl/libmnl.h>
#include <linux/types.h>
#include "args.h"
#include "util.h"

enum {
	NL_REQUEST_SIZE = 2048,
	NL_WORDS_MAX = 48,
};

/* Where in the request the value of a word stands. */
struct nl_origin {
	__u32 offset;
	const struct said *said;
};

struct nl_request {
	char buf[NL_REQUEST_SIZE] __aligned(NLMSG_ALIGNTO);
	struct nlmsghdr *nlh;
	const char *what;		/* the command, for sentences */
	struct nl_origin origin[NL_WORDS_MAX];
	unsigned int origins;
};

/* The messages of an answer, one behind the other. */
struct nl_reply {
	char *buf;
	size_t len;
	size_t room;
};

void nl_begin(struct nl_request *req, __u8 cmd, const char *what);
void nl_put(struct nl_request *req, __u16 type, const void *data, size_t len,
	    const struct said *said);
void nl_put_u8(struct nl_request *req, __u16 type, __u8 number, const struct said *said);
void nl_put_u16(struct nl_request *req, __u16 type, __u16 number, const struct said *said);
void nl_put_u32(struct nl_request *req, __u16 type, __u32 number, const struct said *said);
void nl_put_u64(struct nl_request *req, __u16 type, __u64 number, const struct said *said);
void nl_put_number(struct nl_request *req, __u16 type, const struct value *value);
void nl_put_small(struct nl_request *req, __u16 type, const struct value *value);
void nl_put_addr(struct nl_request *req, __u16 type, const struct value *value);
struct nlattr *nl_nest(struct nl_request *req, __u16 type, const struct said *said);
void nl_nest_end(struct nl_request *req, struct nlattr *nest);

/*
 * Between these two, requests are gathered instead of sent, and then sent as one
 * transaction. A refusal is about the line that was said when its request came.
 */
void nl_gather(void);
bool nl_gathers(void);
void nl_gather_line(unsigned int line);
int nl_send_gathered(const char *file);
void nl_forget_gathered(void);

int nl_do(struct nl_request *req, struct nl_reply *reply);
int nl_dump(struct nl_request *req, struct nl_reply *reply);
const struct nlmsghdr *nl_next(const struct nl_reply *reply, const struct nlmsghdr *nlh);
void nl_free(struct nl_reply *reply);

/* What listening has brought. */
enum nl_heard {
	NL_HEARD,		/* events, which are in the reply */
	NL_LOST,		/* some did not fit into the socket's buffer */
	NL_SILENCE,		/* until the time was over, or a signal came */
	NL_BROKEN,		/* the reason has been said */
};

int nl_listen(const char *what);
enum nl_heard nl_hear(struct nl_reply *reply, const struct timespec *left, const char *what);

void nl_attrs(const struct nlmsghdr *nlh, const struct nlattr **attr, unsigned int max);
void nl_nested(const struct nlattr *nest, const struct nlattr **attr, unsigned int max);
__u64 nl_number(const struct nlattr *attr);
const char *nl_string(const struct nlattr *attr);
void nl_addr(struct addr *addr, const struct nlattr *attr);

#endif /* _ESPCTL_NL_H */
