# SPDX-License-Identifier: GPL-2.0
"""Load whose every packet counts."""

import os
import select
import struct
import time

from lab import Packet, check, equal, eventually

WINDOW = 40


def add_sas(gates, number):
    """SAs of a round, 0x10000 and 0x20000 and its number: receivers first, so that nothing comes too early."""
    for way, base in ((0, 0x10000), (1, 0x20000)):
        ends = ("192.0.2.1", "192.0.2.2") if way == 0 else ("192.0.2.2", "192.0.2.1")
        key = os.urandom(20)
        for gate, word in ((gates[1 - way], "in"), (gates[way], "out")):
            gate.sa(word, base + number, *ends, "aes128gcm16", key)


def note_ivs(frames, seen):
    """Of frames that must all be ESP with an IV of 8 bytes; how many. seen: IVs by SPI, none of which may come twice."""
    for packet in map(Packet, frames):
        equal(packet.proto, 50, "protocol on the wire")
        iv = packet.body[8:16]
        check(iv not in seen.setdefault(packet.spi, set()), "an IV twice under one key")
        seen[packet.spi].add(iv)
    return len(frames)


class Load:
    """Numbered datagrams both ways, some always on their way."""

    def __init__(self, a, b):
        self.ends = (a.udp("10.1.0.2", 4000), b.udp("10.2.0.2", 4000))
        self.peers = (("10.2.0.2", 4000), ("10.1.0.2", 4000))
        self.sent, self.got = [0, 0], [0, 0]

    def turn(self, pause=0.0):
        """Send what may be on its way, take what has come."""
        for way, sock in enumerate(self.ends):
            while self.sent[way] - self.got[1 - way] < WINDOW:
                sock.sendto(struct.pack("!I", self.sent[way]) + bytes(96), self.peers[way])
                self.sent[way] += 1
        self.take(pause)

    def take(self, pause):
        ready, _, _ = select.select(self.ends, (), (), pause)
        for sock in ready:
            at = self.ends.index(sock)
            sock.setblocking(False)
            try:
                while True:
                    number, = struct.unpack_from("!I", sock.recv(200))
                    equal(number, self.got[at], f"number of the next packet at {'AB'[at]}")
                    self.got[at] += 1
            except BlockingIOError:
                pass

    def settle(self):
        """What is on its way has come."""
        eventually(lambda: self.take(0) or self.got == self.sent[::-1], "what is on its way")

    def finish(self):
        """All that was sent has come."""
        until = time.monotonic() + 5
        while self.got != self.sent[::-1] and time.monotonic() < until:
            self.take(0.1)
        equal(self.got, self.sent[::-1], "packets that came at A and B")
