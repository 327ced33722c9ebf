# SPDX-License-Identifier: GPL-2.0
"""What is told to those who listen, and what it costs those who don't.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
"""

import errno
import os
import re
import shutil
import socket
import struct
import time

from quick import attributes
from lab import ESPCTL, Counts, Monitor, check, command, drain, equal, eventually

TOOL = "/tmp/espctl"
KEY = bytes(range(100, 120))
ENDS = "mode tunnel src 192.0.2.1 dst 192.0.2.2"
ADD = f"sa add spi 0x1001 dir out {ENDS} suite aes128gcm16 reqid 1 key-file -"
NETLINK_GENERIC, SOL_NETLINK, ADD_MEMBERSHIP = 16, 270, 1
GETFAMILY, FAMILY_NAME, MCAST_GROUPS, GRP_NAME, GRP_ID = 3, 2, 7, 1, 2


class Listener:
    """A listener with a small buffer, by no library."""

    def __init__(self, ns, size):
        with ns:
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.bind((0, 0))
        name = struct.pack("=HH8s", 12, FAMILY_NAME, b"esp_mod\0")
        self.sock.send(struct.pack("=IHHIIBBxx", 20 + len(name), 16, 1, 1, 0, GETFAMILY, 1) + name)
        groups = dict(attributes(self.sock.recv(65536)[20:]))[MCAST_GROUPS]
        for _, group in attributes(groups):
            group = dict(attributes(group))
            if group[GRP_NAME] == b"events\0":
                number = struct.unpack("=I", group[GRP_ID])[0]
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, number)
        self.sock.settimeout(5)

    def hear(self):
        """Commands of the messages that come next; None where some were lost."""
        try:
            data = self.sock.recv(65536)
        except OSError as error:
            equal(error.errno, errno.ENOBUFS, "error of the socket")
            return None
        return data[16]


def changes(gate):
    """Each change of the databases is told, as it was made."""
    monitor = Monitor(gate)
    words = [line for line in ("policy add dir out dst 10.2.0.0/24 action protect reqid 1",
                               "policy add dir in proto udp dport 53 action bypass")]
    ids = [gate.policy(line.removeprefix("policy add ")) for line in words]
    shown = {policy["id"]: policy for policy in gate.policies()}
    for event, number in zip(monitor.await_names("policy-add", "policy-add"), ids):
        equal(event["policy"], shown[number], "policy told")
    gate.espctl(f"policy del id {ids[0]}")
    equal(monitor.await_names("policy-del")[0]["policy"], shown[ids[0]], "policy told")
    gate.espctl("policy flush")
    event, = monitor.await_names("policy-flush")
    equal(set(event), {"event", "time"}, "what is told of a flush")
    gate.espctl(ADD, KEY.hex())
    sa, = gate.shown().values()
    equal(monitor.await_names("sa-add")[0]["sa"], sa, "SA told")
    check(KEY.hex() not in str(sa), "the key is told")
    # What is refused has not happened.
    check(gate.espctl(ADD, KEY.hex(), good=False).returncode == 1, "an SA twice")
    check(gate.espctl("sa del id 4711", good=False).returncode == 1, "an SA that is not there")
    gate.espctl("sa del spi 0x1001 dst 192.0.2.2 dir out")
    equal(monitor.await_names("sa-del")[0]["sa"]["id"], sa["id"], "SA told")
    gate.espctl("sa flush")
    monitor.await_names("sa-flush")
    equal(monitor.stop(), 0, "status when it is told to end")


def lines(gate):
    """For people, and with an end."""
    child = gate.start([ESPCTL, "monitor", "count", "4", "timeout", "30"], stdout=-1, stderr=-1, text=True)
    eventually(lambda: any(line.split()[2] == str(child.pid) and int(line.split()[3], 16)
                           for line in gate.read("/proc/net/netlink").splitlines()[1:]), "it listens")
    gate.espctl(ADD, KEY.hex())
    gate.policy("dir out dst 10.2.0.0/24 action protect reqid 1")
    gate.silence()
    said, wrong = child.communicate(timeout=30)
    equal((child.returncode, wrong), (0, ""), "status, and errors")
    stamp = r"\d\d:\d\d:\d\d\.\d\d\d "
    want = (r"sa-add id \d+ spi 0x00001001 dir out src 192.0.2.1 dst 192.0.2.2 reqid 1 state valid seq 0",
            r"policy-add id \d+ dir out src any dst 10.2.0.0/24 priority 1000 action protect reqid 1",
            "policy-flush", "sa-flush")
    equal(len(said.splitlines()), len(want), f"lines of {said!r}")
    for line, pattern in zip(said.splitlines(), want):
        check(re.fullmatch(stamp + pattern, line), f"said {line!r}, not {pattern!r}")

    done = gate.espctl("monitor timeout 0")
    equal((done.stdout, done.stderr), ("", ""), "what is said without events")
    done = gate.espctl("monitor count 2 timeout 0", good=False)
    equal((done.returncode, done.stderr), (1, "espctl: monitor: in 0 s only 0 of 2 events\n"), "too few")


def forged(story):
    """Packets under another key, and how often they are told of."""
    g1, g2, near = story
    monitor, counts = Monitor(g2), Counts(g2)
    g2.sa("in", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", KEY)
    g1.sa("out", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", KEY[::-1])
    g1.policy("dir out dst 10.2.0.0/24 action protect reqid 1")
    for _ in range(200):
        near.sendto(b"who am I", ("10.2.0.2", 5002))
    counts.become(in_icv=200)
    events = eventually(lambda: len(monitor.take()) >= 2 and monitor.take(), "an event")
    equal({event["event"] for event in events[1:]}, {"sa-icv"}, "events")
    check(len(events) <= 4, f"{len(events) - 1} events of 200 forged packets")
    drops = {drop["name"]: drop["value"] for drop in events[1]["sa"]["drops"]}
    equal(list(drops), ["in_icv"], "drops told")
    monitor.take().clear()
    # Once more, when the second is over
    time.sleep(1)
    near.sendto(b"who am I", ("10.2.0.2", 5002))
    event, = monitor.await_names("sa-icv")
    equal(event["sa"]["drops"][0]["value"], 201, "failures told")
    g1.silence()
    g2.silence()
    monitor.await_names("policy-flush", "sa-flush")
    monitor.stop()


def slow(gate):
    """One listener does not read, another one does."""
    quick, lazy = Monitor(gate), Listener(gate, 2048)
    for _ in range(20):
        gate.espctl("sa flush")
    quick.await_names(*["sa-flush"] * 20)
    heard = []
    while None not in heard and len(heard) < 20:
        heard.append(lazy.hear())
    check(None in heard, "a listener that missed events is not told so")
    # From then on it hears again.
    drain(lazy.sock)
    gate.espctl("policy flush")
    check(lazy.hear() is not None, "nothing more is heard")
    quick.await_names("policy-flush")
    quick.stop()
    lazy.sock.close()


def strangers(gate):
    """Who may not listen."""
    shutil.copy(ESPCTL, TOOL)
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    with gate:
        done = command([*nobody, TOOL, "monitor", "timeout", "1"], good=False)
    equal((done.returncode, done.stdout), (1, ""), "monitor of one who is not root")
    check(re.fullmatch("espctl: monitor: needs CAP_NET_ADMIN.*\n", done.stderr), f"said {done.stderr!r}")
    # Root of a user namespace may join in its own network, and hears nothing there.
    script = f"{TOOL} -j monitor timeout 1 & sleep 0.3; {TOOL} policy add dir out action bypass; wait $!"
    path = "/sys/module/esp_mod/parameters/userns"
    for value, want in (("0", 0), ("1", 1)):
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
        done = command([*nobody, "unshare", "--map-root-user", "--net", "--user", "sh", "-c", script],
                       good=False)
        equal(done.stdout.count("policy-add"), want, f"events with userns={value}: {done.stderr!r}")
    with open(path, "w", encoding="ascii") as file:
        file.write("0")


def main(lab):
    a, g1, g2, _ = lab.sites()
    with lab.test("changes", "add, delete and flush of SAs and policies are told in order, as they are "
                             "shown, without keys; what is refused is not told"):
        changes(g1)
    with lab.test("lines", "a line for each event; it ends after a count, or a time, with a status that tells"):
        lines(g1)
    with lab.test("icv", "forged packets are told of, with their number, once a second at most"):
        forged((g1, g2, a.udp("10.1.0.2", 5001)))
    with lab.test("slow", "a listener that does not read misses events, learns so, and holds nobody up"):
        slow(g1)
    with lab.test("strangers", "without CAP_NET_ADMIN nobody listens; in a user namespace nothing is told "
                               "without userns=1"):
        strangers(g1)
    with lab.test("end", "the module goes while somebody listens"):
        monitor = Monitor(g1)
        g1.espctl(ADD, os.urandom(20).hex())
        monitor.await_names("sa-add")
        equal(lab.rmmod().returncode, 0, "status of rmmod")
        monitor.stop()
