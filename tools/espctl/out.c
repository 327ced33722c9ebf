// SPDX-License-Identifier: GPL-2.0
/* Tables and JSON. See out.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <linux/genetlink.h>
#include <json-c/json.h>
#include "args.h"
#include "nl.h"
#include "out.h"
#include "say.h"

struct item {
	char *text;
	bool note;
	enum colour colour;
};

bool out_has_colour(void)
{
	const char *off = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(off && *off) && term && strcmp(term, "dumb");
}

const char *colour_on(enum colour colour)
{
	static const char *const codes[COLOURS] = { "", "\033[33m", "\033[31m" };

	return out_has_colour() ? codes[colour] : "";
}

const char *colour_off(enum colour colour)
{
	return colour != PLAIN && out_has_colour() ? "\033[m" : "";
}

static void out_of_memory(void)
{
	exit(refuse("out of memory"));
}

/* An array with room for as many as wanted; doubles, so that adding is linear. */
void *more_room(void *array, size_t *room, size_t wanted, size_t size)
{
	if (wanted <= *room)
		return array;
	*room = *room * 2 > wanted ? *room * 2 : wanted + 16;
	array = reallocarray(array, *room, size);
	if (!array)
		out_of_memory();
	return array;
}

void table_begin(struct table *table, const struct column *columns)
{
	memset(table, 0, sizeof(*table));
	table->column = columns;
	for (; columns[table->columns].name; table->columns++)
		table->width[table->columns] = strlen(columns[table->columns].name);
}

static size_t table_add(struct table *table, bool note, const char *fmt, va_list ap)
{
	struct item *item;
	int len;

	table->item = more_room(table->item, &table->room, table->items + 1, sizeof(*item));
	item = &table->item[table->items++];
	item->note = note;
	item->colour = PLAIN;
	len = vasprintf(&item->text, fmt, ap);
	if (len < 0)
		out_of_memory();
	return len;
}

void table_cell(struct table *table, const char *fmt, ...)
{
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	len = table_add(table, false, fmt, ap);
	va_end(ap);
	if (len > table->width[table->cell])
		table->width[table->cell] = len;
	table->cell = (table->cell + 1) % table->columns;
}

void table_note(struct table *table, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	table_add(table, true, fmt, ap);
	va_end(ap);
}

/* The cell or note that came last. */
void table_paint(struct table *table, enum colour colour)
{
	table->item[table->items - 1].colour = colour;
}

/* One cell, two blanks before it, and none at the end of a line. */
static void print_cell(const struct table *table, unsigned int cell, const char *text,
		       enum colour colour, size_t *owed)
{
	size_t pad = table->width[cell] - strlen(text), before, behind;

	before = table->column[cell].right ? pad : 0;
	behind = pad - before;
	if (*text)
		printf("%*s%s%s%s", (int)(*owed + before), "", colour_on(colour), text,
		       colour_off(colour));
	else
		behind += *owed + before;
	*owed = behind + 2;
	if (cell + 1 == table->columns) {
		putchar('\n');
		*owed = 0;
	}
}

/* Print the table and let go of it. */
int table_end(struct table *table)
{
	unsigned int cell;
	size_t owed = 0, i;

	for (cell = 0; cell < table->columns; cell++)
		print_cell(table, cell, table->column[cell].name, PLAIN, &owed);
	cell = 0;
	for (i = 0; i < table->items; i++) {
		struct item *item = &table->item[i];

		if (item->note) {
			printf("    %s%s%s\n", colour_on(item->colour), item->text,
			       colour_off(item->colour));
		} else {
			print_cell(table, cell, item->text, item->colour, &owed);
			cell = (cell + 1) % table->columns;
		}
		free(item->text);
	}
	free(table->item);
	return out_done();
}

static void print_json(struct json_object *object)
{
	fputs(json_object_to_json_string_ext(object, JSON_C_TO_STRING_SPACED |
					     JSON_C_TO_STRING_NOSLASHESCAPE), stdout);
	json_object_put(object);
}

void json_list_begin(struct json_list *list)
{
	list->count = 0;
	putchar('[');
}

/* Takes the object over. */
void json_list_add(struct json_list *list, struct json_object *object)
{
	fputs(list->count++ ? ",\n  " : "\n  ", stdout);
	print_json(object);
}

int json_list_end(struct json_list *list)
{
	puts(list->count ? "\n]" : "]");
	return out_done();
}

/* Takes the object over. */
int json_print(struct json_object *object)
{
	print_json(object);
	putchar('\n');
	return out_done();
}

/* A full disk or a closed pipe must not look like an empty table. */
int out_done(void)
{
	if (fflush(stdout) || ferror(stdout))
		return refuse("cannot write the output: %s", strerror(errno));
	return STATUS_DONE;
}

void json_add_string(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

void json_add_number(struct json_object *o, const char *key, const struct nlattr *attr)
{
	if (attr)
		json_object_object_add(o, key, json_object_new_uint64(nl_number(attr)));
}

void json_add_addr(struct json_object *o, const char *key, const struct nlattr *attr)
{
	char text[INET6_ADDRSTRLEN];
	struct addr addr;

	nl_addr(&addr, attr);
	addr_text(&addr, text, sizeof(text));
	if (addr.len)
		json_add_string(o, key, text);
}

/* What an addition prints: nothing, or with -j the number that it was given. */
int show_id(const struct args *args, const struct nl_reply *reply, __u16 type)
{
	const struct nlmsghdr *nlh = nl_next(reply, NULL);
	const struct nlattr *attr;
	struct json_object *o;

	if (!args->json)
		return STATUS_DONE;
	o = json_object_new_object();
	if (nlh)
		mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
			if (mnl_attr_get_type(attr) == type)
				json_add_number(o, "id", attr);
	return json_print(o);
}

const char *name_of(const char *const *names, size_t count, size_t value)
{
	return value < count ? names[value] : "?";
}
