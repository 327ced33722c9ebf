# SPDX-License-Identifier: GPL-2.0
"""Packets that ask for their SA, and SPIs that are reserved for SAs to come.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

The test is the key daemon: it listens to g1's events, and adds SAs.
"""

import json
import os
import select
import socket
import struct
import time

from lab import Counts, Monitor, Packet, Wire, check, command, drain, equal, eventually

SUITE = "aes128gcm16"
ENDS = ("192.0.2.1", "192.0.2.2")
PATIENCE = 10


class Story:
    """The sites, with policies on demand at g1."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites()
        self.near, self.far = self.a.udp("10.1.0.2", 5001), self.b.udp("10.2.0.2", 5002)
        for ns, out, come in ((self.g1, "out", "in"), (self.g2, "in", "out")):
            more = "on-demand" if ns is self.g1 else ""
            self.policy = ns.policy(f"dir {out} src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1 "
                                    + (more if out == "out" else ""))
            ns.policy(f"dir {come} src 10.2.0.0/24 dst 10.1.0.0/24 action protect reqid 1 "
                      + (more if come == "out" else ""))
            if ns is self.g1:
                self.wish = self.policy
        self.monitor = Monitor(self.g1)

    def events(self, name):
        """Those of that name that have come, which are then forgotten."""
        found = [event for event in self.monitor.take() if event["event"] == name]
        if found:
            self.monitor.seen = []
        return found

    def tunnel(self):
        """What a daemon does when it is asked."""
        there, back = os.urandom(20), os.urandom(20)
        self.g2.sa("in", 0x1001, *ENDS, SUITE, there)
        self.g2.sa("out", 0x1002, *ENDS[::-1], SUITE, back)
        self.g1.sa("in", 0x1002, *ENDS[::-1], SUITE, back)
        self.g1.sa("out", 0x1001, *ENDS, SUITE, there)

    def forget(self):
        for gate in (self.g1, self.g2):
            gate.flush_sas()
        # With a policy goes whatever waits, such as the end of a connection.
        self.g1.espctl(f"policy del id {self.g1.policy('dir out dst 10.99.0.0/24 action discard')}")
        self.monitor.take()
        self.monitor.seen = []


def waits(story):
    """The first packets of a flow are not lost."""
    counts, wire = Counts(story.g1), Wire(story.g1, "wan", "ip")
    for number in range(5):
        story.near.sendto(bytes([number]), ("10.2.0.2", 5002))
    event = eventually(lambda: story.events("acquire"), "an acquire event")
    equal(len(event), 1, "events of five packets")
    wish = event[0]["acquire"]
    seq = wish.pop("seq")
    equal(wish, {"policy": story.wish, "reqid": 1, "src": "10.1.0.2", "dst": "10.2.0.2", "protocol": 17,
                 "sport": 5001, "dport": 5002}, "what is asked for")
    equal(drain(story.far), 0, "packets at B before there is an SA")
    story.tunnel()
    equal([story.far.recv(10) for _ in range(5)], [bytes([n]) for n in range(5)], "packets at B")
    equal({Packet(frame).proto for frame in wire.packets()}, {50}, "protocols on the wire")
    counts.become()
    story.near.sendto(b"goes on", ("10.2.0.2", 5002))
    equal(story.far.recv(10), b"goes on", "what follows")
    equal(story.events("acquire"), [], "further events")
    wire.close()
    story.forget()
    return seq


def connects(story, seq):
    """A connection does not wait for TCP's patience."""
    listener = story.b.listen("10.2.0.2", 80)
    with story.a:
        sock = socket.socket()
    sock.setblocking(False)
    began = time.monotonic()
    sock.connect_ex(("10.2.0.2", 80))
    event = eventually(lambda: story.events("acquire"), "an acquire event")[0]
    equal((event["acquire"]["protocol"], event["acquire"]["dport"]), (6, 80), "what is asked for")
    check(event["acquire"]["seq"] > seq, "numbers of wishes grow")
    story.tunnel()
    check(select.select([], [sock], [], 10)[1], "no connection")
    equal(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0, "error of the connection")
    if not story.lab.debug:
        took = time.monotonic() - began
        check(took < 1, f"connecting took {took:.2f} s: the first SYN was lost")
    # By a reset: what closes politely is repeated, and would wait for the next SA.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for each in (sock, listener):
        each.close()
    story.forget()


def bounded(story):
    """Few wait, and not for long."""
    counts = Counts(story.g1)
    for number in range(40):
        story.near.sendto(bytes([number]), ("10.2.0.2", 5002))
    counts.become(out_held=24)
    eventually(lambda: story.events("acquire"), "an acquire event")
    # Another reqid's flow has its own place, and waits beside it.
    other = story.g1.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport 7 action protect reqid 7 "
                            "priority 1 on-demand")
    counts.become(out_held=24)
    story.near.sendto(b"seven", ("10.2.0.2", 7))
    # Slow machines remind of reqid 1 meanwhile.
    eventually(lambda: [event for event in story.events("acquire") if event["acquire"]["reqid"] == 7],
               "an acquire event of reqid 7")
    counts.become(seconds=PATIENCE + 5, out_held=41)
    # What a policy that goes has held back does not leave in clear.
    story.near.sendto(b"seven", ("10.2.0.2", 7))
    eventually(lambda: story.events("acquire"), "an acquire event")
    wire = Wire(story.g1, "wan", "udp")
    story.g1.espctl(f"policy del id {other}")
    counts.become(out_held=42)
    equal(len(wire.packets()), 0, "packets in clear")
    wire.close()
    story.forget()


def off(story):
    """Without the word, a packet without SA is dropped at once."""
    story.g1.espctl("policy flush")
    story.lab.protect(story.g1, story.g2)
    story.monitor.take()
    story.monitor.seen = []
    counts = Counts(story.g1)
    story.near.sendto(b"nobody", ("10.2.0.2", 5002))
    counts.become(out_no_sa=1)
    equal(story.events("acquire"), [], "events")


def reserved(story):
    """SPIs for SAs to come."""
    g1, g2, monitor = story.g1, story.g2, story.monitor
    got = json.loads(g1.espctl("-j sa reserve dst 192.0.2.1").stdout)
    check(0xc0000000 <= int(got["spi"], 0) <= 0xcfffffff, f"SPI {got['spi']}")
    sa = g1.sas()[int(got["spi"], 0)]
    equal((sa["state"], sa["id"], sa["direction"]), ("larval", got["id"], "in"), "what is shown")
    said = g1.espctl("sa reserve dst 192.0.2.1 spi 0x5000-0x5001").stdout
    other = g1.espctl("sa reserve dst 192.0.2.1 spi 0x5000-0x5001").stdout
    equal({said, other}, {"0x00005000\n", "0x00005001\n"}, "SPIs of a range of two")
    done = g1.espctl("sa reserve dst 192.0.2.1 spi 0x5000-0x5001", good=False)
    equal((done.returncode, done.stderr),
          (1, "espctl: sa reserve: every SPI that was tried in this range is taken\n"), "a third one")
    done = g1.espctl("sa update spi 0x5000 dst 192.0.2.1 dir in reqid 3", good=False)
    check("there is no SA yet to update" in done.stderr, f"an update is answered {done.stderr!r}")

    # A packet that comes too early
    key = os.urandom(20)
    g2.sa("out", 0x5000, *ENDS[::-1], SUITE, key)
    counts = Counts(g1)
    story.far.sendto(b"early", ("10.1.0.2", 5001))
    counts.become(in_larval=1)
    # The SA takes the place, and only that place.
    before = g1.sas()
    monitor.take()
    monitor.seen = []
    g1.sa("in", 0x5000, *ENDS[::-1], SUITE, key)
    after = g1.sas()
    equal(set(before), set(after), "SPIs")
    equal(after[0x5000]["state"], "valid", "state")
    check(after[0x5000]["id"] != before[0x5000]["id"], "the larval SA is still there")
    eventually(lambda: [(e["event"], e["sa"]["id"]) for e in monitor.take() if e["sa"]["spi"] == "0x00005000"] ==
               [("sa-del", before[0x5000]["id"]), ("sa-add", after[0x5000]["id"])], "both events, in this order")
    story.far.sendto(b"in time", ("10.1.0.2", 5001))
    equal(story.near.recv(20), b"in time", "what arrives")
    done = g1.say_sa("in", 0x5000, *ENDS[::-1], SUITE, key, good=False)
    check("exists" in done.stderr, f"the SA once more is answered {done.stderr!r}")
    counts.become(in_larval=1)

    # One that nobody comes for
    monitor.take()
    monitor.seen = []
    spi = int(g1.espctl("sa reserve dst any spi 0x6000 seconds 1", good=False).stderr.count("family") or 0)
    equal(spi, 1, "'any' without a family is refused")
    equal(g1.espctl("sa reserve dst 0.0.0.0 spi 0x6000 seconds 1").stdout, "0x00006000\n", "SPI")
    eventually(lambda: 0x6000 not in g1.sas(), "the reservation goes", 10)
    equal([e["event"] for e in monitor.take() if e["sa"]["spi"] == "0x00006000"], ["sa-add", "sa-hard"], "events")
    check(0x5001 in g1.sas(), "the other reservation is gone")


def ended(lab):
    """A namespace ends in which a packet waits, whose entry connection tracking has. Loaded last, that ends first."""
    def anew():
        lab.rmmod()
        # Where that fails, somebody else needs it, and it came before us.
        command("modprobe -qr nft_masq nft_chain_nat nf_nat nft_ct nf_conntrack_netlink nf_conntrack", good=False)
        lab.insmod()

    if not lab.debug:
        anew()
    # A packet that is forwarded: one of a socket's keeps the socket, and so the namespace.
    lone, peer = lab.build("lone", "peer", v6=False)
    lab.join("lone:w peer:w")
    lone.ip("""link set lo up
               addr add 10.9.0.1/24 dev w
               link set w up
               link add d0 type dummy
               addr add 10.9.1.1/24 dev d0
               link set d0 up""")
    peer.ip("""addr add 10.9.0.2/24 dev w
               link set w up
               route add 10.9.1.0/24 via 10.9.0.1""")
    lone.run("nft -f -", text="""table ip t {
        chain c {
            type filter hook forward priority 0
            ct state new counter accept
        }
    }""")
    lone.policy("dir out dst 10.9.1.0/24 action protect reqid 1 on-demand")
    sock = peer.udp("10.9.0.2")
    sock.sendto(b"waits", ("10.9.1.2", 9))
    eventually(lambda: "packets 1 " in lone.run("nft list table ip t").stdout, "connection tracking sees the packet")
    equal(lone.drops(), {}, "drops")
    sock.close()
    del lab.spaces["lone"]
    began = time.monotonic()
    lone.delete()
    # Its devices go first; then rmmod waits until the rest has.
    eventually(lambda: " w:" not in peer.read("/proc/net/dev"), "the wire's other end goes", 20)
    equal(lab.rmmod().returncode, 0, "status of rmmod")
    took = time.monotonic() - began
    check(took < 6, f"the namespace took {took:.1f} s to end")
    lab.insmod()


def main(lab):
    story = Story(lab)
    with lab.test("waits", "packets without an SA ask for one, once, with their selector, and arrive in order when it comes"):
        seq = waits(story)
    with lab.test("connects", "a TCP connection asks for its SA, and its first SYN is not lost"):
        connects(story, seq)
    with lab.test("bounded", "16 packets of a reqid wait for 10 seconds; what is too many, or too long, or whose policy "
                             "goes, is dropped and counted, and never leaves in clear"):
        bounded(story)
    with lab.test("off", "without on-demand nothing waits and nothing is asked for, whoever listens"):
        off(story)
    with lab.test("reserve", "SPIs are reserved in a range, completed by the SA, or let go in time"):
        reserved(story)
    equal(story.monitor.stop(), 0, "status of espctl monitor")
    with lab.test("ended", "a namespace in which a packet waits for its SA ends at once"):
        ended(lab)
