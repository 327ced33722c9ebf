# SPDX-License-Identifier: GPL-2.0
"""Two hosts protect what they say to each other, end to end.

    E (esp_mod)                                  X (xfrm)
      wan 192.0.2.1   ========================= wan 192.0.2.2
          2001:db8::1                               2001:db8::2

All that X takes has been ESP where its policies say so; a listener on the wire
sees that nothing else goes.
"""

import os
import socket

import xfrm
from lab import ETH_P_IP, Counts, Packet, Wire, ask, check, command, equal, stream

ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
SUITE = "aes256gcm16"
SCTP = 132
IP_ROUTER_ALERT = bytes((148, 4, 0, 0))
IPV6_HOPOPTS, IPV6_DSTOPTS = 54, 59
PADDING_OPTION = bytes((0, 0, 1, 4, 0, 0, 0, 0))
# xfrm leaves destination options in front of ESP, as RFC 4303 lets it.
CLEAR = "(ip or ip6) and not ip6 multicast and not esp and not (ip6[6] = 0 and ip6[40] = 50) " \
    "and not (ip6[6] = 0 and ip6[40] = 60 and ip6[48] = 50) and not (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)"


class Hosts:
    """The two, and how they come to protect something."""

    def __init__(self, lab):
        self.lab = lab
        self.e, self.x = lab.build("E", "X")
        lab.join("E:wan X:wan")
        for ns, side in ((self.e, 1), (self.x, 2)):
            ns.ip(f"""link set lo up
                      addr add 192.0.2.{side}/24 dev wan
                      addr add 2001:db8::{side}/64 dev wan nodad
                      link set wan up""")

    def protect(self, family, mode, what="", answer=""):
        """SAs, and policies: `what' of a selector there, `answer' of the one back."""
        e, x, (here, there) = self.e, self.x, ENDS[family]
        info = self.lab.suites()[SUITE]
        keys = [os.urandom(info["key_len"]) for _ in range(2)]
        e.silence()
        e.policy(f"dir out src {here} dst {there} {what} action protect reqid 1")
        e.policy(f"dir in src {there} dst {here} {answer} action protect reqid 1")
        e.sa("out", 0x1001, here, there, SUITE, keys[0], mode)
        e.sa("in", 0x1002, there, here, SUITE, keys[1], mode)
        ends = {"in": f"src {here} dst {there}", "out": f"src {there} dst {here}"}
        lines = "xfrm policy flush\nxfrm state flush\n"
        for way, words in (("out", answer), ("in", what)):
            tunnel = ends[way] if mode == "tunnel" else ""
            lines += f"xfrm policy add {ends[way]} {words} dir {way} " \
                f"tmpl {tunnel} proto esp reqid 1 mode {mode}\n"
        x.ip(lines + xfrm.state(0x1001, here, there, mode, SUITE, info, keys[0]) +
             xfrm.state(0x1002, there, here, mode, SUITE, info, keys[1]))
        self.errors, self.counts = xfrm.errors(x), Counts(e)

    def sealed(self):
        """Packets that E has sealed so far."""
        return self.e.sas()[0x1001]["packets"]

    def nothing_lost(self):
        """Neither side has refused a packet."""
        equal({k: v for k, v in self.counts.new().items() if k != "out_too_big"}, {}, "drops of E")
        equal(xfrm.errors(self.x), self.errors, "errors of X")


def talk(hosts, family):
    """TCP, UDP, ICMP and SCTP."""
    e, x, (here, there) = hosts.e, hosts.x, ENDS[family]
    data = os.urandom(60_000)
    near, far = e.udp(here), x.udp(there)
    for size in (1, 64, 1400, 4000):
        ask(near, far, os.urandom(size))
        ask(far, near, os.urandom(size))
    near.close()
    far.close()
    listener = x.listen(there)
    stream(*e.connect(listener, here), data)
    listener.close()
    e.run(["ping", "-c", "3", "-i", "0.1", "-W", "5", "-s", "1200", there])
    x.run(["ping", "-c", "1", "-W", "5", here])
    with x:
        listener = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET,
                                 socket.SOCK_STREAM, SCTP)
    listener.bind((there, 5000))
    listener.listen(1)
    listener.settimeout(10)
    with e:
        near = socket.socket(listener.family, socket.SOCK_STREAM, SCTP)
    near.settimeout(10)
    near.connect((there, 5000))
    far, _ = listener.accept()
    far.settimeout(10)
    for size in (1, 1000, 5000):
        near.sendall(data[:size])
        got = b""
        while len(got) < size:
            got += far.recv(8192)
        equal(got, data[:size], f"{size} bytes over SCTP")
    for sock in (near, far, listener):
        sock.close()


def set_options(sock, family):
    """A socket whose packets have options."""
    if family == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, IP_ROUTER_ALERT)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_HOPOPTS, PADDING_OPTION)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_DSTOPTS, PADDING_OPTION)


def options(hosts, family, mode):
    """What stands in front of ESP, and what behind it."""
    e, x, (here, there) = hosts.e, hosts.x, ENDS[family]
    near, far = e.udp(here), x.udp(there)
    # At E, for at X the packets show up once more when they are opened.
    wire = Wire(e, "wan", "src host " + here)
    clear = Wire(e, "wan", CLEAR)
    for sock in (near, far):
        set_options(sock, family)
    for size in (1, 1000):
        ask(near, far, os.urandom(size))
    frames = [f for f in wire.packets() if len(f) > 60 and f[14] >> 4 == family and (family == 4 or f[20] != 58)]
    # The connections of before may still say their last words.
    if mode == "transport":
        frames = [f for f in frames if f[14:15] + f[23:24] != b"\x45\x32" and f[20] != 50]
        equal(len(frames), 2, "packets with options on the wire")
    check(len(frames) >= 2, f"{len(frames)} packets on the wire")
    for frame in frames:
        if mode == "tunnel":
            # They are all inside.
            equal(frame[14:15] + frame[23:24] if family == 4 else frame[20:21], b"\x45\x32" if family == 4 else b"\x32",
                  "header outside")
        elif family == 4:
            packet = Packet(frame)
            equal((packet.type, packet.ip[0], packet.proto, packet.ip[20:24], packet.spi),
                  (ETH_P_IP, 0x46, 50, IP_ROUTER_ALERT, 0x1001), "header in front of ESP")
        else:
            # Hop-by-hop options are for all on the way; the rest is for X.
            equal((frame[20], frame[54], frame[56:62]), (0, 50, PADDING_OPTION[2:]),
                  "headers in front of ESP")
            equal(int.from_bytes(frame[62:66], "big"), 0x1001, "SPI")
    seen = clear.packets()
    check(not seen, f"{len(seen)} packets on the wire that are not ESP: {seen[0].hex() if seen else ''}")
    for sock in (near, far, wire, clear):
        sock.close()


def one_port(hosts, family, mode):
    """A policy for one service, the rest in clear."""
    e, x, (here, there) = hosts.e, hosts.x, ENDS[family]
    data = os.urandom(30_000)
    # Numbers: a bare machine has no /etc/protocols.
    hosts.protect(family, mode, "proto 6 dport 443", "proto 6 sport 443")
    clear = Wire(e, "wan", f"tcp and host {there}")
    for port, secret in ((443, True), (80, False)):
        listener = x.listen(there, port)
        before = hosts.sealed()
        stream(*e.connect(listener, here), data)
        listener.close()
        seen = len(clear.packets())
        check(bool(seen) != secret, f"{seen} clear packets of port {port}")
        # The connection of before may still say a last word.
        sealed = hosts.sealed() - before
        check(sealed > 20 if secret else sealed < 4, f"{sealed} packets sealed of {port}")
    e.run(["ping", "-c", "1", "-W", "5", there])
    hosts.nothing_lost()
    # What X says in clear as that service is not taken.
    hosts.counts = Counts(e)
    x.ip("xfrm policy flush")
    with x:
        sock = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET,
                             socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((there, 443))
    sock.setblocking(False)
    sock.connect_ex((here, 9))
    hosts.counts.become(in_clear=1)
    for each in (sock, clear):
        each.close()


def main(lab):
    if not lab.debug:
        command("modprobe -a sctp")
    hosts = Hosts(lab)
    for family in (4, 6):
        for mode in ("transport", "tunnel"):
            with lab.test(f"{mode}/ipv{family}",
                          f"TCP, UDP, ICMP and SCTP over IPv{family} in {mode} mode between two "
                          "hosts, xfrm the other one: only ESP is on the wire"):
                hosts.protect(family, mode)
                clear = Wire(hosts.e, "wan", CLEAR)
                talk(hosts, family)
                equal(len(clear.packets()), 0, "packets on the wire that are not ESP")
                clear.close()
                hosts.nothing_lost()
            with lab.test(f"options/{mode}/ipv{family}",
                          "what is for every hop stays in front of ESP, what is for the other host goes inside"
                          if mode == "transport" else "options of IP go inside of a tunnel, and its header has none"):
                options(hosts, family, mode)
                hosts.nothing_lost()
            with lab.test(f"port/{mode}/ipv{family}", f"a policy for one port protects that port in {mode} mode, both ways, "
                                                      "and nothing else"):
                one_port(hosts, family, mode)
