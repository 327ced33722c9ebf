#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What espctl refuses, and prints, without asking the kernel. Needs no module
# and no root. One line for each test, 'done N' last.
#
#	test.sh [ESPCTL]

cd "$(dirname "$0")" || exit 1
ESPCTL=${1:-./espctl}
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
export LC_ALL=C
umask 077
count=0 failed=0

ok()
{
	count=$((count + 1))
	echo "ok $1: $2"
}

not_ok()
{
	count=$((count + 1)) failed=$((failed + 1))
	echo "not ok $1: $2"
}

# refused NAME STATUS SENTENCE WORD...: nothing on stdout, one line on stderr
refused()
{
	local name=$1 status=$2 sentence="espctl: $3" got
	shift 3
	"$ESPCTL" "$@" > "$DIR/out" 2> "$DIR/err" < "${INPUT:-/dev/null}"
	got=$?
	if [ $got = "$status" ] && [ ! -s "$DIR/out" ] && [ "$(cat "$DIR/err")" = "$sentence" ]; then
		ok "$name" "$sentence"
	else
		not_ok "$name" "status $got and '$(cat "$DIR/err")' for '$*', not $status and '$sentence'"
	fi
}

# prints NAME SENTENCE PATTERN WORD...: status 0, and a line like PATTERN
prints()
{
	local name=$1 sentence=$2 pattern=$3 got
	shift 3
	"$ESPCTL" "$@" > "$DIR/out" 2> "$DIR/err" < /dev/null
	got=$?
	if [ $got = 0 ] && [ ! -s "$DIR/err" ] && grep -Eq -- "$pattern" "$DIR/out"; then
		ok "$name" "$sentence"
	else
		not_ok "$name" "status $got for '$*': $(head -c 200 "$DIR/err" "$DIR/out")"
	fi
}

ends=(dir out mode tunnel src 192.0.2.1 dst 192.0.2.2)
sa=(sa add spi 0x1001 "${ends[@]}" suite aes128gcm16 reqid 1)
policy=(policy add dir out action bypass)
no_argv="keys are not taken from the command line, where every user can see them; use key-file FILE, fd:N or - for standard input"
hex=00112233445566778899aabbccddeeff00112233

refused no-command 2 "a command is missing: see 'espctl --help'"
refused unknown-option 2 "unknown option '-x': see 'espctl --help'" -x
refused noun-typo 2 "unknown command 'plicy': did you mean 'policy'?" plicy show
refused noun-unknown 2 "unknown command 'frobnicate': see 'espctl --help'" frobnicate
refused verb-missing 2 "sa: say what to do: add, reserve, update, del, show, flush" sa
refused verb-typo 2 "sa: unknown word 'shwo': did you mean 'show'?" sa shwo
refused word-typo 2 "sa add: unknown word 'sutie': did you mean 'suite'?" sa add sutie x
refused word-unknown 2 "sa add: unknown word 'colour': see 'espctl sa add --help'" sa add colour red
refused word-twice 2 "policy add: 'dir' is given twice" policy add dir in dir out
refused word-missing 2 "policy add: missing: action protect|bypass|discard" policy add dir in
refused words-missing 2 "policy add: missing: dir in|out, action protect|bypass|discard" policy add
refused value-missing 2 "sa add: 'spi' is without its value: SPI" sa add spi
refused two-values 2 "sa add: 'encap' is without its value: SPORT DPORT" sa add encap 4500
refused nothing-follows 2 "sa flush: nothing may follow, but 'now' does" sa flush now
refused del-what 2 "sa del: name the SA by 'id N' or by 'spi SPI dst ADDR dir in|out'" sa del
refused del-half 2 "sa del: name the SA by 'id N' or by 'spi SPI dst ADDR dir in|out'" sa del spi 4096
refused del-both 2 "sa del: name the SA by 'id N' or by 'spi SPI dst ADDR dir in|out'" sa del id 1 spi 4096
refused show-half 2 "sa show: name the SA by 'id N' or by 'spi SPI dst ADDR dir in|out'" sa show dir in
refused policy-del-what 2 "policy del: missing: id N" policy del

refused spi-text 2 "spi x: not a number from 0 to 4294967295" sa add spi x
refused spi-tail 2 "spi 0x1001z: not a number from 0 to 4294967295" sa add spi 0x1001z
refused spi-negative 2 "spi -1: not a number from 0 to 4294967295" sa add spi -1
refused reqid-large 2 "reqid 4294967296: not a number from 0 to 4294967295" sa add reqid 4294967296
refused dir-typo 2 "dir uot: did you mean 'out'?" sa add dir uot
refused mode-unknown 2 "mode beet: must be tunnel|transport" sa add mode beet
refused esn-unknown 2 "esn maybe: must be on|off" sa add esn maybe
refused addr 2 "src 10.0.0.300: not an IPv4 or IPv6 address" sa add src 10.0.0.300
refused addr6 2 "dst 2001:db8:::1: not an IPv4 or IPv6 address" sa add dst 2001:db8:::1
refused addr-prefix 2 "src 10.0.0.0/8: an end point is one address, not a prefix or a range" sa add src 10.0.0.0/8
refused encap-port 2 "encap 65536: a port is a number from 0 to 65535" sa add encap 4500 65536
refused explain-what 2 "explain: missing: SRC DST [proto NAME|N] [sport N] [dport N] [icmp TYPE[/CODE]]" explain 10.1.0.2
refused explain-families 2 "explain: source and destination are of different families" explain 10.1.0.2 2001:db8::1
refused explain-port 2 "explain: proto tcp: which port? Say dport N" explain 10.1.0.2 10.2.0.2 proto tcp
refused explain-range 2 "explain: sport 1-2: a packet has one port" explain 10.1.0.2 10.2.0.2 proto udp dport 3 sport 1-2
refused explain-ping 2 "explain: ports need a protocol that has them" explain 10.1.0.2 10.2.0.2 dport 80
refused explain-icmp 2 "explain: icmp 8: the packet is no ICMP" explain 10.1.0.2 10.2.0.2 proto tcp icmp 8
refused key-word 2 "$no_argv" "${sa[@]}" key=00112233445566778899aabbccddeeff
refused key-spaced 2 "$no_argv" "${sa[@]}" key-file 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff
refused dscp 2 "dscp 64: not a number from 0 to 63" sa add dscp 64
refused ttl 2 "ttl 256: not a number from 0 to 255" sa add ttl 256
refused tfc 2 "tfc 65536: not a number from 0 to 65535" sa add tfc 65536
refused df-typo 2 "df claer: did you mean 'clear'?" sa add df claer
refused keepalive 2 "keepalive 5s: not a number from 0 to 65535" sa add keepalive 5s
refused hard-bytes 2 "hard-bytes 1k: not a number from 0 to 18446744073709551615" sa add hard-bytes 1k
refused hard-packets 2 "hard-packets 18446744073709551616: not a number from 0 to 18446744073709551615" sa add hard-packets 18446744073709551616
refused soft-seconds 2 "soft-seconds -1: not a number from 0 to 4294967295" sa add soft-seconds -1
refused limit-twice 2 "sa add: 'soft-use-seconds' is given twice" sa add soft-use-seconds 1 soft-use-seconds 2
refused monitor-word 2 "monitor: unknown word 'cuont': did you mean 'count'?" monitor cuont 1
refused monitor-timeout 2 "timeout soon: not a number from 0 to 4294967295" monitor timeout soon
refused sel-first 2 "sa add: 'sport' describes the traffic inside: write 'sel' first" sa add sport 80
refused sel-twice 2 "sa add: 'src' is given twice" sa add sel src 10.0.0.1 src 10.0.0.2

refused host-bits 2 "src 10.0.0.1/24: bits are set behind the prefix: did you mean 10.0.0.0/24?" "${policy[@]}" src 10.0.0.1/24
refused host-bits6 2 "dst 2001:db8::1/64: bits are set behind the prefix: did you mean 2001:db8::/64?" "${policy[@]}" dst 2001:db8::1/64
refused prefix-long 2 "src 10.0.0.0/33: the prefix length is more than 32" "${policy[@]}" src 10.0.0.0/33
refused prefix-long6 2 "src ::/129: the prefix length is more than 128" "${policy[@]}" src ::/129
refused prefix-empty 2 "src 10.0.0.0/: no prefix length behind the '/'" "${policy[@]}" src 10.0.0.0/
refused range-order 2 "src 10.0.0.9-10.0.0.1: the range ends before it begins" "${policy[@]}" src 10.0.0.9-10.0.0.1
refused range-families 2 "src 10.0.0.1-::1: the ends of the range are of different families" "${policy[@]}" src 10.0.0.1-::1
refused port-order 2 "dport 90-80: the range ends before it begins" "${policy[@]}" dport 90-80
refused port-large 2 "dport 80-65536: ports are A or A-B, from 0 to 65535" "${policy[@]}" dport 80-65536
refused proto-typo 2 "proto tpc: did you mean 'tcp'?" "${policy[@]}" proto tpc
refused proto-large 2 "proto 256: not a protocol known by name, nor a number from 0 to 255" "${policy[@]}" proto 256
refused icmp-code 2 "icmp 8/256: must be TYPE or TYPE/CODE, each from 0 to 255" "${policy[@]}" icmp 8/256
refused icmp-family 2 "policy add: icmp of which family? add proto icmp or proto icmpv6" "${policy[@]}" icmp 8
refused icmp-proto 2 "policy add: icmp goes with proto icmp or icmpv6, not with proto udp" "${policy[@]}" icmp 8 proto udp
refused icmp-ports 2 "policy add: icmp stands in place of sport and dport, not with them" "${policy[@]}" icmp 8 dport 1
refused icmp-no-ports 2 "policy add: proto icmp has no ports: say icmp TYPE[/CODE]" "${policy[@]}" proto icmp sport 5
refused save-quotes 2 "save: key-dir: a word can't have both kinds of quotes" save key-dir "a\"b'c"
refused family 2 "family 5: must be 4 or 6" "${policy[@]}" family 5
refused action-typo 2 "action protetc: did you mean 'protect'?" policy add dir in action protetc
refused protect-reqid 2 "policy add: 'action protect' needs reqid N, which names its SAs" policy add dir in action protect

refused key-word 2 "$no_argv" "${sa[@]}" key $hex
refused key-word-0x 2 "$no_argv" "${sa[@]}" key 0x$hex
refused key-bare 2 "$no_argv" "${sa[@]}" 0x$hex
refused key-as-file 2 "$no_argv" "${sa[@]}" key-file 0x$hex
refused key-as-file-bare 2 "$no_argv" "${sa[@]}" key-file $hex
refused key-no-file 1 "key-file $DIR/none: No such file or directory" "${sa[@]}" key-file "$DIR/none"
refused key-no-fd 1 "key-file fd:99: Bad file descriptor" "${sa[@]}" key-file fd:99
refused key-bad-fd 1 "key-file fd:x: Bad file descriptor" "${sa[@]}" key-file fd:x
refused key-empty-stdin 1 "key-file -: holds no key" "${sa[@]}" key-file -
printf '%s1\n' $hex > "$DIR/odd"
refused key-odd 1 "key-file $DIR/odd: an odd number of hex digits, so one is missing or too much" "${sa[@]}" key-file "$DIR/odd"
printf '\001\002\377\376raw' > "$DIR/raw"
refused key-raw 1 "key-file $DIR/raw: not a key in hex; 'espctl genkey SUITE' prints one" "${sa[@]}" key-file "$DIR/raw"
INPUT=$DIR/raw refused key-raw-stdin 1 "key-file -: not a key in hex; 'espctl genkey SUITE' prints one" "${sa[@]}" key-file -
printf '%0400d' 0 > "$DIR/long"
refused key-long 1 "key-file $DIR/long: longer than the key of any suite" "${sa[@]}" key-file "$DIR/long"
head -c 65536 /dev/zero | tr '\0' ' ' > "$DIR/large"
refused key-large 1 "key-file $DIR/large: too large for a key in hex" "${sa[@]}" key-file "$DIR/large"
# warns NAME MODE SENTENCE: of a key file of that mode, or not if the sentence is empty
warns()
{
	local got
	chmod "$2" "$DIR/odd"
	got=$("$ESPCTL" "${sa[@]}" key-file "$DIR/odd" 2>&1 | grep -F warning)
	if [ "$got" = "${3:+espctl: warning: key-file $DIR/odd: $3}" ]; then
		ok "key-$1" "a key file of mode $2: ${3:-no warning}"
	else
		not_ok "key-$1" "a key file of mode $2 has '$got'"
	fi
}
warns exposed 604 "other users may read it; 'chmod 600' keeps them out"
warns exposed-group 640 "other users may read it; 'chmod 600' keeps them out"
warns changeable 620 "other users may change it; 'chmod 600' keeps them out"
warns private 400 ""
if "$ESPCTL" "${sa[@]}" key $hex 2>&1 | grep -q 0011; then
	not_ok key-echo "a key typed by mistake is repeated in the error"
else
	ok key-echo "a key typed by mistake is not repeated in the error"
fi

refused genkey-what 2 "genkey: missing: SUITE" genkey
refused genkey-typo 2 "genkey aes128gcm: no such suite: did you mean 'aes128gcm16'?" genkey aes128gcm
refused genkey-unknown 2 "genkey rot13: no such suite: 'espctl suites' lists them" genkey rot13
prints genkey "prints 20 bytes of hex for aes128gcm16" '^[0-9a-f]{40}$' genkey aes128gcm16
prints genkey-chacha "prints 36 bytes for chacha20poly1305" '^[0-9a-f]{72}$' genkey chacha20poly1305
prints genkey-json "prints an object with -j" '^\{ "suite": "aes128gcm16", "key": "[0-9a-f]{40}", "fingerprint": "[0-9a-f]{16}" \}$' -j genkey aes128gcm16
prints genkey-longest "prints 100 bytes for aes256ctr-sha512" '^[0-9a-f]{200}$' genkey aes256ctr-sha512
if [ "$("$ESPCTL" genkey aes128gcm16)" != "$("$ESPCTL" genkey aes128gcm16)" ]; then
	ok genkey-twice "two keys differ"
else
	not_ok genkey-twice "two keys are the same"
fi
bad=
for suite in $("$ESPCTL" suites | awk 'NR > 1 { print $1 "=" $2 }'); do
	digits=$("$ESPCTL" genkey "${suite%=*}" | tr -d '\n' | wc -c)
	[ "$digits" = $((2 * ${suite#*=})) ] || bad="$bad $suite"
done
if [ -z "$bad" ]; then
	ok genkey-lengths "every suite's key is as long as 'suites' says"
else
	not_ok genkey-lengths "keys of other lengths than 'suites' says:$bad"
fi

refused fingerprint-what 2 "fingerprint: missing: SUITE" fingerprint
refused fingerprint-key 2 "fingerprint: missing: key-file FILE|fd:N|-" fingerprint aes128gcm16
refused fingerprint-typo 2 "fingerprint aes128gcm1: no such suite: did you mean 'aes128gcm16'?" fingerprint aes128gcm1 key-file -
refused fingerprint-argv 2 "$no_argv" fingerprint aes128gcm16 key-file $hex
printf '%s00\n' $hex > "$DIR/21"
refused fingerprint-length 1 "key-file $DIR/21: aes128gcm16 takes 20 bytes: cipher 16 + salt 4; this key has 21" fingerprint aes128gcm16 key-file "$DIR/21"
bad=
for suite in $("$ESPCTL" suites | awk 'NR > 1 { print $1 }'); do
	"$ESPCTL" genkey "$suite" > "$DIR/key"
	want=$({ printf '%s\0' "$suite"; printf '%b' "$(sed 's/../\\x&/g' "$DIR/key")"; } | sha256sum)
	[ "$("$ESPCTL" fingerprint "$suite" key-file - < "$DIR/key")" = "${want::16}" ] || bad="$bad $suite"
done
if [ -z "$bad" ]; then
	ok fingerprint "is what sha256sum says of suite and key, for every suite"
else
	not_ok fingerprint "is not what sha256sum says for:$bad"
fi

# offers NAME SENTENCE WORDS LINE: what bash's completion makes of a line
offers()
{
	local got
	got=$(
		PATH=$DIR:$PATH
		# shellcheck source=/dev/null
		. ./espctl.bash-completion
		COMP_LINE=$4 COMP_POINT=${#4}
		read -ra COMP_WORDS <<<"$4"
		# shellcheck disable=SC2034  # what bash sets
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
		"$(complete -p espctl | sed 's/.*-F \([^ ]*\).*/\1/')" espctl
		echo "${COMPREPLY[*]}"
	)
	if [ "$got" = "$3" ]; then
		ok "complete-$1" "$2"
	else
		not_ok "complete-$1" "'$4' is completed with '$got', not '$3'"
	fi
}

ln -s "$(readlink -f "$ESPCTL")" "$DIR/espctl"
offers noun "commands" "sa save stats suites" "espctl s"
offers verb "what can be done to SAs" "add reserve update del show flush" "espctl sa "
offers verb-begun "the beginning of it" "del" "espctl policy d"
offers limits "limits" "sas sas-per-reqid sas-per-spi" "espctl limits set s"
offers options "options" "--json --file --help --version" "espctl --"
offers word "words of a command" "soft-bytes soft-packets soft-seconds soft-use-seconds" "espctl sa add spi 5 so"
offers taken "no word twice" "dst dummy dscp df" "espctl sa add dir out d"
offers value "values of a word" "tunnel" "espctl sa add mode tu"
offers switch "on and off" "off on" "espctl sa add esn "
offers sel "behind sel, src once more" "src" "espctl -j sa add src 10.0.0.1 sel sr"
offers suite "suites" "chacha20poly1305" "espctl sa add suite ch"
offers bare-suite "suites behind genkey" "null-sha256 null-sha384 null-sha512" "espctl genkey n"
offers proto "protocols" "udp udplite" "espctl policy add proto u"
offers number "nothing where it is a number" "" "espctl sa add spi "
offers explain "nothing where it is an address of a packet" "" "espctl explain "
offers explain-word "words behind values that stand alone" "proto" "espctl explain 2001:db8::1 2001:db8::2 p"
touch "$DIR/there.key"
offers file "files of keys" "$DIR/there.key" "espctl sa add key-file $DIR/th"
offers conf "files behind -f" "$DIR/there.key" "espctl -f $DIR/th"
mkdir "$DIR/keys"
offers dir "directories of keys" "$DIR/keys" "espctl save key-dir $DIR/k"
offers unknown "nothing behind what is no command" "" "espctl frobnicate "
bad=
for command in $("$ESPCTL" --help | sed -n 's/^  espctl \([a-z]*\).*/\1/p' | sort -u); do
	"$ESPCTL" complete "$command" | grep -qx "$command" || bad="$bad $command"
done
if [ -z "$bad" ]; then
	ok complete-all "every command of --help is offered"
else
	not_ok complete-all "commands of --help that are not offered:$bad"
fi
# Help and the nearest word at every level
bad=
while read -r command; do
	# shellcheck disable=SC2086  # words
	"$ESPCTL" $command --help > "$DIR/out" 2> "$DIR/err" && [ ! -s "$DIR/err" ] &&
		grep -q "^  espctl $command" "$DIR/out" || bad="$bad,$command"
done < <("$ESPCTL" --help | sed -nE 's/^  espctl ((sa|policy) [a-z]+|[a-z]+).*/\1/p' | sort -u; echo sa; echo policy)
if [ -z "$bad" ]; then
	ok help-all "each command and noun has its --help"
else
	not_ok help-all "no --help of:$bad"
fi
# Two letters change their places.
swapped()
{
	echo "${1::${#1} - 2}${1: -1}${1: -2:1}"
}
bad=
tried=0
while read -r command; do
	before=${command% *}
	[ "$before" != "$command" ] || before=
	# shellcheck disable=SC2086  # words
	for word in "$command" $("$ESPCTL" complete $command ""); do
		case $word in
		# Two letters are too few for a guess.
		??)	continue ;;
		"$command") typed="$before $(swapped "${command##* }")" want=${command##* } ;;
		*)	case $command in
			explain) typed="explain 10.0.0.1 10.0.0.2 $(swapped "$word")" ;;
			genkey|fingerprint) continue ;;
			*) typed="$command $(swapped "$word")" ;;
			esac
			want=$word ;;
		esac
		# Two that are the same stay as they are.
		[ "${typed##* }" != "$want" ] || continue
		tried=$((tried + 1))
		# shellcheck disable=SC2086  # words
		"$ESPCTL" $typed 2>&1 | grep -qF "did you mean '$want'?" || bad="$bad,$typed"
	done
done < <("$ESPCTL" --help | sed -nE 's/^  espctl ((sa|policy) [a-z]+|[a-z]+).*/\1/p' | sort -u)
if [ -z "$bad" ] && [ $tried -gt 80 ]; then
	ok nearest-all "$tried words, each with two letters swapped: the right one is proposed"
else
	not_ok nearest-all "of $tried words, these are not answered with the right one:$bad"
fi
refused option-typo 2 "unknown option '--jsno': did you mean '--json'?" --jsno

prints version "--version" '^espctl [0-9.]+$' --version
prints help "--help" '^Example: ' --help
prints help-noun "sa --help" '^  espctl sa flush$' sa --help
prints help-command "sa add --help explains its words" '^  reqid N  ' sa add --help
prints help-late "--help behind other words" '^  reqid N  ' sa add spi 5 --help
prints help-monitor "monitor --help explains its words" '^  count N  ' monitor --help
prints suites "suites" '^aes128gcm16 +20 ' suites
prints suites-json "-j before the command" '"name": "aes128gcm16", "key_len": 20' -j suites
prints suites-json-behind "-j behind it" '"name": "aes128gcm16", "key_len": 20' suites -j

echo "done $count"
[ $failed = 0 ]
