/* SPDX-License-Identifier: GPL-2.0 */
/* The options, for those who speak of them. */
#ifndef _ESPCTL_MAIN_H
#define _ESPCTL_MAIN_H

#include <stdbool.h>

const char *option_name(unsigned int i);
bool option_takes_file(const char *word);

#endif /* _ESPCTL_MAIN_H */
