# SPDX-License-Identifier: GPL-2.0
"""SAs that end when they should: bytes, packets, seconds, to the packet.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

The limits are those of one SA, the outbound one of g1 or the inbound one of g2;
its gateway is listened to.
"""

import os
import time

from lab import Counts, Monitor, Wire, check, drain, equal, eventually

SUITE = "aes128gcm16"
SIZE = 100
# Under the cipher: IP and UDP headers, the data, two bytes of trailer, to a multiple of four
TEXT = (20 + 8 + SIZE + 2 + 3) // 4 * 4
ENDS = ("192.0.2.1", "192.0.2.2")
CROWD = 3000
DEBUG_CROWD = 1000


class Story:
    """The sites, with new SAs for each test."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites()
        self.near, self.far = self.a.udp("10.1.0.2", 5001), self.b.udp("10.2.0.2", 5002)
        for gate, out, come in ((self.g1, "out", "in"), (self.g2, "in", "out")):
            gate.policy(f"dir {out} src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1")
            gate.policy(f"dir {come} src 10.2.0.0/24 dst 10.1.0.0/24 action protect reqid 1")
        self.monitors = {gate: Monitor(gate) for gate in (self.g1, self.g2)}

    def tunnel(self, gate, limits):
        """The SA there, with limits at one gateway. Its monitor, and the drops from now on."""
        key = os.urandom(20)
        for each, way in ((self.g2, "in"), (self.g1, "out")):
            each.flush_sas()
            each.sa(way, 0x1001, *ENDS, SUITE, key, more="reqid 1 " + (limits if each is gate else ""))
        for monitor in self.monitors.values():
            monitor.await_names("sa-flush", "sa-add")
        drain(self.far)
        return self.monitors[gate], Counts(gate)

    def send(self, count, size=SIZE):
        for _ in range(count):
            self.near.sendto(bytes(size), ("10.2.0.2", 5002))

    def arrived(self, count):
        """So many arrive, and no more."""
        for _ in range(count):
            self.far.recv(2000)
        equal(drain(self.far), 0, "further packets at B")


def by_count(story):
    """Limits in packets and in bytes, of a sender and of a receiver."""
    for gate, drop in ((story.g1, "out_expired"), (story.g2, "in_expired")):
        for limits, passed, soft, by in (
                ("soft-packets 6 hard-packets 10", 10, 6, "packets"),
                ("hard-packets 1", 1, None, "packets"),
                (f"soft-bytes {5 * TEXT + 1} hard-bytes {10 * TEXT}", 10, 6, "bytes"),
                (f"soft-bytes {6 * TEXT} hard-bytes {11 * TEXT - 1}", 10, 6, "bytes"),
                (f"soft-packets 6 hard-packets 100 soft-bytes {9 * TEXT} hard-bytes {10 * TEXT}", 10, 6,
                 "bytes")):
            monitor, counts = story.tunnel(gate, limits)
            what = f"{gate.name} with {limits}"
            story.send(passed - 1)
            story.arrived(passed - 1)
            equal(gate.sas()[0x1001]["state"], "dying" if soft else "valid", f"state of {what}")
            if soft:
                event, = monitor.await_names("sa-soft")
                equal(event["sa"]["soft_limit"], limits.split()[0].split("-")[1], f"soft limit of {what}")
            story.send(6)
            story.arrived(1)
            counts.become(**{drop: 5})
            event, = monitor.await_names("sa-hard")
            sa = gate.sas()[0x1001]
            equal((sa["state"], sa["hard_limit"]), ("expired", by), what)
            equal((sa["packets"], event["sa"]["spi"]), (passed, "0x00001001"), what)
            equal({d["name"]: d["value"] for d in sa["drops"]}, {drop: 5}, f"drops of {what}")
            if by == "bytes" and gate is story.g2:
                check(sa["usage"]["bytes"] >= 10 * TEXT, f"{sa['usage']} of {what}")


def crowded(story):
    """Two processors at once, at one SA."""
    count = DEBUG_CROWD if story.lab.debug else CROWD
    for limits in (f"hard-packets {count}", f"hard-bytes {count * TEXT}"):
        monitor, _ = story.tunnel(story.g1, limits)
        socks = [story.a.udp("10.1.0.2") for _ in range(2)]
        # Each in its own process, on its own CPU
        children = [story.lab.load((sock, ("10.2.0.2", 5002)), size=SIZE) for sock in socks]
        event, = monitor.await_names("sa-hard", seconds=60)
        eventually(lambda: story.g1.sas()[0x1001]["packets"] >= count, "the last packet")
        time.sleep(0.1)
        for pid in children:
            story.lab.unload(pid)
        equal(story.g1.sas()[0x1001]["packets"], count, f"packets sealed under {limits}")
        equal(event["sa"]["state"], "expired", "state")
        for sock in socks:
            sock.close()


def falls_back(story):
    """The newest SA ends, and the one before it takes over."""
    monitor, counts = story.tunnel(story.g1, "")
    key = os.urandom(20)
    story.g2.sa("in", 0x1003, *ENDS, SUITE, key)
    story.g1.sa("out", 0x1003, *ENDS, SUITE, key, more="reqid 1 hard-packets 5")
    story.send(8)
    story.arrived(8)
    counts.become()
    equal({spi: sa["packets"] for spi, sa in story.g1.sas().items()}, {0x1001: 3, 0x1003: 5}, "packets")
    monitor.await_names("sa-add", "sa-hard")
    story.monitors[story.g2].await_names("sa-add")


def by_clock(story):
    """Limits in seconds, and clocks that are set meanwhile."""
    for gate, drop in ((story.g1, "out_expired"), (story.g2, "in_expired")):
        began = time.clock_gettime(time.CLOCK_BOOTTIME)
        monitor, counts = story.tunnel(gate, "soft-seconds 1 hard-seconds 4")
        story.send(1)
        story.arrived(1)
        # The clock of the wall goes back, and forward, and has no say.
        now = time.time()
        for jump in (-3600, 7200, -3600):
            now += jump
            time.clock_settime(time.CLOCK_REALTIME, time.time() + jump)
        equal(gate.sas()[0x1001]["state"], "valid", "state before the soft limit")
        event, = monitor.await_names("sa-soft")
        equal(event["sa"]["soft_limit"], "seconds", "soft limit")
        took = time.clock_gettime(time.CLOCK_BOOTTIME) - began
        check(1 <= took < 4, f"soft limit of 1 s after {took:.3f} s")
        story.send(1)
        story.arrived(1)
        event, = monitor.await_names("sa-hard")
        took = time.clock_gettime(time.CLOCK_BOOTTIME) - began
        check(4 <= took < 6, f"hard limit of 4 s after {took:.3f} s")
        equal((event["sa"]["state"], event["sa"]["hard_limit"]), ("expired", "seconds"), "SA")
        story.send(3)
        counts.become(**{drop: 3})
        equal(drain(story.far), 0, "packets at B")


def by_use(story):
    """The first packet counts, and a forged one is none."""
    monitor, counts = story.tunnel(story.g2, "hard-use-seconds 1")
    wire = Wire(story.g1, "wan", "esp")
    story.g1.flush_sas()
    story.g1.sa("out", 0x1001, *ENDS, SUITE, os.urandom(20))
    story.monitors[story.g1].await_names("sa-flush", "sa-add")
    before = story.g2.shown()[0x1001]
    story.send(20)
    counts.become(in_icv=20)
    after = story.g2.shown()[0x1001]
    check("use_seconds" not in after["usage"], f"a forgery begins the use: {after['usage']}")
    for sa in (before, after):
        del sa["drops"], sa["usage"]["seconds"]
    equal(after, before, "the SA, but for its drops")
    equal({event["event"] for event in monitor.take()}, {"sa-icv"}, "events")
    monitor.take().clear()
    wire.close()

    monitor, counts = story.tunnel(story.g1, "hard-use-seconds 1")
    time.sleep(1.2)
    equal(story.g1.sas()[0x1001]["state"], "valid", "state before the first packet")
    story.send(1)
    story.arrived(1)
    began = time.monotonic()
    event, = monitor.await_names("sa-hard")
    check(0.8 < time.monotonic() - began < 2, f"{time.monotonic() - began:.3f} s after the first packet")
    equal(event["sa"]["hard_limit"], "use-seconds", "hard limit")
    story.send(2)
    counts.become(out_expired=2)


def stays(story):
    """What has expired is there until it is deleted, and in nobody's way."""
    monitor, _ = story.tunnel(story.g1, "hard-packets 1")
    story.send(2)
    story.arrived(1)
    monitor.await_names("sa-hard")
    check("expired: hard limit in packets" in story.g1.espctl("sa show").stdout, "sa show of an expired SA")
    key = os.urandom(20)
    story.g2.sa("in", 0x1003, *ENDS, SUITE, key)
    story.g1.sa("out", 0x1003, *ENDS, SUITE, key)
    counts = Counts(story.g1)
    story.send(5)
    story.arrived(5)
    counts.become()
    story.g1.espctl("sa del spi 0x1001 dst 192.0.2.2 dir out")
    monitor.await_names("sa-add", "sa-del")
    story.monitors[story.g2].await_names("sa-add")


def main(lab):
    story = Story(lab)
    with lab.test("count", "limits in packets and bytes hold to the packet, out and in; soft and hard "
                           "ones are told once; what comes after is dropped under one name"):
        by_count(story)
    with lab.test("crowd", "two CPUs at one SA seal as many packets and bytes as its limit says, and not one more"):
        crowded(story)
    with lab.test("fallback", "when the newest SA ends the one before it takes over, and no packet is lost"):
        falls_back(story)
    with lab.test("clock", "limits in seconds hold, and setting the clock moves none"):
        by_clock(story)
    with lab.test("use", "seconds of use begin with the first packet; forged ones change an SA's drops alone"):
        by_use(story)
    with lab.test("stays", "an expired SA is shown until it is deleted, and a new one takes its place at once"):
        stays(story)
    for monitor in story.monitors.values():
        equal(monitor.stop(), 0, "status of espctl monitor")
