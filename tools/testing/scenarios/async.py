# SPDX-License-Identifier: GPL-2.0
"""Asynchronous crypto: packets wait for their driver while the world ends.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

The driver is cryptd or pcrypt, by which every packet is sealed and opened
later, in another context. SAs, namespaces and the module go while it does.
"""

import os

from asynchronous import is_async, make_async, starved
from client import Client
from lab import Counts, Wire, ask, check, drain, equal, eventually, stream

SUITES = (("aes128gcm16", True), ("chacha20poly1305", True), ("aes128-sha256", True),
          ("aes256-sha256", False), ("null-sha256", True))
# Those that cryptd takes
DEBUG_SUITES = (("chacha20poly1305", True), ("null-sha256", True), ("null-sha256", False))


def configure(lab, g1, g2, suite, esn=True):
    for gate in (g1, g2):
        gate.silence()
    lab.protect(g1, g2)
    lab.tunnel(g1, g2, suite, more=f"reqid 1 esn {'on' if esn else 'off'}")


HOLE = """table ip hole {
    chain in { type filter hook prerouting priority -500
        ip protocol esp drop
    }
}"""
COPIES = 20
# Packets that cryptd lets wait for a CPU
QUEUE = 1000


def copies(lab, g1, g2, near, far, suite, esn):
    """Two copies of each packet are under the cipher at once."""
    configure(lab, g1, g2, suite, esn)
    wire = Wire(g1, "wan", "esp")
    g2.run("nft -f -", text=HOLE)
    for number in range(COPIES):
        near.sendto(bytes([number]), ("10.2.0.2", 5002))
    frames = []
    eventually(lambda: frames.extend(wire.packets()) or len(frames) == COPIES, "packets on the wire")
    g2.run("nft delete table ip hole")
    counts, client = Counts(g2), Client(g2)

    def seen():
        return {c["name"]: c["value"] for c in client.do("stats-get")["counters"]}["in_replay_seen"]

    before = seen()
    # Whoever opens packets on this CPU waits until all of them are there.
    with starved():
        for frame in frames:
            wire.send(frame)
            wire.send(frame)
        meanwhile = seen() - before
    counts.become(in_replay_seen=COPIES)
    equal(sorted(far.recv(10) for _ in range(COPIES)), [bytes([n]) for n in range(COPIES)], "what B got")
    equal(drain(far), 0, "what B got besides")
    # pcrypt opens on other CPUs, which wait for nobody.
    check(meanwhile == 0 or not lab.debug, f"{meanwhile} copies were refused before they were opened")
    client.close()
    wire.close()


def sealed(wire, near):
    """A packet of ESP that g2 has not seen."""
    wire.packets()
    near.sendto(b"early", ("10.2.0.2", 5002))
    frames = []
    eventually(lambda: frames.extend(wire.packets()) or frames, "a packet on the wire")
    return frames[0]


def overrun(lab, g1, g2, near, far, suite, esn):
    """More packets than the queue of cryptd takes."""
    configure(lab, g1, g2, suite, esn)
    wire = Wire(g1, "wan", "esp")
    g2.run("nft -f -", text=HOLE)
    frame = sealed(wire, near)
    g2.run("nft delete table ip hole")
    counts = Counts(g2)
    with starved():
        for _ in range(QUEUE + COPIES):
            wire.send(frame)
    # Of those that are opened one is the first.
    counts.become(in_crypto=COPIES, in_replay_seen=QUEUE - 1, seconds=30)
    equal({d["name"]: d["value"] for d in g2.sas()[0x1001]["drops"]}, {"in_crypto": COPIES, "in_replay_seen": QUEUE - 1},
          "drops of the SA")
    equal(far.recv(10), b"early", "what B got")
    counts = Counts(g1)
    with starved():
        for _ in range(QUEUE + COPIES):
            near.sendto(b"many", ("10.2.0.2", 5002))
    counts.become(out_crypto=COPIES, seconds=30)
    equal({d["name"]: d["value"] for d in g1.sas()[0x1001]["drops"]}, {"out_crypto": COPIES}, "drops of the SA")
    for _ in range(QUEUE):
        equal(far.recv(10), b"many", "what B got")
    equal(drain(far), 0, "what B got besides")
    wire.close()


def overtaken(lab, g1, g2, near, far, suite, esn):
    """An SA that goes while its packets are under the cipher."""
    configure(lab, g1, g2, suite, esn)
    wire, client = Wire(g1, "wan", "esp"), Client(g2)
    g2.run("nft -f -", text=HOLE)
    frame = sealed(wire, near)
    g2.run("nft delete table ip hole")
    counts, number = Counts(g2), g2.sas()[0x1001]["id"]
    with starved():
        for _ in range(COPIES):
            wire.send(frame)
        client.do("sa-del", id=number)
    counts.become(in_sa_dead=COPIES)
    equal(drain(far), 0, "what B got")
    client.close()
    wire.close()


def main(lab):
    a, g1, g2, b = lab.sites()
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
    listener = b.listen("10.2.0.2", 5004)

    suites = DEBUG_SUITES if lab.debug else SUITES
    for suite, esn in suites:
        with lab.test(f"{suite}/{'esn' if esn else 'noesn'}/tunnel",
                      f"{suite} by an asynchronous driver carries UDP and TCP"):
            make_async(lab, g1, suite, esn)
            configure(lab, g1, g2, suite, esn)
            for sa in (*g1.sas().values(), *g2.sas().values()):
                check(is_async(sa), f"driver {sa['driver']}")
            for size in (1, 64, 1400, 4000):
                ask(near, far, os.urandom(size))
            stream(*a.connect(listener, "10.1.0.2"), os.urandom(40_000 if lab.debug else 250_000))
            for gate in (g1, g2):
                equal({k: v for k, v in gate.drops().items() if k != "out_too_big"}, {}, "drops")

    for suite, esn in suites[:3]:
        with lab.test(f"{suite}/{'esn' if esn else 'noesn'}/transport",
                      f"{suite} by an asynchronous driver in transport mode"):
            for gate in (g1, g2):
                gate.silence()
            for spi, src, dst, ways in ((0x6001, "192.0.2.1", "192.0.2.2", ("out", "in")),
                                        (0x6002, "192.0.2.2", "192.0.2.1", ("in", "out"))):
                key = os.urandom(lab.suites()[suite]["key_len"])
                for gate, way in zip((g1, g2), ways):
                    gate.sa(way, spi, src, dst, suite, key, "transport")
                    gate.policy(f"dir {way} src {src} dst {dst} action protect reqid 1")
            one, two = g1.udp("192.0.2.1", 5001), g2.udp("192.0.2.2", 5002)
            for size in (1, 64, 1400, 4000):
                ask(one, two, os.urandom(size))
            door = g2.listen("192.0.2.2", 5004)
            stream(*g1.connect(door, "192.0.2.1"), os.urandom(40_000))
            check(all(is_async(sa) and sa["packets"] > 4
                      for sa in g2.sas().values()), "another driver, or no packets")
            for sock in (one, two, door):
                sock.close()

    with lab.test("copies", "of two copies of a packet, opened at the same time, one is delivered and one is "
                            "in_replay_seen"):
        copies(lab, g1, g2, near, far, *suites[1])

    # pcrypt opens on other CPUs, which wait for nobody, and has no end of its queue.
    if lab.debug:
        with lab.test("overrun", "what the driver's queue has no room for is dropped as in_crypto or out_crypto, each "
                                 "once, and the rest arrives"):
            overrun(lab, g1, g2, near, far, *suites[1])
        with lab.test("overtaken", "packets whose SA goes while they are opened are dropped as in_sa_dead"):
            overtaken(lab, g1, g2, near, far, *suites[1])

    near.close()
    far.close()
    left = [a.udp("10.1.0.2", 6000 + n) for n in range(2)]
    right = [b.udp("10.2.0.2", 6000 + n) for n in range(2)]
    pids = [lab.load(*((sock, ("10.2.0.2", 6000 + n)) for n, sock in enumerate(left)), size=1000),
            lab.load(*((sock, ("10.1.0.2", 6000 + n)) for n, sock in enumerate(right)), size=100)]

    def passes():
        for sock in (left[0], right[0]):
            drain(sock)
            sock.settimeout(20)
            sock.recv(4000)

    rounds = 3 if lab.debug else 5
    suites = [suites[n % 3][0] for n in range(rounds)]
    with lab.test("delete", f"SAs deleted with packets in flight, {rounds} times"):
        for suite in suites:
            configure(lab, g1, g2, suite)
            passes()
            for gate in (g1, g2):
                gate.del_sa(0x1001, "192.0.2.2", "out" if gate is g1 else "in")
                gate.del_sa(0x1002, "192.0.2.1", "in" if gate is g1 else "out")
            equal((g1.sas(), g2.sas()), ({}, {}), "SAs left")

    with lab.test("flush", f"SAs and policies flushed with packets in flight, {rounds} times"):
        for suite in suites:
            configure(lab, g1, g2, suite)
            passes()
            for gate in (g1, g2):
                gate.flush_sas()
                gate.flush_policies()
        passes()

    with lab.test("rmmod", f"the module unloaded with packets in flight, {rounds} times"):
        for suite in suites:
            configure(lab, g1, g2, suite)
            passes()
            done = lab.rmmod()
            equal(done.returncode, 0, f"rmmod: {done.stderr}")
            lab.insmod()
        passes()

    with lab.test("namespace", "namespaces deleted with packets in flight"):
        configure(lab, g1, g2, "aes128gcm16")
        passes()
        g2.delete()
        g1.delete()
        eventually(lambda: "eth0" not in a.read("/proc/net/dev") and
                   "eth0" not in b.read("/proc/net/dev"), "both wires are gone", 60)
        for pid in pids:
            lab.unload(pid)
        done = lab.rmmod()
        equal(done.returncode, 0, f"rmmod: {done.stderr}")
