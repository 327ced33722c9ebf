# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the other scripts: where things are, and how to speak.

# shellcheck disable=SC2034  # used by those who source this
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${ESPM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/esp_mod}
# Users of Debian lack the directories of depmod and modprobe.
export PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

say()	{ printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die()	{ say "$@"; exit 1; }

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# locked NAME COMMAND...: one at a time on this machine
locked()
{
	local name=$1
	shift
	mkdir -p "$CACHE"
	(
		if ! flock -n 9; then
			say "waiting for another '$name' to finish"
			flock 9
		fi
		"$@" 9>&-
	) 9>"$CACHE/$name.lock"
}
