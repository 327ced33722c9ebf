# SPDX-License-Identifier: GPL-2.0
"""A hundred thousand SAs, and as many policies, in one namespace.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

They come by files, in ten parts. The last part takes no longer than the first one,
lists are whole, packets pass as before, and what an SA and a policy cost of memory
is said.

Then crowds of the kinds that a list would make slow, in a namespace of their own: SAs of
one SPI and key, of one reqid, that end in the same second, policies that differ in ports
alone, many classes. Twice as many take twice as long, and meanwhile a second process
asks for other things: it waits for no lock longer than HOLD seconds.
"""

import json
import os
import resource
import select
import signal
import socket
import struct
import time

from client import DUMP, NLMSG_DONE, REQUEST, Client
from lab import ESPCTL, ask, check, command, equal, eventually
from quick import N, attribute

PARTS = 10
EACH = 10000
DEBUG_EACH = 300
DUMP_INTR = 0x10
PATH = "/tmp/part.conf"
KEY = "/tmp/part.key"
CROWD, DEBUG_CROWD = 12000, 600
MANY, DEBUG_MANY = 100000, 1500
# No lock is held longer, in seconds, which shows where a guest's clock counts instructions (scripts/vm
# --icount); a guest that shares its processors makes wait longer by itself
HOLD, NOISE = 0.05, 0.25
# Of an SA with a window of 1024, and of a policy, on a machine of two CPUs
SA_BYTES, POLICY_BYTES = 4096, 512


def available():
    """Bytes of memory that programs could have."""
    with open("/proc/meminfo", encoding="ascii") as file:
        lines = dict(line.split(":") for line in file)
    return int(lines["MemAvailable"].split()[0]) * 1024


def taken(before):
    """Bytes that are in use since, when what programs had is back."""
    time.sleep(0.5)
    return before - available()


def apply(gate, lines):
    """A file of so many lines; the seconds of processor that it took, kernel's included."""
    with open(PATH, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    gate.run([ESPCTL, "-f", PATH], seconds=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def count(client, op):
    """How many SAs or policies a dump has; each once, and it says if it is not whole."""
    found = set()
    client.sock.send(struct.pack("=IHHIIBBxx", 20, client.number, REQUEST | DUMP, 9, 0, client.ops[op].req_value, 1))
    while True:
        data = client.sock.recv(1 << 17)
        at = 0
        while at < len(data):
            size, kind, flags = struct.unpack_from("=IHH", data, at)
            check(not flags & DUMP_INTR, "the dump says that it was interrupted")
            if kind == NLMSG_DONE:
                return len(found)
            # The number is the first attribute.
            number, = struct.unpack_from("=I", data, at + 24)
            check(number not in found, f"number {number} twice")
            found.add(number)
            at += (size + 3) & ~3


def grow(lab, gate, what, line, most):
    """Add them part by part."""
    each = DEBUG_EACH if lab.debug else EACH
    before = available()
    took = [apply(gate, [line(number) for number in range(part * each, (part + 1) * each)]) for part in range(PARTS)]
    size = taken(before) // (PARTS * each)
    lab.say(f"{PARTS * each} {what}: {size} bytes and {sum(took) / PARTS / each * 1e6:.0f} us of this machine each; "
            f"parts took {' '.join(f'{seconds:.2f}' for seconds in took)} s")
    # The first may load modules, and hash tables grow now and then.
    check(sum(took[-3:]) < 2 * sum(took[1:4]), f"parts took {took} seconds")
    if not lab.debug:
        check(size <= most, f"{size} bytes for each of {what}, not {most} at most")
    return PARTS * each


def sa(number):
    """Inbound SAs may share a key."""
    return f"sa add spi {0x10000 + number:#x} dir in mode tunnel src 192.0.2.2 dst 192.0.2.1 suite aes128gcm16 " \
           f"key-file {KEY} reqid {10 + number}"


def policy(number):
    """Networks of all kinds, in the same few classes."""
    high, low = divmod(number, 256)
    return f"policy add dir out src 10.1.0.0/24 dst 172.{16 + (high >> 8)}.{high & 255}.{low} action protect reqid {10 + number}"


class Watch:
    """A process that asks for other things, and how long it has waited for each at most."""

    KINDS = "genl", "rtnl", "namespace", "clock"

    def __init__(self, ns):
        with ns:
            self.genl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
            self.rtnl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.family = Client.family.nlproto.family_id
        self.most = {}
        self.clocks = []

    def requests(self):
        """Of another family; of routing; of what needs the namespace's lock."""
        yield self.genl, struct.pack("=IHHIIBBxx", 28, 16, REQUEST, 1, 0, 3, 1) + struct.pack("=HH4s", 8, 1, b"\x10\0\0\0")
        yield self.rtnl, struct.pack("=IHHII", 32, 18, REQUEST, 1, 0) + struct.pack("=BxHiII", 0, 0, 1, 0, 0)
        yield self.genl, struct.pack("=IHHIIBBxx", 20, self.family, REQUEST, 1, 0, N["CMD_LIMITS_GET"], 1)

    def watch(self, stop):
        """In the child."""
        most = [0.0] * (len(self.KINDS) - 1)
        requests = list(self.requests())
        while not select.select([stop], [], [], 0)[0]:
            for kind, (sock, request) in enumerate(requests):
                began = time.monotonic()
                sock.send(request)
                sock.recv(1 << 16)
                most[kind] = max(most[kind], time.monotonic() - began)
            time.sleep(0.001)
        return most

    def clock(self, stop):
        """In another child, on one processor: what the machine itself makes wait."""
        most = 0.0
        while not select.select([stop], [], [], 0)[0]:
            began = time.monotonic()
            time.sleep(0.001)
            most = max(most, time.monotonic() - began - 0.001)
        return [most]

    def begin(self, stop, others, work, cpus):
        """A child that works until it is told to stop; the end from which its result comes."""
        result, write = os.pipe()
        if not os.fork():
            for other in others:
                os.close(other)
            try:
                os.sched_setaffinity(0, cpus)
                os.write(write, json.dumps(work(stop)).encode())
            finally:
                os._exit(0)
        os.close(write)
        return result

    def __enter__(self):
        stop, self.stop = os.pipe()
        cpus = range(os.cpu_count())
        self.result = self.begin(stop, [self.stop], self.watch, cpus)
        self.clocks = [self.begin(stop, [self.stop], self.clock, [cpu]) for cpu in cpus]
        os.close(stop)
        return self

    def __exit__(self, *_):
        os.close(self.stop)
        told = [json.loads(os.read(result, 4096) or "[]") for result in [self.result, *self.clocks]]
        self.most = dict(zip(self.KINDS, told[0]), clock=max(most for most, in told[1:]))
        for result in [self.result, *self.clocks]:
            os.wait()
            os.close(result)
        self.genl.close()
        self.rtnl.close()

    def hold(self, lab, what):
        """No wait was too long, what the machine adds aside."""
        lab.say(f"{what}: longest waits " + ", ".join(f"{kind} {1000 * most:.0f} ms" for kind, most in self.most.items()))
        for kind, most in self.most.items():
            if not lab.debug and kind != "clock":
                check(most < HOLD + NOISE + 2 * self.most["clock"], f"{what}: {kind} made wait {most:.3f} s")


class Requests:
    """Single requests, many in one message; each is answered."""

    def __init__(self, client):
        self.sock = client.sock
        self.number = client.number
        self.waiting = []

    def add(self, cmd, *attrs):
        body = b"".join(attrs)
        flags = REQUEST if cmd in (N["CMD_SA_ADD"], N["CMD_POLICY_ADD"]) else REQUEST | 4
        self.waiting.append(struct.pack("=IHHIIBBxx", 20 + len(body), self.number, flags, 7, 0, cmd, 1) + body)

    def run(self):
        """Send them all; the numbers of what was added, and the seconds that it took."""
        numbers = []
        began = time.monotonic()
        for at in range(0, len(self.waiting), 64):
            part = self.waiting[at:at + 64]
            self.sock.send(b"".join(part))
            due = len(part)
            while due:
                data = self.sock.recv(1 << 17)
                while data:
                    size, kind = struct.unpack_from("=IH", data)
                    if kind == 2:
                        error, = struct.unpack_from("=i", data, 16)
                        check(not error, f"a request was refused: {os.strerror(-error)}")
                    else:
                        numbers.append(struct.unpack_from("=I", data, 24)[0])
                    due -= 1
                    data = data[(size + 3) & ~3:]
        self.waiting = []
        return numbers, time.monotonic() - began


def add_sa(requests, spi, way, number, key, *more, reqid=1):
    """An SA between addresses that its number tells from others."""
    there, here = struct.pack(">I", 0xc6120000 + number), bytes((192, 0, 2, 1))
    requests.add(N["CMD_SA_ADD"], attribute(N["SA_SPI"], ("I", spi)), attribute(N["SA_DIRECTION"], ("B", way)),
                 attribute(N["SA_MODE"], ("B", 1)), attribute(N["SA_SRC"], here), attribute(N["SA_DST"], there),
                 attribute(N["SA_SUITE"], b"aes128gcm16\0"), attribute(N["SA_KEY"], key),
                 attribute(N["SA_REQID"], ("I", reqid)), *more)


def add_policy(requests, *selector, priority=1000):
    """An outbound one that discards."""
    requests.add(N["CMD_POLICY_ADD"], attribute(N["POLICY_DIRECTION"], ("B", 1)),
                 attribute(N["POLICY_PRIORITY"], ("I", priority)), attribute(N["POLICY_ACTION"], ("B", 1)),
                 attribute(N["POLICY_SELECTOR"] | 0x8000, b"".join(selector)))


def linear(lab, what, first, second):
    """As many once more take no longer."""
    lab.say(f"{what}: {first:.2f} s, as many once more {second:.2f} s")
    check(second < 1.6 * first + 3, f"{what}: {first:.2f} s, then {second:.2f} s")


def halves(lab, requests, what, total, add):
    """Add them in two halves; their numbers."""
    took, numbers = [], []
    for half in range(2):
        for number in range(half * total // 2, (half + 1) * total // 2):
            add(number)
        found, seconds = requests.run()
        numbers += found
        took.append(seconds)
    linear(lab, f"{total // 2} {what} added", *took)
    return numbers


def change_all(lab, requests, what, numbers):
    """Change each SA, in two halves; then delete every other one, from both ends of the list."""
    took = []
    for half in range(2):
        for number in numbers[half::2]:
            requests.add(N["CMD_SA_UPDATE"], attribute(N["SA_ID"], ("I", number)),
                         attribute(N["SA_LIFETIME"] | 0x8000, attribute(N["LIFE_SOFT_PACKETS"], ("Q", 1 << 40))))
        took.append(requests.run()[1])
    linear(lab, f"{len(numbers) // 2} {what} changed", *took)
    took = []
    for part in numbers[:len(numbers) // 4], numbers[:-len(numbers) // 4 - 1:-1]:
        for number in part:
            requests.add(N["CMD_SA_DEL"], attribute(N["SA_ID"], ("I", number)))
        took.append(requests.run()[1])
    linear(lab, f"{len(numbers) // 4} {what} deleted", *took)


def flush(lab, ns, client, noun, what):
    """A flush, while others ask."""
    began = time.monotonic()
    with Watch(ns) as watch:
        client.do(noun + "-flush")
    lab.say(f"{what} flushed in {time.monotonic() - began:.2f} s")
    watch.hold(lab, f"{what} flushed")
    equal(count(client, noun + "-get"), 0, "what is left")


def charges(lab, r):
    """Where the kernel has control groups."""
    with open("/proc/filesystems", encoding="ascii") as file:
        if "cgroup2" not in file.read():
            return
    with lab.test("charged", "the memory of an SA is charged to the control group of who adds it, but for the transform's"):
        charge(lab, r)


def charge(lab, r):
    """What an SA takes of memory belongs to the control group of who adds it, but for the crypto API's part."""
    root, mine, number = "/tmp/cgroup", "/tmp/cgroup/espm", 1000 if lab.debug else 3000
    os.makedirs(root, exist_ok=True)
    command(f"mount -t cgroup2 none {root}")
    try:
        with open(f"{root}/cgroup.subtree_control", "w", encoding="ascii") as file:
            file.write("+memory")
        os.mkdir(mine)

        def enter(group):
            with open(f"{group}/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

        def kernel():
            with open(f"{mine}/memory.stat", encoding="ascii") as file:
                return dict(line.split() for line in file)["kernel"]

        requests = Requests(Client(r))
        enter(mine)
        try:
            before = int(kernel()), available()
            for spi in range(number):
                add_sa(requests, 0x20000 + spi, 0, spi, os.urandom(20), reqid=1 + spi)
            requests.run()
            took = (int(kernel()) - before[0]) // number, taken(before[1]) // number
        finally:
            enter(root)
        lab.say(f"an SA takes {took[1]} bytes, of which its control group is charged {took[0]}")
        check(took[0] >= 2000, f"an SA is charged as {took[0]} bytes")
        check(lab.debug or took[0] > 0.5 * took[1], f"of {took[1]} bytes its control group is charged {took[0]}")
        r.flush_sas()
        os.rmdir(mine)
    finally:
        command(f"umount {root}", good=False)


def crowd_of_sas(lab, r, client):
    """SAs of one SPI and key, of one reqid, and such that end together."""
    requests, total = Requests(client), DEBUG_CROWD if lab.debug else CROWD
    key = os.urandom(20)
    with lab.test("spi", f"{total} inbound SAs of one SPI and key come, change and go in linear time, and nobody waits"):
        with Watch(r) as watch:
            numbers = halves(lab, requests, "SAs of one SPI", total,
                             lambda number: add_sa(requests, 0x1001, 0, number, key, reqid=1 + number))
            change_all(lab, requests, "SAs of one SPI", numbers)
        watch.hold(lab, "SAs of one SPI")
        flush(lab, r, client, "sa", f"{total // 2} SAs of one SPI")
    with lab.test("reqid", f"so do {total} outbound SAs of one reqid"):
        with Watch(r) as watch:
            numbers = halves(lab, requests, "SAs of one reqid", total,
                             lambda number: add_sa(requests, 0x1001 + number, 1, number, os.urandom(20)))
            change_all(lab, requests, "SAs of one reqid", numbers)
        watch.hold(lab, "SAs of one reqid")
        flush(lab, r, client, "sa", f"{total // 2} SAs of one reqid")
    with lab.test("expire", "SAs of one reqid that end within a second or two keep nobody waiting"):
        ends = 30 if lab.debug else 12
        for number in range(total * 5 // 6):
            add_sa(requests, 0x1001 + number, 1, number, os.urandom(20),
                   attribute(N["SA_LIFETIME"] | 0x8000, attribute(N["LIFE_HARD_SECONDS"], ("I", ends))))
        numbers, took = requests.run()
        with Watch(r) as watch:
            time.sleep(ends + 1)
        watch.hold(lab, f"{total * 5 // 6} SAs, added in {took:.1f} s, ended")
        equal(count(client, "sa-get"), total * 5 // 6, "SAs")
        equal({client.do("sa-get", id=number)["state"] for number in (numbers[0], numbers[-1])}, {"expired"}, "states")
        flush(lab, r, client, "sa", "ended SAs")


def crowd_of_policies(lab, r, client):
    """Policies that differ in ports alone, and policies of many classes."""
    requests, total = Requests(client), DEBUG_MANY if lab.debug else MANY
    udp = attribute(N["SEL_PROTOCOL"], ("B", 17))
    with lab.test("ports", f"{total} policies that differ in ports alone do"):
        def add(number):
            ports = [attribute(N["SEL_" + name], ("H", port)) for name, port in (
                ("SPORT_FIRST", number // 256), ("SPORT_LAST", number // 256), ("DPORT_FIRST", number % 256),
                ("DPORT_LAST", number % 256))]
            add_policy(requests, udp, *ports)
        with Watch(r) as watch:
            numbers = halves(lab, requests, "policies of one prefix", total, add)
            took, each = [], min(1000, total // 4)
            for part in numbers[:each], numbers[:-each - 1:-1]:
                for number in part:
                    requests.add(N["CMD_POLICY_DEL"], attribute(N["POLICY_ID"], ("I", number)))
                took.append(requests.run()[1])
            linear(lab, f"{each} policies deleted, the oldest and the newest", *took)
        watch.hold(lab, "policies of one prefix")
        equal(count(client, "policy-get"), total - 2 * each, "policies listed")
        flush(lab, r, client, "policy", "policies of one prefix")
    with lab.test("classes", "so do policies of two thousand classes, the best of them last"):
        shapes = [(src, dst) for src in range(33) for dst in range(33)]
        shapes = shapes[:200] if lab.debug else shapes

        def ends(name, plen, size, number):
            first = number << (size - plen) if plen else 0
            last = first | ((1 << (size - plen)) - 1)
            return (attribute(N[f"SEL_{name}_FIRST"], first.to_bytes(size // 8, "big")),
                    attribute(N[f"SEL_{name}_LAST"], last.to_bytes(size // 8, "big")))
        shapes = [(size, *shape) for size in (32, 128) for shape in shapes]

        def add_class(number):
            size, src, dst = shapes[number]
            add_policy(requests, *ends("SRC", src, size, 1 if src else 0), *ends("DST", dst, size, 1 if dst else 0),
                       priority=100000 - number)
        with Watch(r) as watch:
            halves(lab, requests, "classes", len(shapes), add_class)
        watch.hold(lab, "classes")
        flush(lab, r, client, "policy", f"{len(shapes)} classes")


def killed(lab, r, client):
    """A transaction is killed at all kinds of moments."""
    with lab.test("killed", "who is killed while a transaction is prepared has changed nothing"):
        kill(lab, r, client)


def kill(lab, r, client):
    """All of it is there, or nothing."""
    total = 300 if lab.debug else 4000
    with open(PATH, "w", encoding="ascii") as file:
        file.write("sa flush\n" + "".join(sa(number) + "\n" for number in range(total)))
    seen = set()
    for pause in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.6, 2.0, 3.0, 4.0, 6.0):
        process = r.start([ESPCTL, "-f", PATH])
        time.sleep(pause * (4 if lab.debug else 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = count(client, "sa-get")
        check(found in (0, total), f"{found} of {total} SAs after a kill")
        seen.add(found)
        client.do("sa-flush")
    lab.say(f"SAs after kills: {sorted(seen)}")
    r.run([ESPCTL, "-f", PATH], seconds=120)
    equal(count(client, "sa-get"), total, "SAs of one that is not killed")


def refusal(ns, words, sentence, key=None):
    """What is refused in one sentence, and changes nothing."""
    def there():
        return sorted((sa["id"], sa.get("reqid")) for sa in ns.sas().values()), len(ns.policies())
    before = there()
    said = ns.espctl(words, key=key, good=False)
    check(said.returncode == 1 and sentence in said.stderr, f"'{words}' says {said.stderr!r}")
    equal(there(), before, "SAs and policies")


def limits(lab, r):
    """Each limit refuses what exceeds it."""
    def add(spi, reqid, way="in", dst="192.0.2.1"):
        return f"sa add spi {spi} dir {way} mode tunnel src 192.0.2.2 dst {dst} suite aes128gcm16 key-file - reqid {reqid}"

    def key():
        return os.urandom(20).hex()
    with lab.test("limits", "each limit has its sentence, and what exceeds it changes nothing"):
        usual = json.loads(r.espctl("-j limits show").stdout)
        equal(usual, [{"sas": 1000000, "policies": 1000000, "reservations": 65536, "sas_per_reqid": 65536,
                       "sas_per_spi": 65536}], "limits")
        r.espctl("limits set sas 4 policies 1 reservations 1 sas-per-reqid 2 sas-per-spi 3")
        for number in (1, 2):
            r.espctl(add(300 + number, 1), key=key())
        refusal(r, add(303, 1), "sas-per-reqid", key())
        r.espctl(add(301, 2, "in", "192.0.2.3"), key=key())
        third = json.loads(r.espctl("-j sa show spi 301 dst 192.0.2.3 dir in").stdout)[0]["id"]
        refusal(r, f"sa update id {third} reqid 1", "sas-per-reqid")
        r.espctl("limits set sas 9")
        r.espctl(add(301, 3, "in", "192.0.2.4"), key=key())
        refusal(r, add(301, 4, "in", "192.0.2.5"), "sas-per-spi", key())
        r.espctl("limits set sas 4")
        refusal(r, add(305, 5), "(sas of", key())
        r.espctl("sa reserve dst 192.0.2.1")
        refusal(r, "sa reserve dst 192.0.2.1", "(reservations of")
        r.espctl("policy add dir in action discard")
        refusal(r, "policy add dir in action discard", "(policies of")
        # A file that takes away what it replaces may add as much.
        with open(PATH, "w", encoding="ascii") as file:
            file.write("policy flush\npolicy add dir in action bypass\n")
        r.run([ESPCTL, "-f", PATH])
        r.espctl("sa flush")
        r.espctl("policy flush")
        for number in (1, 2):
            r.espctl(add(300 + number, 1), key=key())
        r.espctl("sa flush")
        r.espctl("limits set sas 1000000 policies 1000000 reservations 65536 sas-per-reqid 65536 sas-per-spi 65536")
    with lab.test("limits-userns", "a namespace of a user namespace may have a tenth, and not raise that itself"):
        path = "/sys/module/esp_mod/parameters/userns"
        with open(path, "w", encoding="ascii") as file:
            file.write("1")
        try:
            said = command(["unshare", "--map-root-user", "--net", "--user", "sh", "-c",
                            f"{ESPCTL} -j limits show; {ESPCTL} limits set sas 50; {ESPCTL} limits set sas 51"], good=False)
        finally:
            with open(path, "w", encoding="ascii") as file:
                file.write("0")
        equal(json.loads(said.stdout)[0]["sas"], 100000, "SAs at most")
        check("to raise a limit needs" in said.stderr, f"said {said.stderr!r}")


def sleeping(lab, r):
    """A namespace that has nothing costs nothing, once more."""
    r.espctl("limits set policies 1000")
    def device():
        with r:
            return [number for number, name in socket.if_nameindex() if name == "esp0"]
    with lab.test("sleep", "some seconds after the last SA and policy have gone, esp0 goes; the next one brings it back"):
        r.espctl("policy add dir in action discard")
        index = device()
        equal(len(index), 1, "devices")
        r.espctl("policy flush")
        time.sleep(2)
        r.espctl("policy add dir in action bypass")
        time.sleep(5)
        equal(device(), index, "the device, where a policy came in time")
        r.espctl("policy flush")
        eventually(lambda: not device(), "esp0 goes", 12)
        r.espctl("policy add dir in action discard")
        equal(len(device()), 1, "devices, once more")
        r.espctl("sa reserve dst 192.0.2.1 seconds 1")
        r.espctl("policy flush")
        eventually(lambda: not device(), "esp0 goes when the last reservation has gone", 15)


def crowds(lab):
    """In a namespace of their own."""
    r, = lab.build("R")
    client = Client(r)
    for name, part in (("spi", lambda: crowd_of_sas(lab, r, client)), ("ports", lambda: crowd_of_policies(lab, r, client)),
                       ("killed", lambda: killed(lab, r, client)), ("limits", lambda: limits(lab, r)),
                       ("charged", lambda: charges(lab, r)), ("sleep", lambda: sleeping(lab, r))):
        # What a failure has left
        client.do("sa-flush")
        client.do("policy-flush")
        if lab.wants(name):
            part()
    client.close()


def gates(lab):
    """Files, between gates that packets pass."""
    lab.pin()
    a, g1, g2, b = lab.sites()
    lab.protect(g1, g2)
    lab.tunnel(g1, g2)
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
    ask(near, far, b"before")
    total = 0
    with lab.test("sas", "SAs are added in linear time, each in the memory that is stated"):
        total = grow(lab, g1, "SAs", sa, SA_BYTES)
    with lab.test("policies", "so are policies"):
        equal(grow(lab, g1, "policies", policy, POLICY_BYTES), total, "policies")
    with lab.test("lists", "lists of all of them are whole"):
        client = Client(g1)
        equal((count(client, "sa-get"), count(client, "policy-get")), (total + 2, total + 2), "SAs and policies listed")
    with lab.test("packets", "packets find their SA and policy among them"):
        for number in range(20):
            ask(near, far, bytes([number]))
        said = json.loads(g1.espctl("-j explain 10.1.0.9 172.16.0.77").stdout)
        equal((said[0]["reqid"], said[0]["answer"]), (10 + 77, "drop"), "what is explained of one of them")
    with lab.test("flush", "all of them go at once, in one transaction with what comes instead, and packets pass"):
        with open(PATH, "w", encoding="ascii") as file:
            file.write("policy flush\npolicy add dir out src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1\n"
                       "policy add dir in src 10.2.0.0/24 dst 10.1.0.0/24 action protect reqid 1\n")
        g1.run([ESPCTL, "-f", PATH], seconds=120)
        ask(near, far, b"after")
        equal(len(g1.policies()), 2, "policies")
    with lab.test("flush-sas", "all SAs go by one request, while nobody waits"):
        flush(lab, g1, client, "sa", f"{total} SAs")
    client.close()


def main(lab):
    with open(os.open(KEY, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(os.urandom(20).hex())
    if lab.wants("sas"):
        gates(lab)
    crowds(lab)
