# SPDX-License-Identifier: GPL-2.0
"""What fits travels whole, and what does not goes on all the same.

    E ============== X            both protect with esp_mod
    192.0.2.1        192.0.2.2
    2001:db8::1      2001:db8::2
    inside: 2001:db8:1::1, 2001:db8:2::1
"""

import os
import socket
import struct

from lab import (DISCOVER, LEVEL, PMTUDISC_PROBE, Counts, Wire, check, checksum, equal, eventually,
                 icmpv6, ipv4, ipv6, stream, udp)

ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INSIDE = ("2001:db8:1::1", "2001:db8:2::1")
HEADERS = {4: 20, 6: 40}
# The least path MTU that is believed
LEAST = {4: 552, 6: 1280}


def fragments(ns):
    """Fragments that a namespace has made, of both families."""
    heads, values = [line.split() for line in ns.read("/proc/net/snmp").splitlines()
                     if line.startswith("Ip:")]
    six = dict(line.split() for line in ns.read("/proc/net/snmp6").splitlines())
    return int(dict(zip(heads, values))["FragCreates"]) + int(six["Ip6FragCreates"])


def protect(lab, e, x, mode, outer, inner, more=""):
    """SAs and policies, both ways."""
    for ns in (e, x):
        ns.silence()
    size = lab.suites()["aes128gcm16"]["key_len"]
    for spi, way in ((0x1001, (0, 1)), (0x1002, (1, 0))):
        key = os.urandom(size)
        for ns, first in ((e, 0), (x, 1)):
            word = "out" if way[0] == first else "in"
            ns.sa(word, spi, outer[way[0]], outer[way[1]], "aes128gcm16", key, mode, f"reqid 1 {more}")
            ns.policy(f"dir {word} src {inner[way[0]]} dst {inner[way[1]]} action protect reqid 1")


class Router:
    """One who says that our ESP was too big; and what then fits."""

    def __init__(self, e, x, version, encap):
        self.e, self.version, self.encap, self.ends = e, version, encap, ENDS[version]
        self.near = e.udp(self.ends[0])
        self.near.setsockopt(LEVEL[version], DISCOVER[version], PMTUDISC_PROBE)
        self.far = x.udp(self.ends[1])
        self.wire = Wire(x, "wan")
        self.head = e.mac("wan") + x.mac("wan") + (b"\x08\0" if version == 4 else b"\x86\xdd")

    def too_big(self, spi, mtu, port=4500):
        """An error about ESP of that SPI, where UDP is around it from that port."""
        esp = struct.pack("!II", spi, 1) + bytes(16)
        about = (17, udp(port, 4500, esp)) if self.encap else (50, esp)
        if self.version == 4:
            body = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + ipv4(*self.ends, *about)
            packet = ipv4("192.0.2.77", self.ends[0], 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])
        else:
            packet = icmpv6("2001:db8::77", self.ends[0], struct.pack("!BBHI", 2, 0, 0, mtu) + ipv6(*self.ends, *about))
        self.wire.send(self.head + packet)

    def largest(self):
        """What just fits; it is refused, or not, before anything else is done."""
        low, high = 500, 1500
        while low + 1 < high:
            half = (low + high) // 2
            counts = Counts(self.e)
            self.near.sendto(bytes(half), self.far.getsockname()[:2])
            if counts.new():
                high = half
            else:
                low = half
        return low

    def close(self):
        for each in (self.near, self.far, self.wire):
            each.close()


def sent_by(ns, dev="esp0"):
    """Packets and bytes that a device has sent, as `ip -s link' has them."""
    words = next(line.split() for line in ns.read("/proc/net/dev").splitlines() if line.strip().startswith(dev + ":"))
    return int(words[10]), int(words[9])


def counted(lab, e, x, version):
    """What is sealed has left by the esp device, as tcpdump shows it there."""
    protect(lab, e, x, "tunnel", ENDS[version], ENDS[version])
    before = sent_by(e)
    near, far = e.udp(ENDS[version][0]), x.udp(ENDS[version][1])
    for number in range(5):
        near.sendto(bytes(100 + number), far.getsockname()[:2])
        far.recv(200)
    sa, after = e.sas()[0x1001], sent_by(e)
    equal([now - was for now, was in zip(after, before)], [5, sum(range(100, 105)) + 5 * (8 + HEADERS[version])],
          "packets and bytes of esp0")
    equal(sa["packets"], 5, "packets of the SA")
    near.close()
    far.close()


def learned(lab, e, x, version, encap):
    """Words of a router, true and not."""
    protect(lab, e, x, "transport", ENDS[version], ENDS[version], "encap 4500 4500" if encap else "")
    router = Router(e, x, version, encap)
    whole = router.largest()
    # ESP, IV, ICV and UDP, to a multiple of four; trailer and the datagram's own header
    room = 1500 - HEADERS[version] - (8 if encap else 0) - 8 - 8 - 16
    equal(whole, room // 4 * 4 - 2 - 8, "what fits")
    router.too_big(0x9999, 1400)
    equal(router.largest(), whole, "after a word about another SPI")
    if encap:
        router.too_big(0x1001, 1400, 4501)
        equal(router.largest(), whole, "after a word about another port")
    router.too_big(0x1001, 1400)
    lower = router.largest()
    equal(lower, whole - 100, "what fits after a path MTU of 1400")
    router.too_big(0x1001, 1450)
    equal(router.largest(), lower, "after the word of a larger one")
    router.too_big(0x1001, 68)
    least = e.sas()[0x1001]["mtu"]
    room = LEAST[version] - HEADERS[version] - (8 if encap else 0) - 8 - 8 - 16
    check(HEADERS[version] + room - 5 <= least <= HEADERS[version] + room - 2, f"MTU of the SA {least} after the word of 68")
    router.close()


def locked(lab, e, x, data):
    """Where the kernel has a path MTU of its own for the peer, it makes fragments of ESP, whatever its DF says."""
    ends = ENDS[4]
    protect(lab, e, x, "transport", ends, ends)
    router = Router(e, x, 4, False)
    router.too_big(0x1001, LEAST[4])
    router.near.sendto(bytes(600), router.far.getsockname())
    eventually(lambda: "mtu lock 552" in e.run(["ip", "route", "get", ends[1]]).stdout,
               "the kernel locks what a local sender is told, which is less than it likes")
    # Other SAs, which nobody has told anything
    protect(lab, e, x, "transport", ends, ends)
    before, counts = fragments(e), (Counts(e), Counts(x))
    sent = [number.to_bytes(2, "big") * 700 for number in range(40)]
    for one in sent:
        router.near.sendto(one, router.far.getsockname())
    equal([router.far.recv(2000) for _ in sent], sent, "datagrams in transport mode")
    check(fragments(e) - before >= 80, f"{fragments(e) - before} fragments: the way is wide")
    router.close()
    protect(lab, e, x, "tunnel", ends, INSIDE)
    before = fragments(e)
    listener = x.listen(INSIDE[1])
    stream(*e.connect(listener, INSIDE[0]), data)
    check(fragments(e) - before > 20, f"{fragments(e) - before} fragments: the way is wide")
    listener.close()
    for each in counts:
        equal({k: v for k, v in each.new().items() if k != "out_too_big"}, {}, "drops")
    e.run(["ip", "route", "flush", "cache"])


def main(lab):
    e, x = lab.build("E", "X")
    lab.join("E:wan X:wan")
    for ns, side, other in ((e, 1, 2), (x, 2, 1)):
        ns.ip(f"""link set lo up
                  addr add 192.0.2.{side}/24 dev wan
                  addr add 2001:db8::{side}/64 dev wan nodad
                  addr add 2001:db8:{side}::1/128 dev lo nodad
                  link set wan up
                  route add 2001:db8:{other}::/64 via 2001:db8::{other} src 2001:db8:{side}::1""")
    data = os.urandom(60_000 if lab.debug else 400_000)

    for version in (4, 6):
        for mode in ("tunnel", "transport"):
            with lab.test(f"whole/{mode}/ipv{version}", f"TCP between the ends of an SA in {mode} mode learns what fits, "
                                                        "and then makes no fragments"):
                ends = ENDS[version]
                protect(lab, e, x, mode, ends, ends)
                listener = x.listen(ends[1])
                stream(*e.connect(listener, ends[0]), data[:40_000])
                before = fragments(e), fragments(x)
                stream(*e.connect(listener, ends[0]), data)
                equal((fragments(e), fragments(x)), before, "fragments of E and X")
                for ns in (e, x):
                    equal({k: v for k, v in ns.drops().items() if k != "out_too_big"}, {}, "drops")
                listener.close()

    for version in (4, 6):
        with lab.test(f"counted/ipv{version}", "what is sealed counts as sent by esp0"):
            counted(lab, e, x, version)

    for version, encap in ((4, False), (4, True), (6, False), (6, True)):
        with lab.test(f"learned/ipv{version}{'/udp' if encap else ''}",
                      "a router's word about our ESP lowers the SA's MTU, and so TCP's; its word about an SPI or a port "
                      "that is not ours, or below bounds, does not"):
            learned(lab, e, x, version, encap)

    with lab.test("locked", "where the kernel has locked a path MTU of its own, it makes fragments of ESP that find "
                            "together again"):
        locked(lab, e, x, data)

    for outer, ends, mtu in ((6, ENDS[6], 1280), (4, ENDS[4], 700)):
        with lab.test(f"least/{outer}", "where ESP leaves less than 1280 bytes to IPv6, packets of 1280 go on, in "
                                        f"fragments outside (IPv{outer}, a link of {mtu})"):
            if mtu < 1280:
                # Such a link has no IPv6 of its own; what is inside begins at another device.
                for ns, side, other in ((e, 1, 2), (x, 2, 1)):
                    ns.ip(f"""link add lan type veth peer name nowhere
                              link set nowhere up
                              link set lan up
                              route replace 2001:db8:{other}::/64 dev lan src 2001:db8:{side}::1""")
            for ns in (e, x):
                ns.ip(f"link set wan mtu {mtu}")
            # Clamped, TCP would never make such packets.
            protect(lab, e, x, "tunnel", ends, INSIDE, "mss-clamp off")
            listener = x.listen(INSIDE[1])
            before = fragments(e), fragments(x)
            stream(*e.connect(listener, INSIDE[0]), data, 30)
            check(x.sas()[0x1001]["packets"] > len(data) // 1280, "packets of the SA")
            made = [after - was for after, was in zip((fragments(e), fragments(x)), before)]
            check(min(made) > len(data) // 1280, f"{made} fragments were made: nothing needed them")
            for ns in (e, x):
                equal({k: v for k, v in ns.drops().items() if k not in ("out_too_big", "in_clear_error")}, {}, "drops")
            listener.close()
