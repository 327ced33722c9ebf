# SPDX-License-Identifier: GPL-2.0
"""A file of commands does all that it says, or nothing; what was saved comes back.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

espctl -f FILE is one transaction. Packets meet the SAs and policies of before or
those of after, whatever is replaced under load: each arrives, once, in order, as
ESP, and no IV is used twice under one key.
"""

import json
import os
import re

from client import Client, addr
from lab import ESPCTL, Counts, Packet, Wire, ask, check, command, equal
from load import Load, note_ivs

SUITE = "aes128gcm16"
HERE, THERE = "192.0.2.1", "192.0.2.2"
# Transactions under load, of rekeys, updates and reloads alike; eight are a round
CHANGES = 1000
DEBUG_CHANGES = 160
PATH = "/tmp/espctl.conf"


class Story:
    """The sites, and files of keys."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites()
        os.makedirs("/tmp/keys", mode=0o700, exist_ok=True)
        self.near, self.far = self.a.udp("10.1.0.2", 5001), self.b.udp("10.2.0.2", 5002)

    def key(self, name):
        """A file with a key; its path."""
        path = f"/tmp/keys/{name}"
        if not os.path.exists(path):
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
                file.write(os.urandom(20).hex() + "\n")
        return path

    def text(self, gate, more="", policies=""):
        """What makes a gateway one end of the tunnel, whatever it was."""
        out, come = (1, 2) if gate is self.g1 else (2, 1)
        ends = {1: f"src {HERE} dst {THERE}", 2: f"src {THERE} dst {HERE}"}
        return f"""# one end of the tunnel
policy flush
sa flush
sa add spi 0x100{out} dir out mode tunnel {ends[out]} \\
       suite {SUITE} key-file "{self.key(out)}" reqid 1 {more}

sa add spi 0x100{come} dir in mode tunnel {ends[come]} suite {SUITE} key-file '{self.key(come)}' reqid 1
policy add dir out src 10.{out}.0.0/24 dst 10.{come}.0.0/24 action protect reqid 1  # there
policy add dir in src 10.{come}.0.0/24 dst 10.{out}.0.0/24 action protect reqid 1
{policies}"""

    def apply(self, gate, text, good=True):
        """espctl -f."""
        with open(PATH, "w", encoding="utf-8") as file:
            file.write(text)
        return gate.espctl(f"-f {PATH}", good=good)

    def both(self):
        """The tunnel, afresh."""
        for gate in (self.g1, self.g2):
            gate.silence()
            self.apply(gate, self.text(gate))


def state(gate):
    """SAs and policies, but for what the clock moves."""
    sas = json.loads(gate.espctl("-j sa show").stdout)
    for sa in sas:
        del sa["usage"]
    return sas, gate.policies()


def refused(story):
    """A mistake anywhere, and nothing of the file is done."""
    g1, client = story.g1, Client(story.g1)
    story.both()

    def everything():
        sas = client.dump("sa-get")
        for sa in sas:
            del sa["usage"]
        return sas, client.dump("policy-get")

    ask(story.near, story.far, b"before")
    before = everything()
    new = f"sa add spi 0x2001 dir out mode tunnel src {HERE} dst {THERE} suite {SUITE} key-file {story.key('new')} reqid 7"
    fill = "policy add dir out src 10.9.0.0/16 action protect reqid 7\n" + new + "\n"
    for line, why in (
            ("sa ad spi 1", "sa: unknown word 'ad': did you mean 'add'"),
            ("stats", "stats: only what changes SAs or policies"),
            ("sa show", "sa show: only what changes"),
            ("sa reserve dst 192.0.2.1", "sa reserve: only what changes"),
            (new.replace("0x2001", "0x2002"), "key-file .*new: another outbound SA has this key|sa add: another outbound SA"),
            (new, "sa add: an SA with this SPI, destination and direction exists"),
            (new.replace("0x2001", "0x2003").replace("aes128gcm16", "aes256gcm16"), "key-file .*: the key is too short"),
            (new.replace("0x2001", "255"), "spi 255: SPIs 0 to 255 are reserved"),
            (new.replace("0x2001", "0x2003").replace("aes128gcm16", "aes128"), "suite aes128: .*integrity"),
            (new + " ttl 0", "ttl 0: "),
            ("sa del id 4000000", "sa del: there is no such SA"),
            ("policy del id 4000000", "policy del: there is no such policy"),
            ("sa update id 4000000 reqid 3", "sa update: there is no such SA"),
            (f"sa del spi 0x2001 dst {THERE} dir out", "sa del: the transaction adds or changes this SA"),
            (f"sa update spi 0x2001 dst {THERE} dir out reqid 4", "sa update: the transaction adds or changes"),
            ("sa flush", "sa flush: a flush stands before"),
            ("policy flush", "policy flush: a flush stands before"),
            ("policy add dir out action protect", "policy add: 'action protect' needs reqid"),
            ("policy add dir out src 10.0.0.9-10.0.0.1 action discard", "src .*: the range ends before it begins"),
            ("policy add \"dir out action discard", "a \" is without its other end")):
        done = story.apply(g1, fill + line + "\n" + fill.replace("0x2001", "0x2004"), good=False)
        check(done.returncode, f"{line!r} was taken")
        equal(done.stdout, "", "standard output")
        check(re.fullmatch(f"espctl: {PATH}:3: ({why}).*\n", done.stderr), f"{line!r} is answered {done.stderr!r}")
        equal(everything(), before, f"SAs and policies after {line!r}")
    equal(g1.espctl(f"-f {PATH} more", good=False).returncode, 2, "status with a word too much")
    equal(g1.espctl("-f /none", good=False).stderr, "espctl: /none: No such file or directory\n", "without the file")
    ask(story.near, story.far, b"after")
    client.close()


def lives_on(story):
    """What is added again with its key is the SA that was there."""
    g1, g2 = story.g1, story.g2
    story.both()
    for number in range(5):
        ask(story.near, story.far, bytes([number]))
    wire = Wire(g1, "wan", "esp")
    ask(story.near, story.far, b"once")
    sealed = next(frame for frame in wire.packets() if Packet(frame).spi == 0x1001)
    was = g2.shown()
    story.apply(g2, story.text(g2, "hard-packets 100000 pin on", "policy add dir out dst 10.77.0.0/16 action discard\n"))
    now = g2.shown()
    for spi, sa in now.items():
        equal([sa[word] for word in ("id", "seq", "packets", "bytes", "fingerprint")],
              [was[spi][word] for word in ("id", "seq", "packets", "bytes", "fingerprint")], f"SA {spi:#x}")
    equal((now[0x1002]["lifetime"], now[0x1002].get("pin"), len(g2.policies())), ({"hard_packets": 100000}, True, 3), "what changed")
    counts = Counts(g2)
    wire.send(sealed)
    counts.become(in_replay_seen=1)
    ask(story.near, story.far, b"and on")
    # Also where its address has changed since: the window is that of the key.
    g2.espctl(f"sa update spi 0x1001 dst {THERE} dir in new-dst 192.0.2.77")
    story.apply(g2, story.text(g2))
    shown = g2.shown()[0x1001]
    equal((shown["id"], shown["dst"]), (was[0x1001]["id"], THERE), "the inbound SA")
    wire.send(sealed)
    counts.become(in_replay_seen=2)
    ask(story.near, story.far, b"here again")
    wire.close()
    # Other settings under the same key: numbers would begin again, or the window.
    before = state(g2)
    for text in (story.text(g2, "tfc 1000"), story.text(g2).replace("dir in mode tunnel", "dir in window 64 mode tunnel")):
        done = story.apply(g2, text, good=False)
        check(re.match(f"espctl: {PATH}:[0-9]+: key-file .*: the SA with this key differs", done.stderr), f"said {done.stderr!r}")
        equal(state(g2), before, "SAs and policies")
    # Without the flush it is an SA too many.
    done = story.apply(g2, story.text(g2).replace("sa flush", ""), good=False)
    check("exists" in done.stderr, f"said {done.stderr!r}")
    # A new key under the old name is a new SA.
    with open(story.key(2), "w", encoding="ascii") as file:
        file.write(os.urandom(20).hex())
    story.apply(g2, story.text(g2))
    story.apply(g1, story.text(g1))
    check(g2.sas()[0x1002]["seq"] == 0 and g2.sas()[0x1002]["id"] != was[0x1002]["id"], "the new SA is the old one")
    for number in range(3):
        ask(story.near, story.far, bytes([number]))


def saved(story):
    """What espctl save prints restores the state, behind the numbers that were used."""
    g1, g2 = story.g1, story.g2
    story.both()
    counts = Counts(g2)
    g1.sa("in", 0x3001, THERE, "any", "chacha20poly1305", os.urandom(36),
          more="reqid 9 roam on encap 4500 4500 mss-clamp off soft-bytes 1000 hard-bytes 1000000 hard-seconds 7000 "
               "sel src 10.3.0.0-10.3.0.77 proto tcp dport 80-81")
    g1.sa("out", 0x3002, "any", "2001:db8::9", "aes256-sha512", os.urandom(96),
          more="reqid 9 esn off dscp 10 ecn off df set ttl 9 tfc 700 encap 4500 4501 keepalive 9 hard-packets 70000000")
    g1.sa("out", 0x3003, HERE, THERE, "null-sha256", os.urandom(32), mode="transport", more="reqid 8 dummy 7 pin on")
    # All of one family, which is less than all
    g1.sa("in", 0x3004, THERE, HERE, SUITE, os.urandom(20), more="reqid 8 sel src 0.0.0.0/0")
    for words in ("dir in src 10.0.0.0/8 proto udp dport 53 priority 5 action bypass", "dir out family 6 action discard",
                  "dir out proto icmpv6 icmp 128/0 action bypass", "dir out proto icmp icmp 3-5 action discard",
                  "dir out dst 10.4.0.1-10.4.0.9 action protect reqid 9 on-demand", "dir in src 10.200.0.0/16 action discard priority 4000000"):
        g1.policy(words)
    for number in range(7):
        ask(story.near, story.far, bytes([number]))
    before = state(g1)
    text = g1.espctl("save margin 5000 key-dir /tmp/keys").stdout
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    equal([o["command"] for o in json.loads(g1.espctl("-j save margin 5000 key-dir /tmp/keys").stdout)][:3], lines[:3], "as JSON")
    keys = {"0x00001001": story.key(1), "0x00001002": story.key(2)}
    own = [line for line in lines if any(spi in line for spi in keys)]
    equal(len(own), 2, "lines of the tunnel's SAs")
    # The keys stay where they are: what save prints names them by fingerprint.
    for line in lines:
        spi = re.search("spi (0x\\w+)", line)
        path = re.search("key-file (\\S+)", line)
        if path and spi[1] in keys:
            os.link(keys[spi[1]], path[1])
        elif path:
            suite = re.search("suite (\\S+)", line)[1]
            with open(os.open(path[1], os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
                file.write(g1.espctl("genkey " + suite).stdout)
    # In a namespace that has nothing, as after a reboot
    fresh, = story.lab.build("fresh")
    story.apply(fresh, text)
    restored = state(fresh)
    equal(len(restored[0]), len(before[0]), "SAs")
    for old, new in zip(*(sorted(each[0], key=lambda sa: sa["spi"]) for each in (before, restored))):
        out = old["direction"] == "out"
        equal(new["seq"], old["seq"] + 5000 * out, f"numbers of {old['spi']}")
        if old["spi"] in ("0x00001001", "0x00001002"):
            equal(new["fingerprint"], old["fingerprint"], "fingerprint")
        for word in set(old) - {"id", "seq", "packets", "bytes", "fingerprint", "mtu", "driver", "lifetime", "lost", "reorder"}:
            equal(new.get(word), old[word], f"{word} of {old['spi']}")
    life = {sa["spi"]: sa.get("lifetime") for sa in restored[0]}
    check(life["0x00003001"]["hard_bytes"] == 1000000 and 6900 < life["0x00003001"]["hard_seconds"] <= 7000, f"{life}")
    equal(life["0x00003002"], {"hard_packets": 70005000}, "lifetime outbound")
    strip = [{k: v for k, v in p.items() if k not in ("id", "packets", "drops")} for p in before[1]]
    equal([{k: v for k, v in p.items() if k not in ("id", "packets", "drops")} for p in restored[1]], strip, "policies")
    # What lives keeps its limits, of which a saved file names the rest.
    g1.sa("in", 0x300a, THERE, HERE, SUITE, bytes.fromhex(open(story.key("limit"), encoding="ascii").read()),
          more="reqid 7 hard-seconds 5000 hard-bytes 10000")
    g1.sa("out", 0x300b, HERE, THERE, SUITE, bytes.fromhex(open(story.key("few"), encoding="ascii").read()),
          more="reqid 7 hard-packets 100")
    living = [line for line in g1.espctl("save key-dir /tmp/keys").stdout.splitlines() if re.search("spi 0x0000300[ab]", line)]
    for line, key in zip(living, ("limit", "few")):
        os.link(story.key(key), re.search("key-file (\\S+)", line)[1])
    check("hard-packets 1048676" in living[1], f"saved {living[1]}")
    names = {spi: g1.shown()[spi]["lifetime"] for spi in (0x300a, 0x300b)}
    story.apply(g1, "".join(f"sa del spi {spi} dst {dst} dir {way}\n" for spi, dst, way in
                            ((0x300a, HERE, "in"), (0x300b, THERE, "out"))) + "\n".join(living) + "\n")
    equal({spi: g1.shown()[spi]["lifetime"] for spi in names}, names, "limits of what lives on")
    # Here, where all of it still lives, it changes nothing that matters.
    own_text = "policy flush\nsa flush\n" + "\n".join(own + lines[-8:]) + "\n"
    story.apply(g1, own_text)
    ask(story.near, story.far, b"it lives on")
    # After a restart of one side its numbers are ahead of all that the peer has seen.
    g1.silence()
    story.apply(g1, own_text)
    for number in range(3):
        ask(story.near, story.far, bytes([number]))
    equal(counts.new(), {}, "drops of the peer")
    check(g2.sas()[0x1001]["seq"] > 5000, "the restored SA began anew")
    # A 32-bit SA near its end has no margin left, and says so.
    g1.sa("out", 0x3009, HERE, THERE, SUITE, os.urandom(20), more="reqid 8 esn off seq 4294967000")
    check(re.search("# SPI 0x00003009 .*needs a new key", g1.espctl("save").stdout), "an SA at its end is saved")


def many_changes(story):
    """Rekeys, updates and reloads under load, each one transaction at each gateway."""
    lab, g1, g2 = story.lab, story.g1, story.g2
    rounds = (DEBUG_CHANGES if lab.debug else CHANGES) // 8
    clients = Client(g1), Client(g2)
    ends = (addr(HERE), addr(THERE))
    keys = {}

    def sa(number, way, direction, **more):
        """An SA of a round: what sa-add takes."""
        spi = (0x10000, 0x20000)[way] + number
        if spi not in keys:
            keys[spi] = os.urandom(20)
        return {"spi": spi, "direction": direction, "mode": "tunnel", "src": ends[way], "dst": ends[1 - way], "suite": SUITE,
                "key": keys[spi], "reqid": 1, **more}

    def policies(gate):
        """The policies of a gateway, among others that come and go with them."""
        nets = [(addr(f"10.{n}.0.0"), addr(f"10.{n}.0.255")) for n in (1, 2)]
        for direction in ("out", "in"):
            src, dst = nets if (direction == "out") == (gate == 0) else nets[::-1]
            sel = {"src-first": src[0], "src-last": src[1], "dst-first": dst[0], "dst-last": dst[1]}
            # Behind the policy that protects, one that would let all of it pass.
            yield {"policy-add": {"direction": direction, "action": "protect", "reqid": 1, "selector": sel, "priority": 10}}
            yield {"policy-add": {"direction": direction, "action": "bypass", "family": 4, "priority": 20}}

    def apply(gate, *steps):
        clients[gate].do("apply", step=list(steps))
        load.turn()

    flush = {"policy-flush": True}, {"sa-flush": True}
    load = Load(story.a, story.b)
    counts = Counts(g1), Counts(g2)
    for gate in (0, 1):
        clients[gate].do("apply", step=[*flush, {"sa-add": sa(0, gate, "out")}, {"sa-add": sa(0, 1 - gate, "in")}, *policies(gate)])
    wire = Wire(g1, "wan", "ip")
    seen, frames = {}, 0
    for number in range(1, rounds + 1):
        # A reload of the same, in which the SAs live on
        for gate in (0, 1):
            apply(gate, *flush, {"sa-add": sa(number - 1, gate, "out")}, {"sa-add": sa(number - 1, 1 - gate, "in")},
                  *policies(gate))
        # New keys: both ends take the new SA in, then both send by it and let the old one go
        for gate in (0, 1):
            apply(gate, {"sa-add": sa(number, 1 - gate, "in")})
        for gate in (0, 1):
            old = sa(number - 1, gate, "out")
            apply(gate, {"sa-add": sa(number, gate, "out")},
                  {"sa-del": {name: old[name] for name in ("spi", "direction", "dst")}})
        load.settle()
        # A reload that lets the old inbound SA go, and an update, in one
        for gate in (0, 1):
            new = sa(number, gate, "out")
            apply(gate, {"sa-update": {**{name: new[name] for name in ("spi", "direction", "dst")},
                                       "lifetime": {"hard-packets": 1 << 40}}},
                  {"sa-del": {name: sa(number - 1, 1 - gate, "in")[name] for name in ("spi", "direction", "dst")}}, flush[0],
                  *policies(gate))
        frames += note_ivs(wire.packets(), seen)
    load.finish()
    frames += note_ivs(wire.packets(), seen)
    wire.close()
    equal(frames, sum(load.sent), "packets of ESP for those that were sent")
    check(len(seen) > 1.9 * rounds, f"{len(seen)} SAs were used in {rounds} rounds")
    for gate, count in zip((g1, g2), counts):
        equal(count.new(), {}, f"drops of {gate.name}")
        equal((len(gate.sas()), len(gate.policies())), (2, 4), f"SAs and policies of {gate.name} that are left")
    lab.say(f"{8 * rounds} transactions, {frames} packets")
    for sock in load.ends:
        sock.close()


def exposed(story):
    """A key that others may read is told of, with its line."""
    story.both()
    os.chmod(story.key(1), 0o644)
    try:
        done = story.apply(story.g1, story.text(story.g1))
    finally:
        os.chmod(story.key(1), 0o600)
    check(re.match(f"espctl: {PATH}:[0-9]+: warning: key-file .*: other users may read it", done.stderr), f"said {done.stderr!r}")


def by_stdin(story):
    """A file can be standard input; keys then come from elsewhere."""
    g1 = story.g1
    story.both()
    with g1:
        done = command([ESPCTL, "-f", "-"], text="policy add dir out dst 10.8.0.0/16 action discard\r\n")
        equal((done.returncode, done.stderr), (0, ""), "espctl -f -")
        done = command([ESPCTL, "-f", "-"], text="", good=False)
        equal((done.returncode, done.stderr), (0, ""), "an empty file")
    equal(len(g1.policies()), 3, "policies")


def renumbered(story):
    """Two peers change reqids, again and again: no packet is sealed for the other one."""
    lab, a, g1, g2 = story.lab, story.a, story.g1, story.g2
    story.both()
    far, stranger = "192.0.2.7", "02:00:00:00:00:07"
    g1.ip(f"neigh replace {far} lladdr {stranger} dev wan\nroute replace 10.7.0.0/24 via {far}")

    def text(number):
        own, other = (1, 2) if number % 2 else (2, 1)
        return f"""policy flush
sa flush
sa add spi 0x1001 dir out mode tunnel src {HERE} dst {THERE} suite {SUITE} key-file {story.key(1)} reqid {own}
sa add spi 0x1002 dir in mode tunnel src {THERE} dst {HERE} suite {SUITE} key-file {story.key(2)} reqid {own}
sa add spi {0x1100 + number} dir out mode tunnel src {HERE} dst {far} suite {SUITE} key-file {story.key(f"far{number}")} reqid {other}
policy add dir out src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid {own}
policy add dir in src 10.2.0.0/24 dst 10.1.0.0/24 action protect reqid {own}
policy add dir out src 10.1.0.0/24 dst 10.7.0.0/24 action protect reqid {other}
"""

    story.apply(g1, text(0))
    near, there = a.udp("10.1.0.2", 6001), a.udp("10.1.0.2", 6002)
    back = story.b.udp("10.2.0.2", 6003)
    counts, wire = (Counts(g1), Counts(g2)), Wire(g1, "wan", "esp")
    # What a guest does beside changes
    pause = 0.02 if lab.debug else 0.001
    pids = [lab.load((near, ("10.2.0.2", 5002)), size=100, pause=pause), lab.load((there, ("10.7.0.2", 9)), size=300, pause=pause),
            lab.load((back, ("10.1.0.2", 5001)), size=100, pause=2 * pause)]
    lengths = {}
    for number in range(1, 6 if lab.debug else 13):
        story.apply(g1, text(number))
        for packet in map(Packet, wire.packets()):
            lengths.setdefault(packet.spi if packet.spi < 0x1100 else far, set()).add(len(packet.body))
    for pid in pids:
        lab.unload(pid)
    wire.close()
    equal([len(lengths.get(spi, ())) for spi in (0x1001, 0x1002, far)], [1, 1, 1], f"lengths of the packets of each SA {lengths}")
    check(lengths[0x1001] != lengths[far], "one length for all")
    for each in counts:
        each.become()
    g1.ip(f"route del 10.7.0.0/24\nneigh del {far} dev wan")
    for sock in (near, there, back):
        sock.close()


def main(lab):
    lab.pin()
    story = Story(lab)
    for name, sentence, test in (
            ("refused", "a mistake in any line of a file: file, line and why, and nothing of it is done", refused),
            ("lives-on", "an SA that a file adds again with its key lives on: numbers, window and counters stay", lives_on),
            ("saved", "what espctl save prints restores SAs and policies, with numbers behind those that were used", saved),
            ("stdin", "a file may be standard input", by_stdin),
            ("exposed", "a key file that others may read is told of", exposed),
            ("renumbered", "peers change reqids, one of them under new keys, while packets flow: none is sealed for the other "
                           "one, or lost", renumbered),
            ("changes", f"{DEBUG_CHANGES if lab.debug else CHANGES} rekeys, updates and reloads under load: each packet arrives, "
                        "in order, as ESP; no IV twice under one key", many_changes)):
        if lab.wants(name):
            with lab.test(name, sentence):
                test(story)
