# SPDX-License-Identifier: GPL-2.0
"""The netlink family by hand, for what tests do all the time.

A process costs a guest whose kernel is instrumented half a second, a message
a millisecond. So SAs and policies of the plain kind are added from here, and
counters and SAs read; what is not known here, or goes wrong, is for espctl.
"""

import re
import socket
import struct

NETLINK_GENERIC, GENL_CTRL, CTRL_GETFAMILY, CTRL_FAMILY_ID, CTRL_FAMILY_NAME = 16, 16, 3, 1, 2
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, DUMP, DUMP_INTR = 1, 4, 0x300, 0x10
NESTED = 0x8000
DIRECTIONS, MODES, ACTIONS = ("in", "out"), ("transport", "tunnel"), ("bypass", "discard", "protect")
STATES = ("larval", "valid", "dying", "expired", "dead")
LIVES = ("bytes", "packets", "seconds", "use-seconds")
NAMES = {"off": 0, "on": 1, "copy": 0, "clear": 1, "set": 2}


class Unknown(Exception):
    """Not to be done from here."""


class Changed(Exception):
    """A list has changed while it was read."""


def _numbers():
    """Attributes and commands by the name that the uapi header gives them."""
    with open("netlink_uapi/esp_mod.h", encoding="utf-8") as file:
        text = file.read()
    found, value = {}, 0
    for name, start in re.findall(r"^\t(ESPM_(?:A|CMD)_\w+)(?: = (\d+))?,", text, flags=re.M):
        value = int(start) if start else value + 1
        found[name.removeprefix("ESPM_").removeprefix("A_")] = value
    return found


N = _numbers()


def attributes(data):
    """Type and value of netlink attributes."""
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3fff, data[4:size]
        data = data[(size + 3) & ~3:]


def attribute(kind, value):
    """One attribute; a number is packed by its format: (format, number)."""
    if isinstance(value, tuple):
        value = struct.pack("=" + value[0], value[1])
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def addr(text):
    """An address as the family has it."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        raise Unknown(text) from None


def ask(command, body=b"", flags=ACK):
    """A request in the namespace of the moment: the answers' attributes."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as sock:
        name = struct.pack("=HH8s", 12, CTRL_FAMILY_NAME, b"esp_mod\0")
        sock.send(struct.pack("=IHHIIBBxx", 20 + len(name), GENL_CTRL, REQUEST, 0, 0, CTRL_GETFAMILY, 1) + name)
        said = sock.recv(1 << 16)
        if struct.unpack_from("=H", said, 4)[0] != GENL_CTRL:
            raise Unknown("no module")
        family, = struct.unpack("=H", dict(attributes(said[20:]))[CTRL_FAMILY_ID])
        sock.send(struct.pack("=IHHIIBBxx", 20 + len(body), family, REQUEST | flags, 0, 0, N[command], 1) + body)
        answers = []
        while True:
            data = sock.recv(1 << 20)
            while data:
                size, kind, more = struct.unpack_from("=IHH", data)
                if kind == NLMSG_ERROR and struct.unpack_from("=i", data, 16)[0]:
                    raise Unknown("refused")
                if more & DUMP_INTR:
                    raise Changed
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return answers
                answers.append(data[20:size])
                data = data[(size + 3) & ~3:]


def counters():
    """Name and value of each counter, and whether it is of drops."""
    found = []
    for answer in ask("CMD_STATS_GET"):
        for kind, value in attributes(answer):
            if kind == N["STATS_COUNTERS"]:
                found.append(_counter(value))
    return found


def _counter(data):
    one = dict(attributes(data))
    return one[N["COUNTER_NAME"]].rstrip(b"\0").decode(), struct.unpack("=Q", one[N["COUNTER_VALUE"]])[0], \
        N["COUNTER_DROP"] in one


FORMATS = {1: "=B", 2: "=H", 4: "=I", 8: "=Q"}


def _number(data):
    return struct.unpack(FORMATS[len(data)], data)[0]


def _text(data):
    if not any(data):
        return "any"
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


# What is shown of an SA under the name that `espctl -j sa show' has for it
SHOWN = {**{name: _number for name in ("id", "reqid", "replay_window", "encap_sport", "encap_dport", "seq", "packets",
                                       "bytes", "overhead", "mtu", "keepalive", "dummy", "lost", "reorder")},
         "spi": lambda data: f"0x{_number(data):08x}", "src": _text, "dst": _text, "fingerprint": bytes.hex,
         "suite": lambda data: data.rstrip(b"\0").decode(), "driver": lambda data: data.rstrip(b"\0").decode(),
         "direction": lambda data: DIRECTIONS[_number(data)], "mode": lambda data: MODES[_number(data)],
         "state": lambda data: STATES[_number(data)], "soft_limit": lambda data: LIVES[_number(data)],
         "hard_limit": lambda data: LIVES[_number(data)],
         "usage": lambda data: {USAGE[kind]: _number(value) for kind, value in attributes(data) if kind in USAGE}}
USAGE = {N["USAGE_" + name.upper()]: name for name in ("bytes", "packets", "seconds", "use_seconds")}
KINDS = {N["SA_" + name.upper()]: name for name in SHOWN}


def sas():
    """SAs, each as a dictionary of what is in SHOWN, and of drops."""
    try:
        answers = ask("CMD_SA_GET", flags=DUMP)
    except Changed:
        return sas()
    found = []
    for answer in answers:
        sa = {"drops": []}
        for kind, value in attributes(answer):
            if kind == N["SA_DROPS"]:
                name, count, _ = _counter(value)
                sa["drops"].append({"name": name, "value": count})
            elif kind in KINDS:
                sa[KINDS[kind]] = SHOWN[KINDS[kind]](value)
        found.append(sa)
    return found


def _int(text):
    try:
        return int(text, 0)
    except ValueError:
        raise Unknown(text) from None


SA_WORDS = {"reqid": ("SA_REQID", "I"), "window": ("SA_REPLAY_WINDOW", "I"), "keepalive": ("SA_KEEPALIVE", "H"),
            "dummy": ("SA_DUMMY", "H"), "seq": ("SA_SEQ", "Q"), "ttl": ("SA_TTL", "B"), "dscp": ("SA_DSCP", "B"),
            "tfc": ("SA_TFC", "H")}
SA_NAMES = {"esn": "SA_ESN", "roam": "SA_ROAM", "ecn": "SA_ECN", "mss-clamp": "SA_MSS_CLAMP", "df": "SA_DF"}


def add_sa(way, spi, src, dst, suite, key, mode, more):
    """An SA of the plain kind."""
    body = attribute(N["SA_SPI"], ("I", spi)) + attribute(N["SA_DIRECTION"], ("B", DIRECTIONS.index(way))) + \
        attribute(N["SA_MODE"], ("B", MODES.index(mode))) + attribute(N["SA_SRC"], addr(src)) + \
        attribute(N["SA_DST"], addr(dst)) + attribute(N["SA_SUITE"], suite.encode() + b"\0") + \
        attribute(N["SA_KEY"], key)
    words = iter(more.split())
    for word in words:
        value = next(words, "")
        if word in SA_WORDS:
            name, form = SA_WORDS[word]
            body += attribute(N[name], (form, _int(value)))
        elif word in SA_NAMES and value in NAMES:
            body += attribute(N[SA_NAMES[word]], ("B", NAMES[value]))
        elif word == "encap":
            body += attribute(N["SA_ENCAP_SPORT"], ("H", _int(value))) + \
                attribute(N["SA_ENCAP_DPORT"], ("H", _int(next(words, ""))))
        else:
            raise Unknown(word)
    ask("CMD_SA_ADD", body)


def _range(text):
    """First and last address of a prefix."""
    text, _, bits = text.partition("/")
    first = addr(text)
    size = 8 * len(first)
    rest = size - (_int(bits) if bits else size)
    number = int.from_bytes(first, "big")
    if rest < 0 or number & ((1 << rest) - 1):
        raise Unknown(text)
    return first, (number | ((1 << rest) - 1)).to_bytes(len(first), "big")


def add_policy(words):
    """A policy of the plain kind; its number."""
    body, selector = b"", b""
    given = {}
    words = iter(words.split())
    for word in words:
        given[word] = "" if word == "on-demand" else next(words, "")
    for word, value in given.items():
        if word in ("src", "dst"):
            first, last = _range(value)
            selector += attribute(N[f"SEL_{word.upper()}_FIRST"], first) + attribute(N[f"SEL_{word.upper()}_LAST"], last)
        elif word == "proto" and value in ("tcp", "udp"):
            selector += attribute(N["SEL_PROTOCOL"], ("B", {"tcp": 6, "udp": 17}[value]))
        elif word in ("sport", "dport"):
            for end in ("FIRST", "LAST"):
                selector += attribute(N[f"SEL_{word.upper()}_{end}"], ("H", _int(value)))
        elif word == "dir" and value in DIRECTIONS:
            body += attribute(N["POLICY_DIRECTION"], ("B", DIRECTIONS.index(value)))
        elif word == "action" and value in ACTIONS:
            body += attribute(N["POLICY_ACTION"], ("B", ACTIONS.index(value)))
        elif word in ("priority", "reqid", "family"):
            body += attribute(N["POLICY_" + word.upper()], ("B" if word == "family" else "I", _int(value)))
        else:
            raise Unknown(word)
    if selector:
        body += attribute(NESTED | N["POLICY_SELECTOR"], selector)
    answer, = ask("CMD_POLICY_ADD", body)
    return _number(dict(attributes(answer))[N["POLICY_ID"]])


def del_sa(spi, dst, way):
    """An SA that is there goes."""
    ask("CMD_SA_DEL", attribute(N["SA_SPI"], ("I", spi)) + attribute(N["SA_DST"], addr(dst)) +
        attribute(N["SA_DIRECTION"], ("B", DIRECTIONS.index(way))))


def flush_policies():
    """No policy is left."""
    ask("CMD_POLICY_FLUSH")


def flush_sas():
    """No SA is left."""
    ask("CMD_SA_FLUSH")
