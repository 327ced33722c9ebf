/* SPDX-License-Identifier: GPL-2.0 */
/* --help, of the whole, of a noun, of a command. */
#ifndef _ESPCTL_HELP_H
#define _ESPCTL_HELP_H

struct command;

int help_all(void);
int help_noun(const char *noun);
int help_command(const struct command *command);

#endif /* _ESPCTL_HELP_H */
