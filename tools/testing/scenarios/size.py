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

from lab import IP_MTU_DISCOVER, Counts, Wire, check, checksum, equal, ipv4, stream

# Sets DF, and does not care what the socket has learned
PMTUDISC_PROBE = 3

ENDS = ("192.0.2.1", "192.0.2.2")


def fragments(ns):
    """IPv4 fragments that a namespace has made."""
    heads, values = [line.split() for line in ns.read("/proc/net/snmp").splitlines()
                     if line.startswith("Ip:")]
    return int(dict(zip(heads, values))["FragCreates"])


def protect(lab, e, x, mode, outer, inner):
    """SAs and policies, both ways."""
    for ns in (e, x):
        ns.silence()
    size = lab.suites()["aes128gcm16"]["key_len"]
    for spi, way in ((0x1001, (0, 1)), (0x1002, (1, 0))):
        key = os.urandom(size)
        for ns, first in ((e, 0), (x, 1)):
            word = "out" if way[0] == first else "in"
            ns.sa(word, spi, outer[way[0]], outer[way[1]], "aes128gcm16", key, mode)
            ns.policy(f"dir {word} src {inner[way[0]]} dst {inner[way[1]]} action protect reqid 1")


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

    for mode in ("tunnel", "transport"):
        with lab.test(f"whole/{mode}", f"TCP between the ends of an SA in {mode} mode learns what fits, "
                                       "and then makes no fragments"):
            protect(lab, e, x, mode, ENDS, ENDS)
            listener = x.listen(ENDS[1])
            stream(*e.connect(listener, ENDS[0]), data)
            before = fragments(e), fragments(x)
            stream(*e.connect(listener, ENDS[0]), data)
            equal((fragments(e), fragments(x)), before, "fragments of E and X")
            for ns in (e, x):
                equal({k: v for k, v in ns.drops().items() if k != "out_too_big"}, {}, "drops")
            listener.close()

    with lab.test("learned", "a router's word about our ESP lowers the SA's MTU, and so TCP's; its word "
                             "about an SPI that is not ours, or below bounds, does not"):
        protect(lab, e, x, "transport", ENDS, ENDS)
        near, far = e.udp(ENDS[0]), x.udp(ENDS[1])
        near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        wire = Wire(x, "wan")
        head = e.mac("wan") + x.mac("wan") + b"\x08\0"

        def too_big(spi, mtu):
            about = ipv4(*ENDS, 50, struct.pack("!II", spi, 1) + bytes(8))
            body = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + about
            body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
            wire.send(head + ipv4("192.0.2.77", ENDS[0], 1, body))

        def largest():
            """What just fits."""
            low, high = 500, 1500
            while low + 1 < high:
                half = (low + high) // 2
                counts = Counts(e)
                near.sendto(bytes(half), far.getsockname())
                if counts.new():
                    high = half
                else:
                    low = half
            return low

        whole = largest()
        too_big(0x9999, 1300)
        equal(largest(), whole, "after a word about another SPI")
        too_big(0x1001, 1300)
        lower = largest()
        check(whole - 204 < lower < whole - 196, f"{whole} bytes before, {lower} after a path MTU of 1300")
        too_big(0x1001, 1400)
        equal(largest(), lower, "after the word of a larger one")
        too_big(0x1001, 68)
        check(largest() > 480, "after the word of 68 bytes")
        wire.close()

    with lab.test("least", "where ESP leaves less than 1280 bytes to IPv6, packets of 1280 go on, in "
                           "fragments outside"):
        inner = ("2001:db8:1::1", "2001:db8:2::1")
        for ns in (e, x):
            ns.ip("link set wan mtu 1280")
        protect(lab, e, x, "tunnel", ("2001:db8::1", "2001:db8::2"), inner)
        listener = x.listen(inner[1])
        stream(*e.connect(listener, inner[0]), data, 20)
        check(x.sas()[0x1001]["packets"] > len(data) // 1280, "packets of the SA")
        listener.close()
