# SPDX-License-Identifier: GPL-2.0
"""The netlink family, for who is not espctl.

    R, a namespace with some SAs and policies, and nobody to talk to

The kernel's own client of YNL does what espctl does, with what it has read in the
specification. By hand, each attribute of each operation is then tried missing,
short, long, doubled, nested where it is not, flat where it is, and out of range:
what is refused has a sentence, and changes nothing.
"""

import errno
import json
import os
import socket
import struct

from client import Client, addr, attribute
from lab import check, equal, eventually

SRC, DST = addr("192.0.2.1"), addr("192.0.2.2")
SELECTOR = {"src-first": addr("10.1.0.0"), "src-last": addr("10.1.0.255"), "dst-first": addr("10.2.0.0"),
            "dst-last": addr("10.2.0.255"), "protocol": 17, "sport-first": 1, "sport-last": 9, "dport-first": 53,
            "dport-last": 53}
LIFETIME = {"soft-bytes": 1 << 40, "hard-bytes": 1 << 41, "soft-packets": 1 << 40, "hard-packets": 1 << 41,
            "soft-seconds": 50000, "hard-seconds": 60000, "soft-use-seconds": 50000, "hard-use-seconds": 60000}
OUT = {"spi": 0x2001, "direction": "out", "mode": "tunnel", "src": SRC, "dst": DST, "suite": "aes128gcm16",
       "key": None, "reqid": 5, "esn": 1, "encap-sport": 4500, "encap-dport": 4500, "dscp": 10, "ecn": 1, "df": "set",
       "ttl": 9, "tfc": 100, "mss-clamp": 0, "keepalive": 20, "lifetime": LIFETIME, "seq": 7}
IN = {"spi": 0x2002, "direction": "in", "mode": "transport", "src": DST, "dst": SRC, "suite": "aes128gcm16",
      "key": None, "reqid": 5, "replay-window": 64, "roam": 1, "selector": SELECTOR, "encap-sport": 4500,
      "encap-dport": 4500}
SO_SNDBUFFORCE = 32
STEPS = 1000000
FORMS = {"u8": "=B", "u16": "=H", "u32": "=I", "u64": "=Q"}
DUMMY = {**{name: OUT[name] for name in ("spi", "direction", "mode", "src", "dst", "suite", "key", "reqid")}, "dummy": 9}


class Story:
    """The namespace, and what is tried on it."""

    def __init__(self, lab):
        self.lab = lab
        self.r, = lab.build("R")
        self.client = Client(self.r)
        self.tried = 0
        self.in_step = False

    def reset(self):
        """The state from which each try starts."""
        do = self.client.do
        do("sa-flush")
        do("policy-flush")
        self.sa = do("sa-add", spi=0x1001, direction="out", mode="tunnel", src=SRC, dst=DST, suite="aes128gcm16",
                     reqid=1, key=os.urandom(20))["id"]
        self.policy = do("policy-add", direction="out", action="protect", reqid=1,
                         selector={"src-first": SRC, "src-last": SRC})["id"]
        self.before = self.state()

    def state(self):
        """Everything that configuration could change."""
        sas = self.client.dump("sa-get")
        for sa in sas:
            # The clock goes on.
            sa.pop("usage", None)
        return sas, self.client.dump("policy-get")

    def encode(self, space, values):
        """Attributes of a request, one by one: name and bytes."""
        ynl = self.client.ynl
        return [(name, ynl._add_attr(space, name, os.urandom(20) if name == "key" else value, None))
                for name, value in values.items()]

    def step(self, op, body):
        """A change as the only step of a transaction."""
        steps = self.client.sets["step"]
        return attribute(1, attribute(steps[op].value, body, steps[op].type == "nest"), True)

    def attempt(self, op, parts, what, refused=None):
        """Send it. refused: whether it must be, where that is known."""
        self.tried += 1
        body = b"".join(parts)
        if self.in_step:
            body = self.step(op, body)
        error, said = self.client.raw(self.client.ops["apply" if self.in_step else op].req_value, body)
        if error:
            check(said, f"{op} with {what}: error {error} without a sentence")
            check(refused is not False, f"{op} with {what}: refused: {said}")
            equal(self.state(), self.before, f"SAs and policies after {op} with {what}, which was refused")
        else:
            check(not refused, f"{op} with {what} was accepted")
            self.reset()


def requests(story):
    """A valid request, or some, of each operation."""
    name = {"id": story.sa}
    return (("sa-add", OUT), ("sa-add", IN), ("sa-add", DUMMY), ("sa-del", name),
            ("sa-del", {"spi": 0x1001, "direction": "out", "dst": DST}), ("sa-get", name),
            ("sa-get", {"spi": 0x1001, "direction": "out", "dst": DST}), ("sa-flush", {}),
            ("policy-add", {"direction": "out", "priority": 5, "action": "protect", "reqid": 1, "selector": SELECTOR,
                            "on-demand": 1}),
            ("policy-add", {"direction": "in", "action": "discard", "family": 6}),
            ("policy-del", {"id": story.policy}), ("policy-get", {"id": story.policy}), ("policy-flush", {}),
            ("stats-get", {}),
            ("explain", {"direction": "out", "src": SRC, "dst": DST, "protocol": 17, "sport": 1, "dport": 2}),
            ("sa-update", {**name, "src": SRC, "new-dst": addr("192.0.2.9"), "encap-sport": 4500, "encap-dport": 4501,
                           "reqid": 4, "lifetime": LIFETIME, "keepalive": 3}),
            ("sa-update", {"spi": 0x1001, "direction": "out", "dst": DST, "dummy": 3}),
            ("sa-reserve", {"dst": SRC, "spi": 0x3000, "spi-last": 0x3010, "lifetime": {"hard-seconds": 9}}))


def limits(family, spec):
    """Least and largest value that an attribute may have by the specification."""
    checks = spec.yaml.get("checks", {})
    top = (1 << int(spec.type[1:])) - 1
    largest = checks.get("max", top)
    if spec.yaml.get("enum"):
        largest = min(largest, len(family.consts[spec.yaml["enum"]].entries) - 1)
    return checks.get("min", 0), largest, top


class Request:
    """A valid request, of which one attribute at a time is then made wrong."""

    def __init__(self, story, op, values):
        self.story, self.op, self.values = story, op, values
        self.space = story.client.ynl.ops[op].attr_set
        self.name = None

    def parts(self):
        """Its attributes, with the numbers of the moment."""
        values = dict(self.values)
        if "id" in values:
            values["id"] = self.story.sa if self.op.startswith("sa") else self.story.policy
        return self.story.encode(self.space.name, values)

    def whole(self, what, refused, more=b""):
        """Try all of it, and something behind."""
        self.story.attempt(self.op, [part for _, part in self.parts()] + [more], what, refused)

    def change(self, what, refused, make):
        """Try it with what make(kind, value, attribute) says in place of one attribute."""
        parts = []
        for name, part in self.parts():
            if name == self.name:
                size, kind = struct.unpack_from("=HH", part)
                part = make(kind & 0x3fff, part[4:size], part)
            parts.append(part)
        self.story.attempt(self.op, parts, f"{self.name} {what}", refused)


def misuse(story, op, values):
    """One request, and every attribute of it in every wrong way."""
    request = Request(story, op, values)
    request.whole("nothing wrong", False)
    request.whole("an attribute that is not there", True, attribute(200, b"1234"))
    request.whole("an attribute shorter than its head", None, b"\1\0\0\0")
    request.whole("an attribute longer than the message", None, attribute(1, b"1234", size=4000))
    for name in values:
        request.name = name
        spec = request.space[name]
        if spec.type == "nest":
            nest(request, spec, values[name])
        else:
            plain(request, spec)


def plain(request, spec):
    """An attribute that holds a value."""
    scalar = spec.type in FORMS
    change = request.change
    change("missing", None, lambda kind, value, part: b"")
    change("doubled", None, lambda kind, value, part: part * 2)
    # A string may be shorter, and of binaries it depends.
    change("one byte short", scalar or None, lambda kind, value, part: attribute(kind, value[:-1]))
    change("empty", scalar or None, lambda kind, value, part: attribute(kind, b""))
    for more in (1, 3, 4, 200):
        change(f"{more} bytes too long", scalar or more > 100 or None,
               lambda kind, value, part, more=more: attribute(kind, value + b"A" * more))
    change("as a nest", True, lambda kind, value, part: attribute(kind, value, True))
    if scalar:
        for wrong in out_of_range(request.story, spec):
            change(wrong.hex(), True, lambda kind, value, part, wrong=wrong: attribute(kind, wrong))
        low, high, _ = limits(request.story, spec)
        for edge in sorted({low, high}):
            change(str(edge), None, lambda kind, value, part, edge=edge:
                   attribute(kind, struct.pack(FORMS[spec.type], edge)))


def nest(request, spec, values):
    """An attribute that holds others, and those."""
    change, story = request.change, request.story
    change("missing", None, lambda kind, value, part: b"")
    change("doubled", None, lambda kind, value, part: part * 2)
    change("empty", None, lambda kind, value, part: attribute(kind, b"", True))
    change("flat", True, lambda kind, value, part: attribute(kind, value))
    change("of one byte", None, lambda kind, value, part: attribute(kind, b"A", True))
    change("in itself", None, lambda kind, value, part: attribute(kind, part, True))
    change("of what is not there", True, lambda kind, value, part: attribute(kind, attribute(100, b"1234"), True))
    inner = story.client.ynl.attr_sets[spec.yaml["nested-attributes"]]
    for sub in values:
        whole = dict(story.encode(inner.name, values))
        good, number = whole[sub], inner[sub].value
        value = good[4:struct.unpack_from("=H", good)[0]]
        ways = {"missing": b"", "doubled": good * 2, "short": attribute(number, value[:-1]),
                "empty": attribute(number, b""), "long": attribute(number, value + b"A"),
                "longer": attribute(number, value + bytes(40)), "as a nest": attribute(number, value, True),
                "cut off": attribute(number, value, size=len(value) + 400)}
        if inner[sub].type in FORMS:
            ways.update((wrong.hex(), attribute(number, wrong)) for wrong in out_of_range(story, inner[sub]))
        for what, bad in ways.items():
            body = b"".join(bad if name == sub else other for name, other in whole.items())
            change(f"with {sub} {what}", what in ("longer", "as a nest") or None,
                   lambda kind, value, part, body=body: attribute(kind, body, True))


def limits(story, spec):
    """Least and largest value that an attribute may have by the specification, and that it can hold."""
    top = (1 << int(spec.type[1:])) - 1
    checks = spec.yaml.get("checks", {})
    largest = checks.get("max", top)
    if spec.yaml.get("enum"):
        largest = min(largest, len(story.client.ynl.consts[spec.yaml["enum"]].entries) - 1)
    return checks.get("min", 0), largest, top


def out_of_range(story, spec):
    """Values beyond what the specification says, as they are sent."""
    low, high, top = limits(story, spec)
    return [struct.pack(FORMS[spec.type], value) for value in sorted({low - 1, high + 1, top})
            if 0 <= value <= top and not low <= value <= high]


def misuse_steps(story):
    """What is around the changes of a transaction."""
    def attempt(body, what, refused=True):
        story.attempt("apply", [body], what, refused)

    discard = {"direction": "out", "action": "discard"}
    good = story.step("policy-add", b"".join(part for _, part in story.encode("policy", discard)))
    add = good[4:]
    attempt(good, "nothing wrong", False)
    attempt(good * 3, "three steps", False)
    attempt(b"", "no step")
    attempt(attribute(1, b"", True), "an empty step")
    attempt(attribute(1, add + add, True), "two changes in a step")
    attempt(attribute(1, add + b"\1\0\0\0", True), "a change, and an attribute shorter than its head", None)
    attempt(attribute(1, add), "a step that is no nest")
    attempt(attribute(1, attribute(100, b"1234"), True), "a step of what is not there")
    attempt(attribute(1, attribute(100, b"", True), True), "a step of what is not there, nested")
    attempt(attribute(1, attribute(4, b"1234"), True), "a flush with a value")
    attempt(attribute(1, attribute(4, b"", True), True), "a flush that is a nest", None)
    attempt(attribute(1, add, True, size=4000), "a step longer than the message")
    attempt(attribute(2, add, True), "an attribute that is not there")
    attempt(good + story.step("policy-flush", b""), "a flush behind an addition")
    attempt(story.step("policy-flush", b"") * 2 + story.step("sa-flush", b"") * 2 + good, "flushes twice", False)
    attempt(good * 40 + story.step("policy-add", b""), "its last step empty")
    client = story.client
    client.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 24)
    said = client.raw(client.ops["apply"].req_value, attribute(1, b"", True) * (STEPS + 1))
    equal(said, (errno.E2BIG, "a transaction has a million steps at most"), "answer to a step more than there may be")
    equal(story.state(), story.before, "SAs and policies after that")


def by_ynl(story):
    """All that espctl does."""
    do, r = story.client.do, story.r
    story.reset()
    listener = Client(r).ynl
    listener.ntf_subscribe("events")
    # Seen by espctl as well, and the other way round
    number = do("sa-add", spi=0x3001, direction="in", mode="tunnel", src=DST, dst=SRC, suite="chacha20poly1305",
                key=os.urandom(36), reqid=2, replay_window=128)["id"]
    shown = r.shown()[0x3001]
    equal((shown["id"], shown["suite"], shown["replay_window"]), (number, "chacha20poly1305", 128), "what espctl shows")
    got = do("sa-get", id=number)
    equal((got["spi"], got["replay-window"], got["fingerprint"].hex()), (0x3001, 128, shown["fingerprint"]),
          "what YNL shows")
    check("key" not in got, "the key is shown")
    do("sa-update", id=number, reqid=3, lifetime={"hard-packets": 1000})
    equal(r.shown()[0x3001]["reqid"], 3, "reqid after the update")
    reserved = do("sa-reserve", dst=SRC)
    check(0xc0000000 <= reserved["spi"] <= 0xcfffffff, f"SPI {reserved['spi']:#x} reserved")
    policy = do("policy-add", direction="out", action="protect", reqid=1, selector=SELECTOR)["id"]
    equal(do("policy-get", id=policy)["selector"], SELECTOR, "selector")
    said = do("explain", direction="out", src=addr("10.1.0.1"), dst=addr("10.2.0.1"), protocol=17, sport=5, dport=53)
    equal((said["policy"], said["spi"]), (policy, 0x1001), "explanation")
    counters = {c["name"]: c for c in do("stats-get")["counters"]}
    equal(set(counters), {c["name"] for c in json.loads(r.espctl("-j stats all").stdout)}, "counters")
    do("policy-del", id=policy)
    do("sa-del", id=number)
    do("apply", step=[{"sa-flush": True}, {"policy-flush": True},
                      {"sa-add": {"spi": 0x4001, "direction": "out", "mode": "tunnel", "src": SRC, "dst": DST,
                                  "suite": "aes128gcm16", "key": os.urandom(20), "reqid": 7}},
                      {"policy-add": {"direction": "out", "action": "protect", "reqid": 7, "selector": SELECTOR}}])
    equal(([sa["spi"] for sa in story.client.dump("sa-get")], [p["reqid"] for p in story.client.dump("policy-get")]),
          ([0x4001], [7]), "SAs and policies of a transaction")
    do("sa-flush")
    do("policy-flush")
    equal((story.client.dump("sa-get"), story.client.dump("policy-get")), ([], []), "what is left")

    def told():
        listener.check_ntf()
        return listener.async_msg_queue[-1:] and listener.async_msg_queue[-1]["name"] == "policy-flush-ntf"
    eventually(told, "the last event")
    names = [event["name"] for event in listener.async_msg_queue]
    equal(names, ["sa-add-ntf", "sa-update-ntf", "sa-add-ntf", "policy-add-ntf", "policy-del-ntf", "sa-del-ntf",
                  # of the transaction: what comes, then what goes
                  "sa-add-ntf", "policy-add-ntf", "sa-del-ntf", "sa-del-ntf", "policy-del-ntf",
                  "sa-flush-ntf", "policy-flush-ntf"], "events")
    listener.sock.close()


def refusals(story):
    """What no client gets."""
    story.reset()
    base = {"spi": 0x2001, "direction": "out", "mode": "tunnel", "src": SRC, "dst": DST, "reqid": 1}
    for suite, size, why in (("null", 0, "integrity"), ("null-null", 0, "integrity"), ("aes128", 16, "integrity"),
                             ("aes256", 32, "integrity"), ("aes128ctr", 20, "integrity"), ("aes128-none", 16, "integrity"),
                             ("ah-sha256", 32, "AH"), ("des-sha256", 40, "DES"), ("3des-sha256", 56, "3DES"),
                             ("aes128-md5", 32, "MD5"), ("blowfish128-sha256", 48, "64-bit"), ("rot13", 16, "suite")):
        said = story.client.refused("sa-add", **{**base, "suite": suite, "key": bytes(range(size))})
        check(said and why in said, f"{suite} is answered {said!r}")
    for more, why in (({"spi": 255}, "256"), ({"spi": 0}, "256"), ({"key": bytes(19)}, "too short"), ({"key": bytes(21)}, "too long"),
                      ({"replay-window": 64}, "inbound"), ({"dst": addr("224.0.0.1")}, "unicast"),
                      ({"src": addr("2001:db8::1")}, "famil"), ({"key": b""}, "too short")):
        said = story.client.refused("sa-add", **{**base, "suite": "aes128gcm16", "key": os.urandom(20), **more})
        check(said and why in said, f"{more} is answered {said!r}")
    said = story.client.refused("sa-add", **{**base, "direction": "in", "suite": "aes128gcm16", "key": os.urandom(20),
                                             "replay-window": 0})
    check(said and "need a replay window" in said, f"ESN without a window is answered {said!r}")
    equal(story.state(), story.before, "SAs and policies")


def main(lab):
    story = Story(lab)
    with lab.test("ynl", "the kernel's client, which has read the specification, does what espctl does"):
        by_ynl(story)
    with lab.test("refusals", "what espctl refuses the family refuses too, with its sentence: no integrity, AH, broken "
                              "ciphers, reserved SPIs, wrong keys"):
        refusals(story)
    story.reset()
    for op, values in requests(story):
        with lab.test(f"misuse/{op}/{'-'.join(list(values)[:1] + list(values)[-1:])}",
                      f"each attribute of {op} missing, short, long, doubled, nested wrongly, out of range: "
                      "a sentence, and nothing changed"):
            misuse(story, op, values)
    with lab.test("misuse/apply", "steps of a transaction missing, empty, double, flat, cut off, in the wrong order: a sentence, "
                                  "and nothing of the transaction done"):
        misuse_steps(story)
    story.in_step = True
    tried = set()
    for op, values in requests(story):
        if op in story.client.sets["step"].attrs and op not in tried:
            tried.add(op)
            with lab.test(f"misuse/step/{op}", f"each attribute of {op} as a step, likewise"):
                misuse(story, op, values)
    lab.say(f"{story.tried} requests")
