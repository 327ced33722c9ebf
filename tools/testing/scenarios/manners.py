# SPDX-License-Identifier: GPL-2.0
"""The manners of espctl: JSON as documented, colours, completion, keys, the unit for systemd.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

What tools/espctl/README says of JSON is read by the test, which holds each output
against it, and each key of it must have been seen in some output.
"""

import contextlib
import ipaddress
import json
import os
import pty
import re
import shutil
import stat
import struct
import subprocess
import time

from lab import ESPCTL, Counts, Monitor, Packet, Wire, ask, check, command, equal, eventually, ipv4, udp
from load import Load

README = "tools/espctl/README"
UNIT = "tools/espctl/espctl.service"
SUITE = "aes128gcm16"
KINDS = (SUITE, "aes256ccm8", "aes192gmac", "chacha20poly1305", "aes128-sha384", "aes256ctr-sha512", "null-sha256")
HERE, THERE = "192.0.2.1", "192.0.2.2"
ENDS = f"mode tunnel src {HERE} dst {THERE}"
KEYS = "/tmp/manners"
FORMS = {
    "string": r".*", "hex": r"([0-9a-f]{2})+", "spi": r"0x[0-9a-f]{8}",
}
# Numbers that the README says have a fraction
FRACTIONS = {"time", "packets_per_second", "bits_per_second", "drops_per_second"}


class Schema:
    """What the README says of JSON."""

    def __init__(self):
        self.commands, self.objects, self.seen = {}, {}, set()
        name = None
        with open(README, encoding="utf-8") as file:
            text = file.read().split("JSON\n----\n")[1]
        for line in text.splitlines():
            head = re.fullmatch(r"([a-z]+):(\t.*)?", line)
            key = re.fullmatch(r"\t([a-z_]+)(\??)\t+(\S+)(\t.*)?", line)
            made = re.fullmatch(r"\t([a-z ]+)\t+([a-z]+)(\[\])?(\.\.\.)?(\t.*)?", line)
            if head:
                name = head[1]
                self.objects[name] = {}
            elif name and key:
                self.objects[name][key[1]] = (key[3], bool(key[2]))
            elif not name and made:
                self.commands[made[1]] = (made[2], bool(made[3]), bool(made[4]))
        check(len(self.commands) > 10 and len(self.objects) > 15, f"README: read {self.commands} {self.objects}")

    def value(self, kind, value, where):
        """A value has the type that is documented."""
        if kind.endswith("[]"):
            check(isinstance(value, list), f"{where} is no array: {value!r}")
            for one in value:
                self.value(kind[:-2], one, where)
        elif kind in self.objects:
            self.object(kind, value, where)
        elif kind == "number":
            check(isinstance(value, int if where.rpartition(".")[2] not in FRACTIONS else (int, float)) and
                  not isinstance(value, bool) and value >= 0, f"{where} is no number: {value!r}")
        elif kind == "boolean":
            check(isinstance(value, bool), f"{where} is no boolean: {value!r}")
        elif kind == "address":
            equal(str(ipaddress.ip_address(value)), value, where)
        else:
            form = FORMS.get(kind, kind)
            check(kind in FORMS or "|" in kind, f"{where}: the README has a type {kind}")
            check(isinstance(value, str) and re.fullmatch(form, value), f"{where} is not {kind}: {value!r}")

    def object(self, name, value, where):
        """An object has the keys that are documented, and no others."""
        keys = self.objects[name]
        check(isinstance(value, dict), f"{where} is no object: {value!r}")
        equal(set(value) - set(keys), set(), f"{where}: keys that the README lacks")
        equal({key for key, (_, may) in keys.items() if not may} - set(value), set(), f"{where}: keys that are missing")
        for key, one in value.items():
            self.seen.add((name, key))
            self.value(keys[key][0], one, f"{name}.{key}")

    def output(self, what, text):
        """What a command printed; the objects."""
        name, many, lines = self.commands[what]
        texts = text.splitlines() if lines else [text]
        objects = []
        for each in texts:
            made = json.loads(each)
            self.value(name + "[]" * many, made, what)
            objects += made if many else [made]
        check(objects, f"{what} printed nothing")
        return objects

    def unseen(self):
        return sorted(f"{name}.{key}" for name, keys in self.objects.items() for key in keys
                      if (name, key) not in self.seen)


class Story:
    """The sites, and keys in files."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites()
        self.schema = Schema()
        self.made = set()
        self.near, self.far = self.a.udp("10.1.0.2", 5001), self.b.udp("10.2.0.2", 5002)
        with contextlib.suppress(FileExistsError):
            os.mkdir(KEYS, 0o700)

    def json(self, words, key=None, good=True, what=None):
        """A command with -j, held against the README."""
        done = self.g1.espctl("-j " + words, key=key, good=good)
        what = what or next(name for name in sorted(self.schema.commands, key=len, reverse=True)
                            if words.startswith(name))
        self.made.add(what)
        return self.schema.output(what, done.stdout)

    def key(self, name, suite=SUITE):
        """A file with a key; its path."""
        path = f"{KEYS}/{name}"
        if not os.path.exists(path):
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                subprocess.run([ESPCTL, "genkey", suite], stdout=file, check=True)
        return path


def populate(story):
    """SAs and policies in which each key that is documented has a value."""
    g1, g2 = story.g1, story.g2
    there, _ = story.lab.tunnel(g1, g2)
    story.lab.protect(g1, g2)
    ask(story.near, story.far, b"used")
    life = " ".join(f"{how}-{what} {limit}" for how, limit in (("soft", 10000), ("hard", 1000000))
                    for what in ("bytes", "packets", "seconds", "use-seconds"))
    story.json(f"sa add spi 0x2001 dir out {ENDS} suite {SUITE} reqid 2 encap 4500 4501 keepalive 20 dscp 10 ecn off "
               f"df set ttl 9 tfc 700 pin on {life} key-file -", os.urandom(20).hex())
    story.json(f"sa add spi 0x2002 dir in {ENDS.replace(THERE, 'any')} suite {SUITE} reqid 2 roam on sel src 10.3.0.0/16 "
               "dst 10.4.0.1-10.4.0.9 proto tcp sport 1-2 dport 80 key-file -", os.urandom(20).hex())
    story.json("sa reserve dst 192.0.2.1 spi 0xc0000000-0xcfffffff seconds 900")
    # One that has reached both its limits
    g1.sa("out", 0x2003, HERE, THERE, SUITE, os.urandom(20), more="reqid 3 soft-packets 1 hard-packets 2 soft-use-seconds 10000 dummy 9000")
    story.json("policy add dir out src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport 5003 priority 7 action protect reqid 3")
    for _ in range(3):
        story.near.sendto(b"to its limits", ("10.2.0.2", 5003))
    g1.policy("dir in family 6 priority 3000 action bypass")
    g1.ip("route add 10.66.0.0/16 via 192.0.2.2")
    g1.policy("dir out dst 10.66.0.0/16 priority 8 action protect reqid 66 on-demand")
    g1.policy("dir out proto icmp icmp 8/0 dst 10.67.0.0/16 priority 9 action discard")
    # A forged packet, of which an SA tells
    wire = Wire(g2, "wan")
    wire.send(g1.mac("wan") + g2.mac("wan") + b"\x08\0" +
              ipv4(THERE, HERE, 50, b"\0\0\x10\x02" + b"\0\0\1\0" + bytes(60)))
    wire.close()
    eventually(lambda: g1.sas()[0x1002]["drops"] and g1.sas()[0x2003]["state"] == "expired", "drops and an expired SA")
    return there


def shown(story):
    """What shows, with -j."""
    g1 = story.g1
    sas = {int(sa["spi"], 0): sa for sa in story.json("sa show")}
    equal(sas[0x2003]["hard_limit"], "packets", "limit reached")
    check({"larval", "valid", "expired"} <= {sa["state"] for sa in sas.values()}, "states")
    equal(story.json(f"sa show id {sas[0x2001]['id']}")[0]["spi"], "0x00002001", "one SA")
    policies = story.json("policy show")
    equal(story.json(f"policy show id {policies[0]['id']}"), policies[:1], "one policy")
    story.json("limits show")
    story.json("stats all")
    equal([counter["value"] > 0 for counter in story.json("stats")], [True] * len(story.json("stats")), "non-zero counters")
    story.json("save")
    story.json("suites")
    story.json("explain 10.1.0.2 10.2.0.2")
    equal([answer["answer"] for answer in story.json("explain 10.2.0.2 10.1.0.2 proto tcp dport 80")][1], "drop",
          "an answer in clear")
    story.json("doctor", good=False)
    story.json("top every 1 count 1")
    story.json(f"genkey {SUITE}")
    equal(story.json(f"fingerprint {SUITE} key-file {story.key('one')}")[0]["fingerprint"],
          g1.espctl(f"fingerprint {SUITE} key-file {story.key('one')}").stdout.strip(), "fingerprint")


def told(story):
    """What goes on, with -j."""
    g1 = story.g1
    monitor = Monitor(g1)
    tracer = g1.start([ESPCTL, "-j", "trace"], stdout=subprocess.PIPE)
    eventually(lambda: any(open(f"{d.path}/events/esp_mod/drop/enable", encoding="ascii").read().strip() == "1"
                           for d in os.scandir("/sys/kernel/tracing/instances")), "the trace is on")
    number = story.json(f"sa add spi 0x2005 dir in {ENDS} suite {SUITE} reqid 5 key-file -", os.urandom(20).hex())[0]["id"]
    g1.espctl(f"sa update id {number} reqid 6")
    g1.espctl(f"sa del id {number}")
    policy = g1.policy("dir in dst 10.9.0.0/16 action discard")
    g1.espctl(f"policy del id {policy}")
    story.near.sendto(b"for whom there is no SA", ("10.66.0.1", 5003))
    story.near.sendto(b"by an SA that has expired", ("10.2.0.2", 5003))
    wire = Wire(story.g2, "wan")
    wire.send(g1.mac("wan") + story.g2.mac("wan") + b"\x08\0" + ipv4("10.2.0.2", "10.1.0.2", 17, udp(9, 10, b"clear")))
    wire.close()
    names = {"sa-add", "sa-update", "sa-del", "policy-add", "policy-del", "acquire"}
    eventually(lambda: names <= {event["event"] for event in monitor.take()}, "events")
    for event in monitor.seen:
        story.schema.output("monitor", json.dumps(event))
    eventually(lambda: {"in_clear", "out_expired"} <= set(g1.stats()), "drops")
    equal(monitor.stop(), 0, "status of the monitor")
    time.sleep(0.5)
    tracer.terminate()
    drops = story.schema.output("trace", tracer.communicate(timeout=10)[0].decode())
    check({"in_clear", "out_expired"} <= {drop["reason"] for drop in drops}, f"traced {drops}")
    story.made |= {"monitor", "trace"}
    equal(story.made, set(story.schema.commands), "commands with JSON that were tried")
    equal(story.schema.unseen(), [], "keys of the README that no output had")


def silent(story):
    """What prints nothing prints nothing with -j, and errors are the same."""
    g1 = story.g1
    known = set(story.schema.commands)
    every = re.findall(r"^  espctl ((?:sa|policy|limits) [a-z]+|[a-z]+)", g1.espctl("--help").stdout, re.M)
    quiet = set(every) - known
    equal(quiet, {"sa update", "sa del", "sa flush", "policy del", "policy flush", "limits set"}, "commands without JSON")
    number = g1.sas()[0x2001]["id"]
    policy = g1.policy("dir in dst 10.9.0.0/16 action discard")
    with open("/tmp/manners.conf", "w", encoding="ascii") as file:
        file.write("policy add dir in dst 10.9.0.0/16 action discard\n")
    for words in (f"sa update id {number} reqid 4", f"policy del id {policy}", "-f /tmp/manners.conf"):
        done = g1.espctl("-j " + words)
        equal((done.stdout, done.stderr), ("", ""), f"-j {words}")
    for words in ("sa del id 4000000", "sa del", "sa shwo", "policy show id 4000000", "fingerprint nonsense key-file -",
                  "explain 10.1.0.2", "trace reason nonsense", "save margin x", "-f /none"):
        with_json, without = g1.espctl("-j " + words, good=False), g1.espctl(words, good=False)
        check(with_json.returncode and len(with_json.stderr.splitlines()) == 1, f"{words}: said {with_json.stderr!r}")
        equal((with_json.stdout, with_json.stderr, with_json.returncode), ("", without.stderr, without.returncode), f"-j {words}")


def seen_on_terminal(ns, words, **env):
    """What a command writes to a terminal."""
    near, far = pty.openpty()
    with ns, subprocess.Popen([ESPCTL, *words.split()], stdout=far, stderr=far, stdin=subprocess.DEVNULL,
                              env={**os.environ, "TERM": "xterm", **env}):
        os.close(far)
        text = b""
        with contextlib.suppress(OSError):
            while part := os.read(near, 65536):
                text += part
    os.close(near)
    return text.decode().replace("\r\n", "\n")


def coloured(story):
    """Colours, on a terminal alone; the same text without."""
    g1 = story.g1
    g1.sa("out", 0x2004, HERE, THERE, SUITE, os.urandom(20), more="reqid 44 soft-packets 1")
    g1.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport 5004 priority 7 action protect reqid 44")
    story.near.sendto(b"to its limit", ("10.2.0.2", 5004))
    eventually(lambda: g1.sas()[0x2004]["state"] == "dying", "a dying SA")
    for words, want in (("sa show", {("33", "dying"), ("31", "expired"), ("33", "dropped 1 in_icv: integrity check failed: "
                                                                         "forged, damaged, or the keys differ")}),
                        ("policy show", set()), ("stats", set()), ("doctor", {("31", "BAD ")}), ("suites", None)):
        text = seen_on_terminal(g1, words)
        spans = set(re.findall(r"\033\[(\d+)m([^\033]*)\033\[m", text))
        if want is None:
            equal(spans, set(), f"colours of {words}")
        else:
            check(want <= spans and spans, f"{words}: coloured {spans}, which lacks {want - spans}")
        check(not any(span[1].strip() in ("valid", "larval", "ok") for span in spans), f"{words}: coloured {spans}")
        plain = re.sub(r"\033\[\d*m", "", text)
        mask = re.compile(r"\d+")
        for name, other in (("to a pipe", g1.espctl(words, good=False).stdout), ("with NO_COLOR", seen_on_terminal(g1, words, NO_COLOR="1")),
                            ("on a dumb terminal", seen_on_terminal(g1, words, TERM="dumb")), ):
            check("\033" not in other, f"{words}: coloured {name}")
            # Clocks and counters go on.
            equal(mask.sub("0", other).split(), mask.sub("0", plain).split(), f"{words} {name}")
        check("\033" not in seen_on_terminal(g1, "-j " + words), f"-j {words}: coloured")


def aligned(story):
    """Tables have their columns below their heads."""
    g1 = story.g1
    for words, left, last in (("sa show", "SPI", "BYTES"), ("policy show", "ACTION", "PACKETS"), ("stats", "DESCRIPTION", None),
                              ("suites", "MADE OF (BYTES)", None), ("top every 1 count 1", "SPI", "LOST")):
        head, *rows = [line for line in g1.espctl(words).stdout.splitlines() if not line.startswith("    ") or
                       line.lstrip()[0].isdigit()]
        check(len(rows) > 2, f"{words}: {rows}")
        at = head.index(left)
        for row in rows:
            check(row[at - 2:at] == "  " and row[at] != " ", f"{words}: {row!r} below {head!r}")
            if last:
                equal(len(row), len(head), f"length of {row!r} below {head!r}")


def completed(story):
    """What the shell is offered of what there is."""
    g1 = story.g1

    def offered(*words):
        with g1:
            return command([ESPCTL, "complete", *words]).stdout.split()

    # As espctl shows them, which is what it offers.
    shown = json.loads(g1.espctl("-j sa show").stdout)
    sas, policies = {int(sa["spi"], 0): sa for sa in shown}, g1.policies()
    equal(offered("sa", "del", "id", ""), [str(sa["id"]) for sa in sas.values()], "ids of SAs")
    equal(offered("-j", "sa", "show", "spi", "0x000020"), [f"0x{spi:08x}" for spi in sas if spi >> 8 == 0x20], "SPIs")
    equal(set(offered("sa", "update", "dst", "")), {"any", *(sa["dst"] for sa in sas.values())}, "destinations")
    equal(offered("policy", "del", "id", ""), [str(policy["id"]) for policy in policies], "ids of policies")
    equal(offered("trace", "policy", ""), [str(policy["id"]) for policy in policies], "ids of policies to trace")
    check(str(sas[0x2001]["reqid"]) in offered("policy", "add", "reqid", ""), "reqids")
    counters = json.loads(g1.espctl("-j stats all").stdout)
    equal(offered("trace", "reason", "in_"), [c["name"] for c in counters if c["drop"] and c["name"].startswith("in_")], "reasons")
    # What asks costs no one anything: a user who may not is offered nothing, and told nothing.
    with g1:
        # A clone in a home may be out of their reach.
        tool = shutil.copy(ESPCTL, "/tmp/espctl")
        done = command(["setpriv", "--reuid", "65534", "--clear-groups", tool, "complete", "sa", "del", "id", ""])
    equal((done.stdout, done.stderr), ("", ""), "what is offered to nobody")


def fingerprints(story):
    """Keys by file, descriptor and standard input; fingerprints."""
    g1 = story.g1
    g1.silence()
    # One of each kind; those of all suites are held against sha256sum by tools/espctl/test.sh.
    for number, suite in enumerate(KINDS):
        path = story.key("of-" + suite, suite)
        want = g1.espctl(f"fingerprint {suite} key-file {path}").stdout.strip()
        g1.espctl(f"sa add spi {0x3000 + number} dir out {ENDS} suite {suite} reqid 9 key-file {path}")
        equal(g1.sas()[0x3000 + number]["fingerprint"], want, f"fingerprint of {suite}")
    path = story.key("of-" + SUITE)
    want = g1.espctl(f"fingerprint {SUITE} key-file {path}").stdout.strip()
    with open(path, encoding="ascii") as file:
        text = file.read()
    g1.espctl(f"sa add spi 0x4001 dir in {ENDS} suite {SUITE} reqid 9 key-file -", key=text)
    fd = os.open(path, os.O_RDONLY)
    with g1:
        subprocess.run([ESPCTL, *f"sa add spi 0x4002 dir in {ENDS} suite {SUITE} reqid 9 key-file fd:{fd}".split()],
                       pass_fds=[fd], check=True)
    os.close(fd)
    equal([g1.sas()[spi]["fingerprint"] for spi in (0x4001, 0x4002)], [want] * 2, "fingerprints")
    # Who owns a file may read it.
    os.chown(path, 1000, 0)
    done = g1.espctl(f"fingerprint {SUITE} key-file {path}")
    os.chown(path, 0, 0)
    equal(done.stderr, f"espctl: warning: key-file {path}: it belongs to another user, who may read it; 'chown root' takes it away\n",
          "a file of another user")
    equal((stat.S_IMODE(os.stat(path).st_mode), g1.espctl(f"fingerprint {SUITE} key-file {path}").stderr), (0o600, ""), "a private file")
    g1.silence()


def memory():
    """All of the machine's memory, a piece at a time; pieces overlap."""
    with open("/proc/kcore", "rb", buffering=0) as file:
        head = file.read(64)
        offset, size, count = *struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
        for number in range(count):
            kind, _, at, address, paddr, length = struct.unpack_from("<IIQQQQ", table, number * size)
            # The kernel's map of memory, not its text and what it has mapped again
            if kind != 1 or paddr == (1 << 64) - 1 or address >= 0xffffffff80000000:
                continue
            done = 0
            while done < length:
                file.seek(at + done)
                piece = file.read(min(1 << 20, length - done))
                if not piece:
                    break
                yield piece
                done += len(piece) - 64 if done + len(piece) < length else len(piece)


# The keys that are searched for begin with this. The rest of them is hex wherever this
# process has it, so that it finds no copy of its own.
MARK = bytes.fromhex("a7d1e93bc25f8046")


def found(texts):
    """How often each key, given in hex, is in memory."""
    rests = {text[16:32]: text for text in texts}
    count = dict.fromkeys(texts, 0)
    total = 0
    for piece in memory():
        total += len(piece)
        at = piece.find(MARK)
        while at >= 0:
            rest = piece[at + 8:at + 16].hex()
            if rest in rests:
                count[rests[rest]] += 1
            at = piece.find(MARK, at + 1)
    check(total > 1 << 29, f"only {total} bytes of memory were read")
    return count


def forgotten(story):
    """Keys of SAs that are gone are nowhere in memory; one that lives is."""
    g1, g2 = story.g1, story.g2
    g1.silence()
    g2.silence()
    story.lab.protect(g1, g2)
    adds, texts = {}, {}
    for name, spi in (("lives", 0x5001), ("used", 0x5002), ("file", 0x5003), ("refused", 0x5001)):
        text = MARK.hex() + g1.espctl(f"genkey {SUITE}").stdout.strip()[16:]
        path = f"{KEYS}/memory-{name}"
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        texts[text] = name
        adds[name] = f"sa add spi {spi:#x} dir {{}} {ENDS} suite {SUITE} reqid 1 key-file {path}"
    g1.espctl(adds["lives"].format("out"))
    g2.espctl(adds["used"].format("in"))
    g1.espctl(adds["used"].format("out"))
    counts = Counts(g2)
    story.near.sendto(b"sealed", ("10.2.0.2", 5002))
    equal(story.far.recv(100), b"sealed", "what was sent")
    equal(counts.new(), {}, "drops")
    with open("/tmp/manners.conf", "w", encoding="ascii") as file:
        file.write(adds["file"].format("out") + "\n" + adds["file"].format("in") + "\n")
    g1.espctl("-f /tmp/manners.conf")
    equal(g1.espctl(adds["refused"].format("out"), good=False).returncode, 1, "status of a second SA of one name")
    for spi, way in ((0x5002, "out"), (0x5003, "out"), (0x5003, "in")):
        g1.espctl(f"sa del spi {spi:#x} dst {THERE} dir {way}")
    g2.silence()
    # They are freed by a worker, behind a grace period.
    time.sleep(1)
    count = {texts[text]: number for text, number in found(texts).items()}
    check(count.pop("lives"), "the key of an SA that lives is not found: the search is no good")
    equal(count, {"used": 0, "file": 0, "refused": 0}, "copies of keys in memory")


def unit_line(text, name):
    """What the unit runs."""
    line, = re.findall(f"^{name}=(.*)$", text, re.M)
    words = line.split()
    equal(words[0], "/usr/local/sbin/espctl", name)
    return words[1:]


def restarted(story):
    """The unit's start, again and again under load, as restart and reload do."""
    g1, g2 = story.g1, story.g2
    with open(UNIT, encoding="ascii") as file:
        text = file.read()
    for word in ("ExecStop", "ExecStopPost", "ExecStartPre"):
        check(not re.search(f"^{word}=", text, re.M), f"the unit has {word}=")
    start = unit_line(text, "ExecStart")
    equal(unit_line(text, "ExecReload"), start, "what a reload runs")
    equal(start, ["-f", "/etc/espctl.conf"], "what a start runs")
    for gate, out, come in ((g1, 1, 2), (g2, 2, 1)):
        ends = {1: f"src {HERE} dst {THERE}", 2: f"src {THERE} dst {HERE}"}
        with open(f"/tmp/{gate.name}.conf", "w", encoding="ascii") as file:
            file.write("policy flush\nsa flush\n" + "".join(
                f"sa add spi 0x600{way} dir {name} mode tunnel {ends[way]} suite {SUITE} key-file {story.key(f'unit-{way}')} reqid 1\n"
                for way, name in ((out, "out"), (come, "in"))) +
                f"policy add dir out src 10.{out}.0.0/24 dst 10.{come}.0.0/24 action protect reqid 1\n"
                f"policy add dir in src 10.{come}.0.0/24 dst 10.{out}.0.0/24 action protect reqid 1\n")

    def service(gate):
        with gate:
            command([ESPCTL, *[word.replace("/etc/espctl.conf", f"/tmp/{gate.name}.conf") for word in start]])

    for gate in (g1, g2):
        service(gate)
    load = Load(story.a, story.b)
    wire = Wire(g1, "wan", "ip")
    counts = Counts(g1), Counts(g2)
    before = load.sent[0]
    for _ in range(5 if story.lab.debug else 20):
        for gate in (g1, g2):
            load.turn()
            service(gate)
            load.turn()
    load.finish()
    packets = [Packet(frame) for frame in wire.packets()]
    wire.close()
    check(load.sent[0] > before and packets, "nothing was sent meanwhile")
    equal({packet.proto for packet in packets}, {50}, "protocols on the wire")
    for gate, count in zip((g1, g2), counts):
        equal(count.new(), {}, f"drops of {gate.name}")
    for sock in load.ends:
        sock.close()


def main(lab):
    lab.pin()
    story = Story(lab)
    populate(story)
    for name, sentence, test in (
            ("json-show", "what shows with -j is as tools/espctl/README says, key by key", shown),
            ("json-go-on", "and so is what goes on; each key that is documented was seen", told),
            ("json-rest", "the rest prints nothing with -j; errors are the same line and status", silent),
            ("colour", "states, drops and findings are coloured, on a terminal alone, and not with NO_COLOR or -j", coloured),
            ("aligned", "tables have their columns below their heads", aligned),
            ("complete", "the shell is offered the SAs, policies and counters that there are", completed),
            ("keys", "keys by file, descriptor and standard input; the kernel's fingerprints are those that espctl computes", fingerprints)):
        if lab.wants(name):
            with lab.test(name, sentence):
                test(story)
    # The debug kernel shows nobody its memory.
    if not lab.debug and lab.wants("forgotten"):
        with lab.test("forgotten", "keys of SAs that are gone, or were refused, are nowhere in the machine's memory"):
            forgotten(story)
    story.g1.silence()
    story.g2.silence()
    if lab.wants("unit"):
        with lab.test("unit", "what the unit for systemd runs, again and again under load: no packet is lost, none in clear"):
            restarted(story)
