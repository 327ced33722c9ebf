# SPDX-License-Identifier: GPL-2.0
"""Namespaces, wires, addresses and routes without a process for each.

What most topologies are made of. Commands of ip that are not known here, or that
the kernel refuses, are for ip itself.
"""

import contextlib
import ctypes
import os
import re
import socket
import struct

import xfrm
from quick import attribute

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, MS_BIND, MS_SHARED, MS_REC, MNT_DETACH = 0x40000000, 4096, 1 << 20, 16384, 2
NAMES = "/run/netns"
NLMSG_ERROR, REQUEST, ACK, CREATE, EXCL, REPLACE, APPEND = 2, 1, 4, 0x400, 0x200, 0x100, 0x800
NEWLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE = 16, 20, 21, 24, 25
IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO, IFLA_NET_NS_FD, INFO_KIND, INFO_DATA, VETH_PEER = 3, 4, 18, 28, 1, 2, 1
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_F_NODAD = 1, 2, 4, 2
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 4, 5, 6, 7
MAIN, RTPROT_BOOT, UNIVERSE, LINK, UNICAST = 254, 3, 0, 253, 1
UP = 1


def _check(result, what):
    if result:
        raise OSError(ctypes.get_errno(), what)


def add_namespaces(names):
    """As `ip netns add'."""
    os.makedirs(NAMES, exist_ok=True)
    # That fails where it is no mount yet. To bind it each time would double its mounts.
    if LIBC.mount(b"", NAMES.encode(), None, MS_SHARED | MS_REC, None):
        _check(LIBC.mount(NAMES.encode(), NAMES.encode(), None, MS_BIND | MS_REC, None), NAMES)
        _check(LIBC.mount(b"", NAMES.encode(), None, MS_SHARED | MS_REC, None), NAMES)
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for name in names:
            path = f"{NAMES}/{name}"
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
            _check(LIBC.unshare(CLONE_NEWNET), "unshare")
            _check(LIBC.mount(b"/proc/self/ns/net", path.encode(), None, MS_BIND, None), path)
    finally:
        LIBC.setns(home, CLONE_NEWNET)
        os.close(home)


def del_namespaces(names):
    """As `ip netns del', of those that are there."""
    for name in names:
        path = f"{NAMES}/{name}"
        LIBC.umount2(path.encode(), MNT_DETACH)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _tell(kind, flags, body):
    """A request to the kernel, in the namespace of the moment; whether it did it."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACK | flags, 0, 0) + body)
        said = sock.recv(1 << 16)
    return struct.unpack_from("=H", said, 4)[0] == NLMSG_ERROR and struct.unpack_from("=i", said, 16)[0] == 0


def _link(dev=0, flags=0):
    return struct.pack("=BxHiII", 0, 0, dev, flags, flags)


def add_veth(name, peer, peer_ns):
    """A wire from the namespace of the moment to another one, given by a descriptor."""
    other = _link() + attribute(IFLA_IFNAME, peer.encode() + b"\0") + attribute(IFLA_NET_NS_FD, ("I", peer_ns))
    info = attribute(INFO_KIND, b"veth") + attribute(INFO_DATA, attribute(VETH_PEER, other))
    return _tell(NEWLINK, CREATE | EXCL, _link() + attribute(IFLA_IFNAME, name.encode() + b"\0") +
                 attribute(IFLA_LINKINFO, info))


def _prefix(text):
    """Family, address and length of a prefix."""
    text, _, bits = text.partition("/")
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    addr = socket.inet_pton(family, text)
    return family, addr, int(bits) if bits else 8 * len(addr)


def _set_link(dev, word, value):
    if word == "mtu":
        return _tell(NEWLINK, 0, _link(dev) + attribute(IFLA_MTU, ("I", int(value))))
    return _tell(NEWLINK, 0, struct.pack("=BxHiII", 0, 0, dev, UP if word == "up" else 0, UP))


def _addr(verb, prefix, dev, nodad):
    family, addr, bits = _prefix(prefix)
    body = struct.pack("=BBBBi", family, bits, IFA_F_NODAD if nodad else 0, UNIVERSE, dev) + \
        attribute(IFA_LOCAL, addr) + attribute(IFA_ADDRESS, addr)
    return _tell(NEWADDR, CREATE | EXCL, body) if verb == "add" else _tell(DELADDR, 0, body)


def _route(verb, prefix, via, dev, src):
    family, gate, _ = _prefix(via)
    dst, bits = b"", 0
    if prefix != "default":
        dst_family, dst, bits = _prefix(prefix)
        if dst_family != family:
            return False
    body = struct.pack("=BBBBBBBBI", family, bits, 0, 0, MAIN, RTPROT_BOOT, UNIVERSE, UNICAST, 0)
    if dst:
        body += attribute(RTA_DST, dst)
    body += attribute(RTA_GATEWAY, gate)
    if dev:
        body += attribute(RTA_OIF, ("I", dev))
    if src:
        body += attribute(RTA_PREFSRC, _prefix(src)[1])
    return _tell(NEWROUTE, CREATE | (EXCL if verb == "add" else REPLACE), body)


DEV = r"(?P<dev>[\w.]+)"
KNOWN = (
    (rf"link set {DEV} (?P<word>up|down)", lambda m, dev: _set_link(dev, m["word"], None)),
    (rf"link set {DEV} mtu (?P<mtu>\d+)", lambda m, dev: _set_link(dev, "mtu", m["mtu"])),
    (rf"addr (?P<verb>add|del) (?P<prefix>[\da-f.:]+/\d+) dev {DEV}(?P<nodad> nodad)?",
     lambda m, dev: _addr(m["verb"], m["prefix"], dev, m["nodad"])),
    (rf"route (?P<verb>add|replace) (?P<prefix>default|[\da-f.:]+(/\d+)?) via (?P<via>[\da-f.:]+)( dev {DEV})?"
     r"( src (?P<src>[\da-f.:]+))?",
     lambda m, dev: _route(m["verb"], m["prefix"], m["via"], dev, m["src"])),
)


def ip(line):
    """A command of ip in the namespace of the moment; False if it is not known, or refused."""
    if line.startswith("xfrm "):
        return xfrm.do(line)
    for pattern, act in KNOWN:
        match = re.fullmatch(pattern, line)
        if match:
            try:
                return act(match, socket.if_nametoindex(match["dev"]) if match["dev"] else 0)
            except OSError:
                return False
    return False
