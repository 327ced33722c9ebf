# SPDX-License-Identifier: GPL-2.0
"""esp_mod talks to the kernel's own IPsec.

    E (esp_mod)                                              X (xfrm)
      lo  10.1.0.1                                             lo  10.2.0.1
          2001:db8:1::1                                            2001:db8:2::1
      wan 192.0.2.1   ==================================== wan 192.0.2.2
          2001:db8::1                                          2001:db8::2

One line for each cell of suite x mode x ESN. In a cell each side asks the other
with 1, 64, 1400 and 4000 bytes of UDP, then a TCP stream runs both ways at once.
It passes if every byte is right, if what one side counts as sent the other
counts as received, if nobody counts an error, and if a listener on the wire sees
nothing but ESP.
"""

import os
import socket

import xfrm
from lab import Failure, Wire, ask, check, equal, eventually, stream

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
SIZES = (1, 64, 1400, 4000)
MAIN = [f"aes{bits}gcm{icv}" for bits in (128, 192, 256) for icv in (8, 12, 16)] + \
       ["chacha20poly1305", "aes128-sha256", "aes256-sha256", "null-sha256"]
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.1.0.1", "10.2.0.1"), 6: ("2001:db8:1::1", "2001:db8:2::1")}
# Ports and all that a listener must not see; ESP of IPv6 may stand behind a
# fragment header.
CLEAR = "not arp and not icmp6 and not ip6 multicast and not esp and not (ip6[6] = 44 and ip6[40] = 50)"
CLEAR_UDP = "not arp and not icmp6 and not ip6 multicast and not (udp port 4500) and " \
    "not (ip proto 17 and ip[6:2] & 0x1fff != 0)"
# The sender of the stream learns from it, which is no loss.
HARMLESS = {"out_too_big"}


class Setting:
    """One mode between two pairs of addresses, for any number of cells."""

    def __init__(self, lab, e, x, mode, inner=4, outer=4, encap=None):
        self.lab, self.e, self.x, self.mode, self.encap = lab, e, x, mode, encap
        self.outer = OUTER[outer]
        self.ends = INNER[inner] if mode == "tunnel" else self.outer
        e.silence()
        here, there = self.ends
        e.policy(f"dir out src {here} dst {there} action protect reqid 1")
        e.policy(f"dir in src {there} dst {here} action protect reqid 1")
        x.ip("xfrm policy flush\nxfrm state flush\n" +
             xfrm.policies(mode, there, here, self.outer[1], self.outer[0], bool(encap)))
        self.near, self.far = e.udp(here), x.udp(there)
        self.listeners = (e.listen(here), x.listen(there))
        # Not on X, where xfrm shows what it has opened as if it came from the wire
        self.clear = Wire(e, "wan", CLEAR_UDP if encap else CLEAR)
        self.clear.packets()
        self.before = e.stats()

    def close(self):
        for sock in (self.near, self.far, *self.listeners, self.clear):
            sock.close()

    def cell(self, name, suite, esn):
        """A test: this setting with this suite."""
        if not self.lab.wants(name):
            return
        word = "with" if esn else "without"
        with self.lab.test(name, f"{suite} in {self.mode} mode {word} ESN carries UDP and TCP "
                                 "both ways, and only ESP is on the wire"):
            self.configure(suite, esn)
            self.talk()
            self.compare()

    def configure(self, suite, esn):
        """Fresh keys on both sides."""
        info = self.lab.suites()[suite]
        there, back = (os.urandom(info["key_len"]) for _ in range(2))
        left, right = self.outer
        more = f"reqid 1 esn {'on' if esn else 'off'}"
        if self.encap:
            more += f" encap {self.encap[0]} {self.encap[1]}"
        self.e.flush_sas()
        self.e.sa("out", 0x1001, left, right, suite, there, self.mode, more)
        self.e.sa("in", 0x1002, right, left, suite, back, self.mode, more)
        self.x.ip("xfrm state flush\n" +
                  xfrm.state(0x1001, left, right, self.mode, suite, info, there, esn, self.encap) +
                  xfrm.state(0x1002, right, left, self.mode, suite, info, back, esn, self.encap))
        self.errors = xfrm.errors(self.x)

    def talk(self):
        """The traffic of a cell."""
        for size in SIZES:
            data = os.urandom(size)
            ask(self.near, self.far, data)
            ask(self.far, self.near, data)
        data = os.urandom(40_000 if self.lab.debug else 100_000)
        listener = self.listeners[1]
        stream(*self.e.connect(listener, self.ends[0], 20), data)

    def compare(self):
        """Counters of both sides, and the wire."""
        def agree():
            self.theirs = xfrm.packets(self.x)
            self.ours = self.e.sas()
            return self.theirs == {spi: sa["packets"] for spi, sa in self.ours.items()}
        try:
            eventually(agree, "", 3)
        except Failure:
            raise Failure(f"E counts {[(hex(i), sa['packets']) for i, sa in self.ours.items()]}, "
                          f"X {[(hex(i), n) for i, n in self.theirs.items()]}") from None
        equal(sorted(self.ours), [0x1001, 0x1002], "SAs")
        for spi, sa in self.ours.items():
            # Four sizes, there and back twice, and a stream
            check(sa["packets"] > 2 * len(SIZES) + 3, f"{sa['packets']} packets of {spi:#x}")
            equal(sa["seq"], sa["packets"], f"sequence number of {spi:#x}")
        after = self.e.stats()
        new = {name: value - self.before.get(name, 0) for name, value in after.items()
               if name not in HARMLESS and value != self.before.get(name, 0)}
        self.before = after
        equal(new, {}, "counters of E besides packets")
        equal(xfrm.errors(self.x), self.errors, "errors of X")
        seen = self.clear.packets()
        check(not seen, f"{len(seen)} packets on the wire are not ESP, the first: "
                        f"{seen[0][:64].hex() if seen else ''}")


SHAPES = (("tunnel", True), ("transport", False), ("tunnel", False), ("transport", True))


def main(lab):
    e, x = lab.build("E", "X")
    lab.join("E:wan X:wan")
    for ns, side, other in ((e, 1, 2), (x, 2, 1)):
        ns.ip(f"""link set lo up
                  addr add 10.{side}.0.1/32 dev lo
                  addr add 2001:db8:{side}::1/128 dev lo nodad
                  addr add 192.0.2.{side}/24 dev wan
                  addr add 2001:db8::{side}/64 dev wan nodad
                  link set wan up
                  route add 10.{other}.0.0/24 via 192.0.2.{other} src 10.{side}.0.1
                  route add 2001:db8:{other}::/64 via 2001:db8::{other} src 2001:db8:{side}::1""")

    others = sorted(set(lab.suites()) - set(MAIN))

    def cells(label, suites, shape, **kw):
        names = [(f"{label}{suite}/{shape[0]}/{'esn' if shape[1] else 'noesn'}", suite)
                 for suite in suites]
        if not any(lab.wants(name) for name, _ in names):
            return
        setting = Setting(lab, e, x, shape[0], **kw)
        for name, suite in names:
            setting.cell(name, suite, shape[1])
        setting.close()

    with lab.test("refusal", "X takes no clear text, so that what arrives there was ESP"):
        setting = Setting(lab, e, x, "tunnel")
        e.silence()
        before = xfrm.errors(x)
        setting.near.sendto(b"clear", setting.far.getsockname()[:2])
        eventually(lambda: xfrm.errors(x) != before, "X counts an error")
        check(setting.clear.packets(), "no clear packet on the wire")
        setting.close()

    # Every suite in every shape; on the debug kernel in one of the four, the next
    # suite in the next one.
    for shape in SHAPES:
        cells("", [suite for n, suite in enumerate(MAIN)
                   if not lab.debug or shape == SHAPES[n % len(SHAPES)]], shape)
    # The families, and UDP around ESP
    some = ("aes128gcm16", "chacha20poly1305", "aes256-sha256")
    for n, (inner, outer) in enumerate(((6, 6), (4, 6), (6, 4))):
        cells(f"{inner}in{outer}/", some[n:n + 1] if lab.debug else some, ("tunnel", True),
              inner=inner, outer=outer)
    cells("6/", some[:1] if lab.debug else some, ("transport", True), inner=6, outer=6)
    doors = []
    for ns in (e, x):
        door = ns.udp("0.0.0.0", 4500)
        if ns is x:
            # xfrm takes ESP in UDP from a socket that says so, and only if
            # policy lets the packet into that socket.
            door.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
        doors.append(door)
    for mode in ("tunnel", "transport"):
        cells("udp/", some[:2] if lab.debug else some, (mode, True), encap=(4500, 4500))
    for door in doors:
        door.close()
    # The other suites, each in one shape; on the debug kernel `matrix' has them all.
    for at, shape in enumerate(SHAPES):
        cells("", others[at::len(SHAPES) * (6 if lab.debug else 1)], shape)
