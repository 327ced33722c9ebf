# SPDX-License-Identifier: GPL-2.0
"""No clear text where policy says ESP, and each drop counted once, by its name.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
                    ^ a listener, and a forger

Every datagram carries a marker that a listener on g1's wire looks for. Policies
on both gateways say ESP between the two sites.
"""

import contextlib
import os
import socket

from lab import (ESP, ETH_P_IP, Counts, Packet, Wire, check, drain, equal, eventually, ipv4,
                 udp)

MARKER = b"This must never be seen on the wire. "
COUNT = 40


class Story:
    """The sites, a socket in each, a listener between them."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites()
        self.near, self.far = self.a.udp("10.1.0.2", 5001), self.b.udp("10.2.0.2", 5002)
        self.wire = Wire(self.g1, "wan", "ip")
        self.reset()

    def reset(self):
        """Policies, and no SA."""
        for gate in (self.g1, self.g2):
            gate.silence()
        self.lab.protect(self.g1, self.g2)
        self.forget()

    def forget(self):
        """What was heard so far."""
        self.wire.packets()
        drain(self.far)
        drain(self.near)

    def send(self, count=COUNT, port=5002):
        """Markers from A to B."""
        for number in range(count):
            self.near.sendto(MARKER + str(number).encode(), ("10.2.0.2", port))

    def heard(self):
        """Packets of IP on the wire, none of them with the marker."""
        frames = self.wire.packets()
        for frame in frames:
            check(MARKER not in frame, f"the marker is on the wire: {frame.hex()}")
        return [Packet(frame) for frame in frames]

    def arrive(self, count=COUNT, sock=None):
        """All that was sent arrives at B."""
        sock = sock or self.far
        for _ in range(count):
            check(MARKER in sock.recv(2048), "B got something else")

    def inject(self, packet):
        """A forger between the gateways speaks to g1."""
        frame = self.g1.mac("wan") + self.g2.mac("wan") + ETH_P_IP.to_bytes(2, "big") + packet
        self.forger.send(frame)

    @property
    def forger(self):
        if not hasattr(self, "_forger"):
            self._forger = Wire(self.g2, "wan", "less 1")
        return self._forger


def listener_works(lab, story):
    with lab.test("listener", "without a policy the listener sees the marker, so it is not deaf"):
        for gate in (story.g1, story.g2):
            gate.silence()
        story.forget()
        story.send()
        story.arrive()
        frames = story.wire.packets()
        equal(sum(MARKER in frame for frame in frames), COUNT, "markers on the wire")


def no_sa(lab, story):
    with lab.test("no-sa", "while no SA exists nothing leaves, and out_no_sa counts each packet"):
        story.reset()
        counts = Counts(story.g1)
        story.send()
        counts.become(out_no_sa=COUNT)
        equal(len(story.heard()), 0, "packets on the wire")
        equal(drain(story.far), 0, "packets at B")


def no_sa_big(lab, story):
    with lab.test("no-sa-big", "the same for datagrams in fragments and for TCP"):
        story.reset()
        counts = Counts(story.g1)
        # In three fragments from A, which g1 has put together
        for _ in range(COUNT):
            story.near.sendto(MARKER * 100, ("10.2.0.2", 5002))
        counts.become(out_no_sa=COUNT)
        with story.a, socket.socket() as sock:
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(("10.2.0.2", 5002))
            eventually(lambda: counts.new().get("out_no_sa", 0) > COUNT, "TCP counted")
        equal(len(story.heard()), 0, "packets on the wire")


def tunnel(lab, story):
    with lab.test("tunnel", "with SAs the same packets arrive, as ESP alone, and nothing is dropped"):
        story.reset()
        lab.tunnel(story.g1, story.g2)
        here, there = Counts(story.g1), Counts(story.g2)
        story.send()
        story.arrive()
        packets = story.heard()
        equal({packet.proto for packet in packets}, {ESP}, "protocols on the wire")
        equal([packet.seq for packet in packets], list(range(1, COUNT + 1)), "sequence numbers")
        here.become()
        there.become()


def wrong_key(lab, story):
    with lab.test("wrong-key", "packets under another key are dropped as in_icv, each once, and "
                               "shown at the SA"):
        story.reset()
        key, other = os.urandom(20), os.urandom(20)
        story.g1.sa("out", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key)
        story.g2.sa("in", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", other)
        here, there = Counts(story.g1), Counts(story.g2)
        story.send()
        there.become(in_icv=COUNT)
        here.become()
        sa = story.g2.sas()[0x1001]
        equal({drop["name"]: drop["value"] for drop in sa["drops"]}, {"in_icv": COUNT},
              "drops of the SA")
        equal((sa["packets"], sa["bytes"], sa["seq"]), (0, 0, 0), "packets, bytes, seq of the SA")
        equal(drain(story.far), 0, "packets at B")
        ours, theirs = (ns.sas()[0x1001]["fingerprint"] for ns in (story.g1, story.g2))
        check(ours != theirs, "the fingerprints of two keys are the same")


def deleted(lab, story):
    with lab.test("deleted", "SAs deleted under traffic: each packet either arrives as ESP or is "
                             "counted once"):
        story.reset()
        lab.tunnel(story.g1, story.g2)
        here, there = Counts(story.g1), Counts(story.g2)
        sent = 0
        flush = None
        while flush is None or flush.poll() is None:
            story.send(20)
            sent += 20
            drain(story.far)
            if sent == 200:
                flush = story.g1.start(["tools/espctl/espctl", "sa", "flush"])
        story.send(100)
        sent += 100
        equal(flush.returncode, 0, "status of the flush")

        def settled():
            return story.g2.sas()[0x1001]["packets"] + sum(here.new().values()) >= sent
        eventually(settled, "every packet has met its fate")
        opened = story.g2.sas()[0x1001]["packets"]
        dropped = here.new()
        check(opened >= 200, f"only {opened} packets before the SA was deleted")
        check(dropped.get("out_no_sa", 0) >= 100, f"dropped {dropped}")
        check(set(dropped) <= {"out_no_sa", "out_sa_dead"}, f"dropped {dropped}")
        equal(opened + sum(dropped.values()), sent, "opened and dropped packets")
        equal({packet.proto for packet in story.heard()}, {ESP}, "protocols on the wire")
        there.become()


def policies_changed(lab, story):
    with lab.test("policy-kept", "while SAs come and go no marker gets out"):
        story.reset()
        key = os.urandom(20)
        # Not the socket of the load, which is always full
        own = story.a.udp("10.1.0.2")
        load = lab.load((story.near, ("10.2.0.2", 5002)))
        own.sendto(MARKER, ("10.2.0.2", 5002))
        for _ in range(10):
            story.g1.sa("out", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key)
            own.sendto(MARKER, ("10.2.0.2", 5002))
            story.g1.del_sa(0x1001, "192.0.2.2", "out")
            own.sendto(MARKER, ("10.2.0.2", 5002))
        lab.unload(load)
        own.close()
        equal({packet.proto for packet in story.heard()}, {ESP}, "protocols on the wire")


def forged(lab, story):
    with lab.test("forged", "clear packets into the protected net are dropped as in_clear, each once"):
        story.reset()
        lab.tunnel(story.g1, story.g2)
        here = Counts(story.g1)
        for number in range(COUNT):
            story.inject(ipv4("10.2.0.2", "10.1.0.2", 17, udp(5002, 5001, MARKER), ident=number))
        here.become(in_clear=COUNT)
        equal(drain(story.near), 0, "packets at A")

    with lab.test("forged-icmp", "the same for ICMP, also of an unknown kind of protocol"):
        here = Counts(story.g1)
        story.inject(ipv4("10.2.0.2", "10.1.0.2", 1, bytes.fromhex("0800f7fd00010001")))
        story.inject(ipv4("10.2.0.2", "10.1.0.2", 253, MARKER))
        story.inject(ipv4("10.2.0.2", "10.1.0.2", 47, bytes(8)))
        # The gateway's own address in the net is as good as any other in it.
        story.inject(ipv4("10.2.0.2", "10.1.0.1", 17, udp(1, 1, MARKER)))
        here.become(in_clear=4)

    with lab.test("forged-ipip", "a clear packet inside of plain IP-in-IP gains nothing"):
        here = Counts(story.g1)
        inner = ipv4("10.2.0.2", "10.1.0.2", 17, udp(5002, 5001, MARKER))
        story.inject(ipv4("192.0.2.2", "192.0.2.1", 4, inner))
        story.inject(ipv4("10.2.0.2", "10.1.0.2", 4, inner))
        here.become(in_clear=1)
        equal(drain(story.near), 0, "packets at A")

    with lab.test("elsewhere", "clear packets that no policy names pass"):
        here = Counts(story.g1)
        sock = story.g1.udp("192.0.2.1", 7000)
        story.inject(ipv4("192.0.2.2", "192.0.2.1", 17, udp(1, 7000, b"hello")))
        equal(sock.recv(100), b"hello", "at g1")
        here.become()
        sock.close()

    with lab.test("unknown-spi", "ESP without an SA of ours is left to others, and is no drop"):
        here = Counts(story.g1)
        before = story.g1.stats().get("in_not_ours", 0)
        for _ in range(5):
            story.inject(ipv4("192.0.2.2", "192.0.2.1", 50, bytes.fromhex("deadbeef") + bytes(60)))
        eventually(lambda: story.g1.stats().get("in_not_ours", 0) == before + 5, "in_not_ours")
        here.become()


def malformed(lab, story):
    with lab.test("malformed", "ESP too short for its suite is dropped as in_malformed, each once"):
        story.reset()
        lab.tunnel(story.g1, story.g2)
        here = Counts(story.g1)
        # Header 8, IV 8, trailer 2 at least, to a multiple of 4, ICV 16
        lengths = [n for n in range(4, 40) if n < 36 or n % 4]
        for length in lengths:
            story.inject(ipv4("192.0.2.2", "192.0.2.1", 50,
                              (bytes.fromhex("0000100200000001") + bytes(40))[:length]))
        here.become(in_malformed=len(lengths))
        story.inject(ipv4("192.0.2.2", "192.0.2.1", 50,
                          bytes.fromhex("0000100200000001") + bytes(28)))
        here.become(in_malformed=len(lengths), in_icv=1)


def priorities(lab, story):
    story.reset()
    lab.tunnel(story.g1, story.g2)
    udp_to = "src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport"

    with lab.test("discard", "a discard policy of better priority drops, as out_discard"):
        story.forget()
        rule = story.g1.policy(f"dir out {udp_to} 7001 priority 10 action discard")
        here = Counts(story.g1)
        story.send(port=7001)
        here.become(out_discard=COUNT)
        equal(len(story.heard()), 0, "packets on the wire")
        hits = {p["id"]: p["packets"] for p in story.g1.policies()}
        equal(hits[rule], COUNT, "packets of the policy")

    with lab.test("bypass", "a bypass policy lets its packets through in clear, and no others"):
        for gate, way in ((story.g1, "out"), (story.g2, "in")):
            gate.policy(f"dir {way} {udp_to} 7002 priority 10 action bypass")
            # Of worse priority, so without effect
            gate.policy(f"dir {way} {udp_to} 7002 priority 11 action discard")
        sock = story.b.udp("10.2.0.2", 7002)
        story.forget()
        here, there = Counts(story.g1), Counts(story.g2)
        story.send(port=7002)
        story.arrive(sock=sock)
        equal(sum(MARKER in frame for frame in story.wire.packets()), COUNT, "markers on the wire")
        story.send()
        story.arrive()
        equal(len(story.heard()), COUNT, "packets of ESP")
        here.become()
        there.become()
        equal(story.g1.stats()["out_bypass"], COUNT, "out_bypass")
        equal(story.g2.stats()["in_bypass"], COUNT, "in_bypass")
        sock.close()

    with lab.test("protected-bypass", "what policy wants in clear is refused out of an SA, as in_policy"):
        # g1 protects what g2 expects in clear.
        for policy in story.g1.policies():
            if policy["action"] == "bypass":
                story.g1.espctl(f"policy del id {policy['id']}")
            elif policy["priority"] == 11:
                story.g1.espctl(f"policy del id {policy['id']}")
        here, there = Counts(story.g1), Counts(story.g2)
        story.send(port=7002)
        there.become(in_policy=COUNT)
        here.become()

    with lab.test("discard-in", "an inbound discard policy drops clear packets, as in_discard"):
        story.g1.policy("dir in src 192.0.2.2 dst 192.0.2.1 proto udp dport 7003 action discard")
        sock = story.g1.udp("192.0.2.1", 7003)
        here = Counts(story.g1)
        for _ in range(COUNT):
            story.inject(ipv4("192.0.2.2", "192.0.2.1", 17, udp(1, 7003, MARKER)))
        here.become(in_discard=COUNT)
        equal(drain(sock), 0, "packets at g1")
        sock.close()

    with lab.test("reqid", "an SA carries only what the policies of its reqid cover"):
        story.reset()
        lab.tunnel(story.g1, story.g2)
        # g2 would take this traffic from reqid 2 alone.
        story.g2.policy(f"dir in {udp_to} 7004 priority 10 action protect reqid 2")
        here, there = Counts(story.g1), Counts(story.g2)
        story.send(port=7004)
        there.become(in_policy=COUNT)
        here.become()

    with lab.test("selector", "an SA with a selector opens nothing outside of it, as in_selector"):
        story.reset()
        key = os.urandom(20)
        story.g1.sa("out", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key)
        story.g2.sa("in", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key,
                    more="reqid 1 sel dst 10.2.0.0/24 proto udp dport 5002")
        here, there = Counts(story.g1), Counts(story.g2)
        story.send()
        story.arrive()
        story.send(port=7005)
        there.become(in_selector=COUNT)
        here.become()


def loopback(lab, story):
    with lab.test("loopback", "a host's talk with itself passes, whatever its policies"):
        story.b.policy("dir out action discard")
        story.b.policy("dir in action discard")
        one, two = story.b.udp("127.0.0.1", 6001), story.b.udp("10.2.0.2", 6002)
        counts = Counts(story.b)
        two.sendto(MARKER, ("10.2.0.2", 6001 + 1))
        equal(two.recv(100), MARKER, "to its own address")
        one.sendto(MARKER, ("127.0.0.1", 6001))
        equal(one.recv(100), MARKER, "to 127.0.0.1")
        counts.become()
        # And the policies do bite elsewhere.
        with contextlib.suppress(PermissionError):
            two.sendto(MARKER, ("10.1.0.2", 9))
        counts.become(out_discard=1)
        story.b.espctl("policy flush")
        one.close()
        two.close()


def ports_hidden(lab, story):
    with lab.test("fragments", "fragments are judged whole: ports count for each of them"):
        story.reset()
        lab.tunnel(story.g1, story.g2)
        story.g1.policy("dir in src 10.2.0.0/24 dst 10.1.0.0/24 proto udp dport 5001 priority 5 "
                        "action bypass")
        body = udp(5002, 5001, MARKER * 60)
        half = len(body) // 16 * 8
        first = bytearray(ipv4("10.2.0.2", "10.1.0.2", 17, body[:half], ident=77))
        second = bytearray(ipv4("10.2.0.2", "10.1.0.2", 17, body[half:], ident=77))
        first[6:8] = (0x2000).to_bytes(2, "big")
        second[6:8] = (half // 8).to_bytes(2, "big")
        here = Counts(story.g1)
        story.forget()
        for fragment in (second, first):
            fragment[10:12] = bytes(2)
            from lab import checksum
            fragment[10:12] = checksum(bytes(fragment[:20])).to_bytes(2, "big")
            story.inject(bytes(fragment))
        equal(story.near.recv(65536), MARKER * 60, "at A")
        here.become()


def main(lab):
    lab.pin()
    story = Story(lab)
    for part in (listener_works, no_sa, no_sa_big, tunnel, wrong_key, deleted, policies_changed,
                 forged, malformed, priorities, ports_hidden, loopback):
        part(lab, story)
