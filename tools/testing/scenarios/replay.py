# SPDX-License-Identifier: GPL-2.0
"""Each packet counts once: the replay window against a recorder.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
                         ^ a recorder, which sends again what it heard, in any
                           order and changed as it likes

The verdicts of g2 are compared with those of an oracle that keeps a set.
"""

import os
import random

import esp
import xfrm
from lab import Counts, Monitor, Wire, ask, check, drain, equal, eventually, ipv4, udp

COUNT = 100


class Story:
    """The sites, and a recording of packets from A to B."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites()
        self.near, self.far = self.a.udp("10.1.0.2", 5001), self.b.udp("10.2.0.2", 5002)
        self.wire = Wire(self.g1, "wan", "esp")
        self.key = None

    def record(self, more="", window="", count=COUNT, suite="aes128gcm16"):
        """Frames of ESP with the numbers 1 to count, which have arrived once."""
        for gate in (self.g1, self.g2):
            gate.silence()
        self.lab.protect(self.g1, self.g2)
        self.key, _ = self.lab.tunnel(self.g1, self.g2, suite, more=f"reqid 1 {more}",
                                      more_in=window)
        self.wire.packets()
        drain(self.far)
        for number in range(1, count + 1):
            self.near.sendto(number.to_bytes(4, "big"), ("10.2.0.2", 5002))
        for number in range(1, count + 1):
            equal(self.far.recv(100), number.to_bytes(4, "big"), "at B")
        frames = self.wire.packets()
        equal([seq(frame) for frame in frames], list(range(1, count + 1)), "sequence numbers")
        return frames

    def forget(self, more):
        """The same SA as a new one, for which every number is new."""
        self.g2.del_sa(0x1001, "192.0.2.2", "in")
        self.g2.sa("in", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", self.key,
                   more=f"reqid 1 {more}")
        drain(self.far)

    def play(self, frames):
        """Put frames on the wire again."""
        for frame in frames:
            self.wire.send(frame)

    def top(self):
        """Highest number that g2 has authenticated."""
        return self.g2.sas()[0x1001]["seq"]


# Ethernet 14, IP 20, SPI 4
SEQ = 38


def seq(frame):
    """The sequence number in a frame of ESP."""
    return int.from_bytes(frame[SEQ:SEQ + 4], "big")


def renumber(frame, number):
    """A frame with another sequence number, and so with a wrong ICV."""
    return frame[:SEQ] + number.to_bytes(4, "big") + frame[SEQ + 4:]


def flip(frame, at):
    """A frame with one bit changed."""
    frame = bytearray(frame)
    frame[at] ^= 1
    return bytes(frame)


class Oracle:
    """What a window of that size does, by a set of all numbers seen."""

    def __init__(self, window, esn):
        self.window, self.esn = window, esn
        self.seen, self.top = set(), 0
        self.fate = {"new": 0, "in_replay_seen": 0, "in_replay_old": 0, "in_icv": 0}

    def ask(self, number):
        if self.window and self.top >= self.window and number <= self.top - self.window:
            # With ESN such a number means the next 2^32, where its ICV is wrong.
            fate = "in_icv" if self.esn else "in_replay_old"
        elif self.window and number in self.seen:
            fate = "in_replay_seen"
        else:
            fate = "new"
            self.seen.add(number)
            self.top = max(self.top, number)
        self.fate[fate] += 1
        return fate


def once_more(lab, story):
    for esn in ("on", "off"):
        with lab.test(f"again/esn-{esn}", f"with ESN {esn} every packet sent again is dropped as "
                                          "in_replay_seen"):
            frames = story.record(f"esn {esn}")
            counts = Counts(story.g2)
            story.play(frames)
            counts.become(in_replay_seen=COUNT)
            equal(drain(story.far), 0, "packets at B")
            equal(story.top(), COUNT, "highest number")
            equal(story.g2.sas()[0x1001]["packets"], COUNT, "packets of the SA")

    with lab.test("left", "without ESN what is left of a window of 64 is in_replay_old"):
        frames = story.record("esn off", "window 64")
        counts = Counts(story.g2)
        story.play(frames)
        counts.become(in_replay_old=COUNT - 64, in_replay_seen=64)
        equal(drain(story.far), 0, "packets at B")

    with lab.test("left-esn", "with ESN what is left of it belongs to the next 2^32 numbers, where "
                              "its ICV is wrong"):
        frames = story.record("esn on", "window 64")
        counts = Counts(story.g2)
        story.play(frames)
        counts.become(in_icv=COUNT - 64, in_replay_seen=64)
        equal(drain(story.far), 0, "packets at B")
        equal(story.top(), COUNT, "highest number")


def any_order(lab, story):
    chance = random.Random(1)
    for window, esn in ((64, "off"), (64, "on"), (33, "off"), (1, "off"), (1024, "on"), (0, "off")):
        with lab.test(f"order/{window}/esn-{esn}", f"in any order, with repeats, a window of {window} "
                                                   f"with ESN {esn} decides as a set does"):
            frames = story.record(f"esn {esn}")
            story.forget(f"esn {esn} window {window}")
            counts = Counts(story.g2)
            oracle = Oracle(window, esn == "on")
            # Drifting onward, so that the window moves and is left behind
            order = [frames[min(COUNT - 1, max(0, int(chance.gauss(i / 3, 15))))]
                     for i in range(3 * COUNT)]
            expected = [oracle.ask(seq(frame)) for frame in order]
            story.play(order)
            fates = dict(oracle.fate)
            new = fates.pop("new")
            counts.become(**fates)
            want = [seq(f).to_bytes(4, "big") for f, fate in zip(order, expected) if fate == "new"]
            equal([story.far.recv(100) for _ in want], want, "what B gets")
            equal(drain(story.far), 0, "further packets at B")
            equal(story.g2.sas()[0x1001]["packets"], new, "packets of the SA")
            equal(story.top(), oracle.top, "highest number")


def forged(lab, story):
    with lab.test("forged", "a forged number far ahead is in_icv and does not move the window"):
        frames = story.record("esn on", "window 64")
        counts = Counts(story.g2)
        ahead = [COUNT + step for step in (1, 50, 64, 65, 1000, 1 << 16, 1 << 31)]
        story.play([renumber(frames[-1], number) for number in ahead])
        counts.become(in_icv=len(ahead))
        equal(story.top(), COUNT, "highest number")
        story.near.sendto(b"next", ("10.2.0.2", 5002))
        equal(story.far.recv(100), b"next", "the packet behind the forgeries")
        equal(story.top(), COUNT + 1, "highest number")
        counts.become(in_icv=len(ahead))

    with lab.test("forged-mark", "a forgery does not use up the number that it bears"):
        frames = story.record("esn off", "window 64")
        story.forget("esn off window 64")
        counts = Counts(story.g2)
        for frame in frames[:20]:
            story.play([flip(frame, -1), frame])
        counts.become(in_icv=20)
        equal(len([story.far.recv(100) for _ in range(20)]), 20, "packets at B")

    for suite in ("aes128gcm16", "chacha20poly1305", "aes256-sha256", "null-sha256"):
        with lab.test(f"flipped/{suite}", "one bit changed anywhere in ESP, and the packet is dropped"):
            for esn in ("on", "off"):
                frames = story.record(f"esn {esn}", "", 2, suite)
                # Replayed numbers are dropped unopened: a new SA has seen none.
                story.g2.del_sa(0x1001, "192.0.2.2", "in")
                story.g2.sa("in", 0x1001, "192.0.2.1", "192.0.2.2", suite, story.key,
                            more=f"reqid 1 esn {esn}")
                counts = Counts(story.g2)
                frame = frames[1]
                places = range(SEQ, len(frame))
                # A few for each suite suffice with ESN.
                places = list(places if esn == "off" else places[::7])
                story.play([flip(frame, at) for at in places])
                counts.become(in_icv=len(places))
                equal(story.top(), 0, "highest number")
                story.play([frame])
                equal(story.far.recv(100), (2).to_bytes(4, "big"), "the packet unchanged")

    with lab.test("zero", "the number 0, never sent, is refused"):
        frames = story.record("esn off")
        counts = Counts(story.g2)
        story.play([renumber(frames[0], 0)])
        eventually(lambda: sum(counts.new().values()) == 1, "one drop")
        check(set(counts.new()) <= {"in_replay_old", "in_replay_seen", "in_icv"},
              f"dropped {counts.new()}")
        equal(drain(story.far), 0, "packets at B")


def reflected(lab, story):
    with lab.test("reflected", "a packet sent back where it came from is not ours to open"):
        frames = story.record()
        counts = Counts(story.g1)
        before = story.g1.stats().get("in_not_ours", 0)
        back = Wire(story.g2, "wan", "less 1")
        for frame in frames[:10]:
            ip = bytearray(frame)
            ip[0:6], ip[6:12] = frame[6:12], frame[0:6]
            ip[26:30], ip[30:34] = frame[30:34], frame[26:30]
            back.send(bytes(ip))
        eventually(lambda: story.g1.stats().get("in_not_ours", 0) == before + 10, "in_not_ours")
        counts.become()
        back.close()


def across(lab, story, suite, edge):
    """From the last numbers of 32 bits on."""
    g1, g2 = story.g1, story.g2
    g1.silence()
    g2.silence()
    lab.protect(g1, g2)
    info = lab.suites()[suite]
    there, back = (os.urandom(info["key_len"]) for _ in range(2))
    g1.sa("out", 0x1001, "192.0.2.1", "192.0.2.2", suite, there, more=f"reqid 1 seq {edge - 11}")
    g1.sa("in", 0x1002, "192.0.2.2", "192.0.2.1", suite, back, more=f"reqid 1 seq {edge - 11}")
    g2.flush_policies()
    errors, counts = xfrm.errors(g2), Counts(g1)
    g2.ip("xfrm policy flush\nxfrm state flush\n" +
          xfrm.policies("tunnel", "10.2.0.0/24", "10.1.0.0/24", "192.0.2.2", "192.0.2.1") +
          xfrm.state(0x1001, "192.0.2.1", "192.0.2.2", "tunnel", suite, info, there,
                     more=f"replay-seq {edge - 11:#x}") +
          xfrm.state(0x1002, "192.0.2.2", "192.0.2.1", "tunnel", suite, info, back,
                     more=f"replay-oseq {edge - 11:#x}"))
    story.wire.packets()
    for number in range(30):
        ask(story.near, story.far, number.to_bytes(4, "big"))
    frames = {0x1001: [], 0x1002: []}
    for frame in story.wire.packets():
        frames[int.from_bytes(frame[34:38], "big")].append(frame)
    for spi, some in frames.items():
        equal([seq(frame) for frame in some], [(edge - 10 + n) % edge for n in range(30)],
              f"numbers of {spi:#x} on the wire")
    sas = g1.sas()
    equal((sas[0x1001]["seq"], sas[0x1002]["seq"]), (edge + 19, edge + 19), "numbers of g1's SAs")
    counts.become()
    equal(xfrm.errors(g2), errors, "errors of xfrm")
    # Of the last 2^32: one that was received, and one that is authentic, has come never, and is too old.
    forger = Wire(g2, "wan", "less 1")
    forger.send(frames[0x1002][4])
    counts.become(in_replay_seen=1)
    inner = ipv4("10.2.0.2", "10.1.0.2", 17, udp(5002, 5001, b"old"))
    forger.send(frames[0x1002][4][:14] +
                ipv4("192.0.2.2", "192.0.2.1", 50, esp.seal(suite, back, 0x1002, 40, inner, high=0)))
    counts.become(in_replay_seen=1, in_icv=1)
    # The same of this 2^32 is welcome.
    forger.send(frames[0x1002][4][:14] +
                ipv4("192.0.2.2", "192.0.2.1", 50, esp.seal(suite, back, 0x1002, 40, inner, high=1)))
    equal(story.near.recv(10), b"old", "what arrives")
    counts.become(in_replay_seen=1, in_icv=1)
    forger.close()
    g2.ip("xfrm policy flush\nxfrm state flush")


def beyond(lab, story):
    """The edges of 32 bits, with xfrm as the peer."""
    edge = 1 << 32
    for suite in ("aes128gcm16", "aes256-sha256"):
        with lab.test(f"esn-edge/{suite}", f"with ESN numbers of {suite} go on across 2^32, to and from xfrm, and a packet "
                                           "of the last 2^32 is refused"):
            across(lab, story, suite, edge)
    with lab.test("end", "without ESN the last number is sent, and told to be near and at its end; nothing "
                         "follows it"):
        story.g1.silence()
        story.g2.silence()
        lab.protect(story.g1, story.g2)
        key = os.urandom(20)
        monitor = Monitor(story.g1)
        story.g2.sa("in", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key,
                    more=f"reqid 1 esn off seq {edge - 6}")
        story.g1.sa("out", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key,
                    more=f"reqid 1 esn off seq {edge - 6}")
        counts = Counts(story.g1)
        drain(story.far)
        story.wire.packets()
        for number in range(9):
            story.near.sendto(bytes([number]), ("10.2.0.2", 5002))
        equal([story.far.recv(10) for _ in range(5)], [bytes([n]) for n in range(5)], "what arrives")
        counts.become(out_seq_end=1, out_expired=3)
        equal([seq(frame) for frame in story.wire.packets()], list(range(edge - 5, edge)), "numbers on the wire")
        monitor.await_names("sa-add", "sa-seq-near", "sa-seq-end")
        equal(story.g1.sas()[0x1001]["state"], "expired", "state")
        monitor.stop()


def last(lab, story):
    """The end of 64 bits."""
    with lab.test("end-esn", "with ESN the last of 2^64 numbers is sent, and taken once; nothing follows it, and what "
                             "went before 2^32 is refused"):
        story.g1.silence()
        story.g2.silence()
        lab.protect(story.g1, story.g2)
        key = os.urandom(20)
        for ns, way in ((story.g2, "in"), (story.g1, "out")):
            ns.sa(way, 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key, more=f"reqid 1 seq {(1 << 64) - 2}")
        counts, there = Counts(story.g1), Counts(story.g2)
        drain(story.far)
        story.wire.packets()
        for number in range(3):
            story.near.sendto(bytes([number]), ("10.2.0.2", 5002))
        equal(story.far.recv(10), b"\0", "what arrives")
        counts.become(out_seq_end=1, out_expired=1)
        frames = story.wire.packets()
        equal([seq(frame) for frame in frames], [(1 << 32) - 1], "numbers on the wire")
        equal(story.g2.sas()[0x1001]["seq"], (1 << 64) - 1, "highest number")
        story.play(frames + [renumber(frames[0], 5)])
        there.become(in_replay_seen=1, in_replay_old=1)
        equal(drain(story.far), 0, "packets at B")


def widths(lab, story):
    """The windows that may be chosen, each used to its edge."""
    for window in (32, 64, 4096, 65536):
        with lab.test(f"width/{window}", f"a window of {window} takes what is one short of its edge, once, "
                                         "and nothing behind it"):
            frames = story.record("esn off", f"window {window}", 3)
            # One packet far ahead, sealed by the same key, moves the window.
            story.g1.del_sa(0x1001, "192.0.2.2", "out")
            story.g1.sa("out", 0x1001, "192.0.2.1", "192.0.2.2", "aes128gcm16", story.key,
                        more=f"reqid 1 esn off seq {window + 1}")
            story.forget(f"esn off window {window}")
            story.near.sendto(b"ahead", ("10.2.0.2", 5002))
            equal(story.far.recv(10), b"ahead", "what arrives")
            equal(story.top(), window + 2, "highest number")
            counts = Counts(story.g2)
            story.play(frames)
            equal(story.far.recv(10), (3).to_bytes(4, "big"), "the packet at the edge")
            counts.become(in_replay_old=2)
            story.play(frames[2:])
            counts.become(in_replay_old=2, in_replay_seen=1)


def main(lab):
    lab.pin()
    story = Story(lab)
    for part in (once_more, any_order, forged, reflected, widths, beyond, last):
        part(lab, story)
