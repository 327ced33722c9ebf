/* SPDX-License-Identifier: GPL-2.0 */
/* What is printed: aligned tables for people, JSON for programs. */
#ifndef _ESPCTL_OUT_H
#define _ESPCTL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include "util.h"

struct args;
struct json_object;
struct nl_reply;
struct nlattr;

enum { COLUMNS_MAX = 16 };

/* For a terminal alone, and not where NO_COLOR is set. */
enum colour {
	PLAIN,
	WARN,			/* look at it: dying, drops */
	BAD,			/* expired, or keeps ESP from working */
	COLOURS,
};

bool out_has_colour(void);
const char *colour_on(enum colour colour);
const char *colour_off(enum colour colour);

struct column {
	const char *name;
	bool right;
};

#define LEFT(name)	{ name, false }
#define RIGHT(name)	{ name, true }
#define COLUMNS_END	{ NULL, false }

/*
 * A table is gathered, then printed, since its widths depend on all rows.
 * Cells come row by row; notes are lines of text below the row just filled.
 */
struct table {
	const struct column *column;
	unsigned int columns;
	size_t width[COLUMNS_MAX];
	unsigned int cell;		/* the next one's column */
	struct item *item;
	size_t items;
	size_t room;
};

void table_begin(struct table *table, const struct column *columns);
void table_cell(struct table *table, const char *fmt, ...) __printf(2, 3);
void table_paint(struct table *table, enum colour colour);
void table_note(struct table *table, const char *fmt, ...) __printf(2, 3);
int table_end(struct table *table);

/* An array whose elements are printed as they come, and not kept. */
struct json_list {
	size_t count;
};

void json_list_begin(struct json_list *list);
void json_list_add(struct json_list *list, struct json_object *object);
int json_list_end(struct json_list *list);
int json_print(struct json_object *object);
int out_done(void);

/* Members of an object; those that the kernel left out stay out. */
void json_add_string(struct json_object *o, const char *key, const char *text);
void json_add_number(struct json_object *o, const char *key, const struct nlattr *attr);
void json_add_addr(struct json_object *o, const char *key, const struct nlattr *attr);

int show_id(const struct args *args, const struct nl_reply *reply, __u16 type);

/* The name of an enum's value, which may be newer than espctl. */
#define NAME_OF(names, value)	name_of(names, ARRAY_SIZE(names), value)
const char *name_of(const char *const *names, size_t count, size_t value);

void *more_room(void *array, size_t *room, size_t wanted, size_t size);

#endif /* _ESPCTL_OUT_H */
