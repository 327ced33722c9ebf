# SPDX-License-Identifier: GPL-2.0
"""Nothing is written to a page that the packet does not own.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
                  an attacker        the victim, with a root's file

Who may read a file can splice its pages into a UDP packet. If ESP in UDP is
opened in place, decryption writes to the file for all who read it afterwards
(CVE-2026-43284, -46300, -43503). So pages of a file go into ESP of our SAs, over
lo and over the wire, valid and not, whole and in fragments, cloned by listeners
and not; the file must stay as it was. Kernels that copy what is spliced into UDP
carry pages in TCP alone, so a rule turns that into ESP. The same on the way out,
where pages are sealed that still belong to the sender.
"""

import contextlib
import fcntl
import hashlib
import mmap
import os
import socket
import struct

import esp
from lab import Counts, Wire, check, drain, equal, eventually, ipv4, udp

SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
PORT = 4500


class Story:
    """The sites, with SAs that take ESP in UDP."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites()
        self.far = self.b.udp("10.2.0.2", 5002)
        self.inner = self.g2.udp("10.2.0.1", 5003)
        self.seq = 0

    def listen(self, suite, src, dst):
        """The victim's SA, and its policy."""
        self.g2.silence()
        self.g2.policy("dir in src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1")
        key = os.urandom(self.lab.suites()[suite]["key_len"])
        self.g2.sa("in", 0x2001, src, dst, suite, key,
                   more=f"reqid 1 esn off encap {PORT} {PORT}")
        self.seq = 0
        return key


class File:
    """A file of root, for others to read."""

    def __init__(self, content):
        self.path = "/tmp/espm-pages"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        with open(self.path, "wb") as file:
            file.write(content)
        os.chmod(self.path, 0o444)
        self.fd = os.open(self.path, os.O_RDONLY)
        self.before = self.sum()

    def sum(self):
        """Of what everybody reads: the page cache."""
        with open(self.path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def check(self, what):
        equal(self.sum(), self.before, f"sum of the file after {what}")

    def close(self):
        os.close(self.fd)


def splice_into(sock, head, file, count):
    """A datagram of some bytes and of the pages of a file."""
    sock.send(head, socket.MSG_MORE)
    equal(os.sendfile(sock.fileno(), file.fd, 0, count), count, "bytes spliced")


def set_gro(ns, dev, value):
    """Switch generic receive offload."""
    with ns, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        import ctypes
        data = ctypes.create_string_buffer(struct.pack("II", 0x2c, value))
        fcntl.ioctl(sock, 0x8946, struct.pack("16sP16x", dev.encode(), ctypes.addressof(data)))


def control(lab, story):
    """That a packet carries pages at all: they are changed while it waits."""
    for kind in ("tcp", "udp"):
        file = File(b"before" * 100)
        story.g2.run("tc qdisc add dev lo root netem delay 400ms")
        if kind == "tcp":
            listener = story.g2.listen("127.0.0.1")
            send, take = story.g2.connect(listener, "127.0.0.1")
            listener.close()
            equal(os.sendfile(send.fileno(), file.fd, 0, 600), 600, "bytes sent")
        else:
            send, take = story.g2.udp("127.0.0.1", 6001), story.g2.udp("127.0.0.1", 6002)
            send.connect(take.getsockname())
            splice_into(send, b"head", file, 600)
        os.chmod(file.path, 0o644)
        with open(file.path, "r+b") as out:
            out.write(b"behind" * 100)
        carried = take.recv(2000)[-600:] == b"behind" * 100
        story.g2.run("tc qdisc del dev lo root")
        for thing in (send, take, file):
            thing.close()
        if kind == "tcp":
            with lab.test("control", "a file sent over TCP travels as its very pages, so that it "
                                     "could be written to"):
                check(carried, "the packet held a copy")
        elif not carried:
            lab.say("this kernel copies what is spliced into UDP; only TCP carries pages")


def disguise(lab, story, place, suite):
    """Pages of a file in TCP, which a rule turns into ESP for an SA of ours."""
    ns, src, dst = {"lo": (story.g2, "127.0.0.1", "127.0.0.1"),
                    "wire": (story.g1, "192.0.2.1", "192.0.2.2")}[place]
    with lab.test(f"disguised/{place}/{suite}", "pages of a file, in packets that claim to be ESP: "
                                                "refused, and the file stays"):
        story.g2.silence()
        story.g2.policy("dir in src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1")
        # Where TCP has its ports, ESP has its SPI; the sequence number is any.
        story.g2.sa("in", 6001 << 16 | 6002, src, dst, suite,
                    os.urandom(lab.suites()[suite]["key_len"]), more="reqid 1 esn off window 0")
        file = File(os.urandom(4096) * 16)
        listener = story.g2.listen(dst, 6002)
        with ns:
            send = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        send.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        send.bind((src, 6001))
        send.connect((dst, 6002))
        take, _ = listener.accept()
        ns.run("nft -f -", text="table ip disguise { chain c { type filter hook output priority raw;"
                                " tcp sport 6001 tcp dport 6002 ip protocol set 50\n }\n }")
        counts = Counts(story.g2)
        # Less than a segment at a time, and whole blocks of any suite.
        send.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for at in range(8):
                os.sendfile(send.fileno(), file.fd, at * 4096, 1208)
        # Of one length or another, for an SA it is a forgery.
        eventually(lambda: counts.new().get("in_icv", 0) > 1, "forgeries counted")
        file.check("forged packets")
        equal(set(counts.new()) - {"in_icv", "in_malformed"}, set(), "other drops")
        # A reset is no ESP, once the rule is gone.
        ns.run("nft delete table ip disguise")
        for sock in (send, take):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for thing in (send, take, listener, file):
            thing.close()


def attack(lab, story, place, suite):
    ns, src, dst = {"lo": (story.g2, "127.0.0.1", "127.0.0.1"),
                    "wire": (story.g1, "192.0.2.1", "192.0.2.2")}[place]
    dev = "lo" if place == "lo" else "wan"
    key = story.listen(suite, src, dst)
    sock = ns.udp(src, PORT)
    sock.connect((dst, PORT))
    for label, sizes in (("small", (100, 1300)), ("large", (4000, 9000))):
        with lab.test(f"in/{place}/{suite}/{label}",
                      f"pages of a file in {label} ESP over {'lo' if place == 'lo' else 'the wire'}: "
                      "delivered or refused, and the file stays"):
            for size in sizes:
                for cloned in (False, True):
                    for gro in ((0, 1) if place == "wire" else (0,)):
                        if place == "wire":
                            set_gro(story.g2, "wan", gro)
                        taps = [Wire(story.g2, dev), Wire(story.g2, "esp0")] if cloned else []
                        one_attack(story, sock, suite, key, size, taps)
                        for tap in taps:
                            tap.close()
    sock.close()


def one_attack(story, sock, suite, key, size, taps):
    """A valid packet, the same again, and forgeries, all of them of file pages."""
    story.seq += 1
    data = os.urandom(size)
    packet = esp.seal(suite, key, 0x2001, story.seq,
                      ipv4("10.1.0.2", "10.2.0.1", 17, udp(5001, 5003, data)))
    drain(story.inner)
    counts = Counts(story.g2)

    file = File(packet[8:])
    splice_into(sock, packet[:8], file, len(packet) - 8)
    equal(story.inner.recv(65536), data, "what the valid packet delivers")
    file.check("a valid packet")
    splice_into(sock, packet[:8], file, len(packet) - 8)
    counts.become(in_replay_seen=1)
    file.check("a replayed packet")
    # Another number: the ICV is wrong, but a cipher may have written by then.
    splice_into(sock, struct.pack("!II", 0x2001, story.seq + 5), file, len(packet) - 8)
    counts.become(in_replay_seen=1, in_icv=1)
    file.check("a forged packet")
    for tap in taps:
        if tap.sock.getsockname()[0] == "esp0":
            # What a listener holds must not change under it either.
            check(any(data in frame for frame in tap.packets()), "not seen on esp0")
        elif size < 1400:
            check(any(packet in frame for frame in tap.packets()), "not seen on the device")
    file.close()

    # Any file at all, as ESP
    file = File(bytes(range(256)) * (size // 256 + 1))
    count = (size // 16) * 16 + (8 if "gcm" in suite or "chacha" in suite else 0)
    splice_into(sock, struct.pack("!II", 0x2001, story.seq + 6), file, count)
    counts.become(in_replay_seen=1, in_icv=2)
    file.check("any file")
    file.close()


def outward(lab, story, suite):
    for gate in (story.g1, story.g2):
        gate.silence()
    lab.protect(story.g1, story.g2)
    lab.tunnel(story.g1, story.g2, suite)
    listener = story.b.listen("10.2.0.2", 5004)
    content = os.urandom(200_000)
    for who, ns, addr in (("forwarded", story.a, "10.1.0.2"), ("own", story.g1, "10.1.0.1")):
        for cloned in (False, True):
            taps = []
            if cloned:
                taps = [Wire(story.g1, "wan", "esp"), Wire(story.g1, "esp0"),
                        Wire(story.g1, "lan", "ip")]
            word = "cloned" if cloned else "plain"
            with lab.test(f"out/{suite}/{who}/{word}/sendfile",
                          "a file sent over TCP and UDP arrives whole, and stays"):
                file = File(content)
                near, far = ns.connect(listener, addr)
                pid = os.fork()
                if pid == 0:
                    near.setblocking(True)
                    with contextlib.suppress(OSError):
                        at = 0
                        while at < len(content):
                            at += os.sendfile(near.fileno(), file.fd, at, len(content) - at)
                        near.shutdown(socket.SHUT_WR)
                    os._exit(0)
                near.close()
                got = bytearray()
                far.settimeout(20)
                while part := far.recv(1 << 18):
                    got.extend(part)
                os.waitpid(pid, 0)
                far.close()
                check(bytes(got) == content, f"TCP delivered {len(got)} bytes, or others")
                file.check("TCP")
                sock = ns.udp(addr)
                sock.connect(("10.2.0.2", 5002))
                for size in (100, 1300, 4000, 9000):
                    splice_into(sock, b"head", file, size)
                    equal(story.far.recv(65536), b"head" + content[:size], "UDP at B")
                file.check("UDP")
                sock.close()
                file.close()
            with lab.test(f"out/{suite}/{who}/{word}/zerocopy",
                          "a user's buffer sent without a copy arrives whole, and stays"):
                buffer = mmap.mmap(-1, 1 << 16)
                buffer[:] = content[:1 << 16]
                sock = ns.udp(addr)
                sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
                for size in (1300, 4000, 9000):
                    sock.sendto(memoryview(buffer)[:size], MSG_ZEROCOPY, ("10.2.0.2", 5002))
                    equal(story.far.recv(65536), content[:size], "UDP at B")
                near, far = ns.connect(listener, addr)
                near.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
                sent = near.send(buffer, MSG_ZEROCOPY)
                got = bytearray()
                while len(got) < sent:
                    got.extend(far.recv(1 << 18))
                check(bytes(got) == content[:sent], "TCP delivered other bytes")
                check(buffer[:] == content[:1 << 16], "the user's buffer has changed")
                for thing in (near, far, sock):
                    thing.close()
            for tap in taps:
                tap.close()
    listener.close()


def main(lab):
    story = Story(lab)
    control(lab, story)
    suites = ("aes128gcm16", "chacha20poly1305", "aes128-sha256")
    for place in ("lo", "wire"):
        for suite in suites:
            disguise(lab, story, place, suite)
    for suite in suites[:1] if lab.debug else suites:
        attack(lab, story, "lo", suite)
    attack(lab, story, "wire", suites[0])
    for suite in suites[:1] if lab.debug else suites:
        outward(lab, story, suite)
