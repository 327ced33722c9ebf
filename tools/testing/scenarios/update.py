# SPDX-License-Identifier: GPL-2.0
"""A live SA is given other addresses, ports, limits, and another reqid.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1, 3..      192.0.2.2      10.2.0.2

g1 has several addresses. Sequence number, window, keys and counters stay what
they are, whatever else changes.
"""

import json
import os

from lab import Counts, Monitor, Packet, Wire, ask, check, drain, equal
from load import Load

SUITE = "aes128gcm16"
HERE, THERE = "192.0.2.1", "192.0.2.2"
OTHERS = [f"192.0.2.{n}" for n in (11, 12, 13, 14)]
ROUNDS = 40
DEBUG_ROUNDS = 12
OUT, IN = f"spi 0x1001 dst {THERE} dir out", f"spi 0x1001 dst {THERE} dir in"


def tunnel(lab, g1, g2, more=""):
    """The tunnel, with g1 open to packets for each of its addresses."""
    g1.espctl("sa flush")
    g2.espctl("sa flush")
    there, back = os.urandom(20), os.urandom(20)
    g2.sa("in", 0x1001, HERE, THERE, SUITE, there)
    g1.sa("in", 0x1002, THERE, "any", SUITE, back)
    g2.sa("out", 0x1002, THERE, HERE, SUITE, back)
    g1.sa("out", 0x1001, HERE, THERE, SUITE, there, more="reqid 1 " + more)


def shown(gate):
    """All that is shown of SAs, but for what the clock moves."""
    sas = json.loads(gate.espctl("-j sa show").stdout)
    for sa in sas:
        del sa["usage"]
    return sas


def under_load(lab, a, g1, g2, b):
    """Addresses change while packets flow."""
    rounds = DEBUG_ROUNDS if lab.debug else ROUNDS
    wire = Wire(g1, "wan", "ip")
    load = Load(a, b)
    load.turn()
    was = HERE
    for number in range(rounds):
        addr = OTHERS[number % len(OTHERS)]
        load.turn()
        g1.espctl(f"sa update {OUT} src {addr}")
        load.turn()
        g2.espctl(f"sa update spi 0x1002 dst {was} dir out new-dst {addr}")
        load.turn()
        was = addr
    load.finish()
    seen = {0x1001: [], 0x1002: []}
    sources, goals = set(), set()
    for packet in map(Packet, wire.packets()):
        equal(packet.proto, 50, "protocol on the wire")
        seen[packet.spi].append(packet.seq)
        (sources if packet.spi == 0x1001 else goals).add(packet.src if packet.spi == 0x1001 else packet.dst)
    wire.close()
    for spi, numbers in seen.items():
        equal(numbers, list(range(1, len(numbers) + 1)), f"sequence numbers of {spi:#x}")
    equal(sources, {HERE, *OTHERS}, "sources of g1's packets")
    equal(goals, {HERE, *OTHERS}, "destinations of g2's packets")
    for gate in (g1, g2):
        equal(gate.drops(), {}, f"drops of {gate.name}")
    equal([g1.sas()[0x1001][word] for word in ("packets", "src")],
          [load.sent[0], was], "what g1 shows of its SA")
    for sock in load.ends:
        sock.close()


def kept(g1, g2, near, far):
    """What an SA has learned survives."""
    before = g2.sas()[0x1001]
    wire = Wire(g1, "wan", "esp")
    ask(near, far, b"once")
    sealed = next(frame for frame in wire.packets() if Packet(frame).spi == 0x1001)
    g2.espctl(f"sa update {IN} src any soft-bytes 1000000 reqid 1")
    after = g2.sas()[0x1001]
    equal((after["seq"], after["packets"], after["fingerprint"], after["id"]),
          (before["seq"] + 1, before["packets"] + 1, before["fingerprint"], before["id"]), "the SA")
    counts = Counts(g2)
    wire.send(sealed)
    counts.become(in_replay_seen=1)
    wire.close()


def other_family(g1, g2, near, far):
    """From IPv4 to IPv6, then into UDP, and back."""
    for gate, net in ((g1, 1), (g2, 2)):
        gate.sysctl("net/ipv6/conf/wan/disable_ipv6", 0)
        gate.ip(f"addr add 2001:db8::{net}/64 dev wan nodad")
    wire = Wire(g1, "wan", "esp or udp")

    def seen(kind):
        wire.packets()
        ask(near, far, os.urandom(300))
        frames = [frame[14:] for frame in wire.packets()]
        check(len(frames) >= 2, "nothing was seen on the wire")
        for packet in frames:
            got = (packet[0] >> 4, packet[6] if packet[0] >> 4 == 6 else packet[9])
            equal(got, kind, "family and protocol on the wire")

    six = "src 2001:db8::{} new-dst 2001:db8::{}"
    # Sender and receiver of each direction; nothing is on its way.
    for spi, sender, receiver in ((0x1001, g1, g2), (0x1002, g2, g1)):
        here, there = (1, 2) if sender is g1 else (2, 1)
        for gate, way in ((receiver, "in"), (sender, "out")):
            number = next(sa["id"] for sa in gate.sas().values() if sa["direction"] == way)
            gate.espctl(f"sa update id {number} {six.format(here, there)}")
    seen((6, 50))
    for gate in (g1, g2):
        for sa in gate.sas().values():
            gate.espctl(f"sa update id {sa['id']} encap 4500 4500")
    seen((6, 17))
    for gate in (g1, g2):
        for sa in gate.sas().values():
            gate.espctl(f"sa update id {sa['id']} encap 0 0")
    seen((6, 50))
    wire.close()


def other_reqid(g1, near, far):
    """Another policy's SA."""
    counts = Counts(g1)
    number = g1.sas()[0x1001]["id"]
    g1.espctl(f"sa update id {number} reqid 7")
    near.sendto(b"nobody's", ("10.2.0.2", 5002))
    counts.become(out_no_sa=1)
    policy = g1.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 7 priority 1")
    near.sendto(b"reqid 7", ("10.2.0.2", 5002))
    equal(far.recv(100), b"reqid 7", "what arrives")
    g1.espctl(f"policy del id {policy}")
    g1.espctl(f"sa update id {number} reqid 1")
    near.sendto(b"reqid 1", ("10.2.0.2", 5002))
    equal(far.recv(100), b"reqid 1", "what arrives")
    counts.become(out_no_sa=1)


def limits(g1, near, far):
    """The limits of a life that has begun."""
    number, sent = g1.sas()[0x1001]["id"], g1.sas()[0x1001]["seq"]
    monitor, counts = Monitor(g1), Counts(g1)
    g1.espctl(f"sa update id {number} hard-packets {sent + 3} soft-packets {sent + 1}")
    near.sendto(b"soft", ("10.2.0.2", 5002))
    monitor.await_names("sa-update", "sa-soft")
    g1.espctl(f"sa update id {number} hard-packets 0 soft-packets 0")
    check("lifetime" not in g1.shown()[0x1001], "limits that were taken away are shown")
    for _ in range(5):
        near.sendto(b"no end", ("10.2.0.2", 5002))
    for _ in range(6):
        far.recv(100)
    g1.espctl(f"sa update id {number} hard-packets 1")
    monitor.await_names("sa-update", "sa-update")
    near.sendto(b"over", ("10.2.0.2", 5002))
    monitor.await_names("sa-hard")
    counts.become(out_expired=1)
    monitor.stop()


def refused(lab, g1):
    """Each with its sentence; nothing changes."""
    g1.sa("out", 0x1009, "192.0.2.11", "192.0.2.99", SUITE, os.urandom(20), more="reqid 9 encap 4500 4500 keepalive 9")
    g1.sa("out", 0x1009, "192.0.2.11", "192.0.2.98", SUITE, os.urandom(20), more="reqid 9")
    before = shown(g1)
    number = g1.sas()[0x1002]["id"]
    nine = "sa update spi 0x1009 dst 192.0.2.98 dir out"
    for words, why in (
            ("sa update id 4711 reqid 2", "there is no such SA"),
            (f"{nine} new-dst 192.0.2.99", "an SA with this SPI, destination and direction exists"),
            (f"{nine} new-dst any", "an outbound SA sends to somebody: it needs a destination"),
            (f"{nine} new-dst 224.0.0.1", "the destination must be a unicast address"),
            (f"{nine} src 255.255.255.255", "the source must be a unicast address"),
            (f"{nine} src 2001:db8::1", "source and destination are of different families"),
            (f"{nine} new-dst 2001:db8::1", "source and destination are of different families"),
            (f"{nine} encap 4500 0", "port 0 takes UDP away, and needs to be both"),
            (f"{nine} keepalive 5", "only an outbound SA with UDP encapsulation keeps a NAT's mapping alive"),
            (f"{nine} encap 1 2 keepalive 5 dummy 5", "keepalive or dummy: a dummy packet keeps a NAT's mapping, too"),
            (f"{nine} soft-bytes 7 hard-bytes 7", "a soft limit must be lower than the hard one of its kind"),
            ("sa update spi 0x1009 dst 192.0.2.99 dir out encap 0 0",
             "the SA keeps a NAT's mapping alive: take keepalive away, too"),
            (f"sa update id {number} dummy 5", "only an outbound SA sends dummy packets")):
        done = g1.espctl(words, good=False)
        equal(done.returncode, 1, f"status of '{words}'")
        check(why in done.stderr and len(done.stderr.splitlines()) == 1, f"'{words}' is answered {done.stderr!r}")
        equal(shown(g1), before, f"SAs after '{words}'")
    done = g1.espctl(f"sa add spi 0x1010 dir out mode tunnel src any dst 192.0.2.2 suite {SUITE} key-file - reqid 1 roam on",
                     key=os.urandom(20).hex(), good=False)
    check("only an inbound SA with a replay window" in done.stderr, f"roam outbound is answered {done.stderr!r}")
    equal(shown(g1), before, "SAs after all")


def main(lab):
    lab.pin()
    a, g1, g2, b = lab.sites()
    g1.ip("".join(f"addr add {addr}/24 dev wan\n" for addr in OTHERS))
    lab.protect(g1, g2)
    tunnel(lab, g1, g2)
    with lab.test("addresses", "both ends of a tunnel change addresses under load: each packet arrives, once, in "
                               "order; no number is left out or used twice, nothing goes in clear"):
        under_load(lab, a, g1, g2, b)
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
    tunnel(lab, g1, g2)
    with lab.test("kept", "an update leaves numbers, window, counters and keys: what was received is refused after it"):
        kept(g1, g2, near, far)
    with lab.test("family", "a tunnel goes over from IPv4 to IPv6, into UDP, and out of it"):
        other_family(g1, g2, near, far)
    with lab.test("reqid", "an SA is given to another policy and back"):
        other_reqid(g1, near, far)
    with lab.test("limits", "limits are given to a live SA, changed, and taken away"):
        limits(g1, near, far)
    with lab.test("refused", "an update that can't be is refused with a sentence, and nothing changes"):
        refused(lab, g1)
    equal((drain(near), drain(far)), (0, 0), "packets left over")
