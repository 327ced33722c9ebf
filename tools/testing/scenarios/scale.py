# SPDX-License-Identifier: GPL-2.0
"""A hundred thousand SAs, and as many policies, in one namespace.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

They come by files, in ten parts. The last part takes no longer than the first one,
lists are whole, packets pass as before, and what an SA and a policy cost of memory
is said.
"""

import json
import os
import resource
import struct
import time

from client import DUMP, NLMSG_DONE, REQUEST, Client
from lab import ESPCTL, ask, check, equal

PARTS = 10
EACH = 10000
DEBUG_EACH = 300
DUMP_INTR = 0x10
PATH = "/tmp/part.conf"
KEY = "/tmp/part.key"
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


def main(lab):
    lab.pin()
    a, g1, g2, b = lab.sites()
    with open(os.open(KEY, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(os.urandom(20).hex())
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
        g1.run([ESPCTL, "sa", "flush"], seconds=120)
        equal(count(client, "sa-get"), 0, "SAs")
