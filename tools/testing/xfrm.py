# SPDX-License-Identifier: GPL-2.0
"""The kernel's own IPsec as a peer, by the names of our suites."""

import re
import socket
import struct

from quick import ACK, DUMP, NLMSG_DONE, REQUEST, attribute

NETLINK_XFRM = 6
NEWSA, GETSA, NEWPOLICY, UPDPOLICY, FLUSHSA, FLUSHPOLICY = 0x10, 0x12, 0x13, 0x19, 0x1c, 0x1d
CREATE, EXCL = 0x400, 0x200
ALG_CRYPT, ENCAP, TMPL, ALG_AEAD, ALG_AUTH_TRUNC, REPLAY_ESN_VAL = 2, 4, 5, 18, 20, 23
STATE_AF_UNSPEC, STATE_ESN, ENCAP_ESPINUDP = 32, 128, 2
MODES, DIRECTIONS = {"transport": 0, "tunnel": 1}, {"in": 0, "out": 1, "fwd": 2}
FOREVER = b"\xff" * 32 + bytes(32)
TRUNCATED = {"sha1": 96, "sha256": 128, "sha384": 192, "sha512": 256}


def algorithms(suite, info, key):
    """The words of `ip xfrm state add' for a suite and its key material."""
    icv = info["icv_len"] * 8
    cipher_len = info["cipher_key_len"] + info["salt_len"]
    cipher, integrity = key[:cipher_len].hex(), key[cipher_len:].hex()
    for part, name in (("gcm", "rfc4106(gcm(aes))"), ("ccm", "rfc4309(ccm(aes))"),
                       ("gmac", "rfc4543(gcm(aes))"),
                       ("chacha", "rfc7539esp(chacha20,poly1305)")):
        if part in suite:
            return f"aead {name} 0x{cipher} {icv}"
    kind, _, digest = suite.partition("-")
    if kind == "null":
        crypt = 'enc ecb(cipher_null) ""'
    elif kind.endswith("ctr"):
        crypt = f"enc rfc3686(ctr(aes)) 0x{cipher}"
    else:
        crypt = f"enc cbc(aes) 0x{cipher}"
    return f"{crypt} auth-trunc hmac({digest}) 0x{integrity} {TRUNCATED[digest]}"


def state(spi, src, dst, mode, suite, info, key, esn=True, encap=None, more=""):
    """A line for `ip -batch' that adds an SA."""
    words = f"xfrm state add src {src} dst {dst} proto esp spi {spi:#x} reqid 1 mode {mode} "
    words += "replay-window 1024 " + ("flag esn " if esn else "")
    if mode == "tunnel":
        words += "flag af-unspec "
    if encap:
        words += f"encap espinudp {encap[0]} {encap[1]} 0.0.0.0 "
    return words + algorithms(suite, info, key) + f" {more}\n"


def policies(mode, here, there, local, remote, encap=False):
    """Lines for `ip -batch': protect all between two selectors."""
    lines = ""
    if encap:
        lines = f"xfrm policy add src {remote} dst {local} proto 17 dport 4500 dir in " \
            "priority 1 action allow\n"
    for way, src, dst, left, right in (("out", here, there, local, remote),
                                       ("in", there, here, remote, local),
                                       ("fwd", there, here, remote, local)):
        ends = f"src {left} dst {right} " if mode == "tunnel" else ""
        lines += f"xfrm policy add src {src} dst {dst} dir {way} priority 9 " \
            f"tmpl {ends}proto esp reqid 1 mode {mode}\n"
    return lines


# What of that ip need not be started for: the words of ip, in the order in which they are above
ADDR = r"[\da-f.:]+"
STATE = re.compile(rf"xfrm state add src (?P<src>{ADDR}) dst (?P<dst>{ADDR}) proto esp spi (?P<spi>\w+) "
                   r"reqid (?P<reqid>\d+) mode (?P<mode>\w+) replay-window (?P<window>\d+) (?P<esn>flag esn )?"
                   r"(?P<unspec>flag af-unspec )?(encap espinudp (?P<sport>\d+) (?P<dport>\d+) 0.0.0.0 )?"
                   r"(aead (?P<aead>\S+) 0x(?P<aead_key>\w+) (?P<icv>\d+)|"
                   r"enc (?P<enc>\S+) (\"\"|0x(?P<enc_key>\w+)) auth-trunc (?P<auth>\S+) 0x(?P<auth_key>\w+) (?P<trunc>\d+))")
POLICY = re.compile(rf"xfrm policy (?P<verb>add|update) src (?P<src>{ADDR})(/(?P<src_bits>\d+))? "
                    rf"dst (?P<dst>{ADDR})(/(?P<dst_bits>\d+))?( proto (?P<proto>\d+))?( dport (?P<dport>\d+))? "
                    r"dir (?P<dir>\w+) priority (?P<priority>\d+) "
                    rf"(action allow|tmpl (src (?P<left>{ADDR}) dst (?P<right>{ADDR}) )?proto esp reqid (?P<reqid>\d+) "
                    r"mode (?P<mode>\w+))")


def _tell(kind, flags, body):
    """A request to xfrm in the namespace of the moment; whether it did it."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM) as sock:
        sock.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACK | flags, 0, 0) + body)
        return struct.unpack_from("=i", sock.recv(1 << 16), 16)[0] == 0


def _addr(text):
    """Family, and an address in the place of the longest."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.inet_pton(family, text).ljust(16, b"\0")


def _algorithm(name, key, *numbers):
    return struct.pack(f"=64s{1 + len(numbers)}I", name.encode(), 8 * len(key), *numbers) + key


def _state(match):
    family, src = _addr(match["src"])
    _, dst = _addr(match["dst"])
    flags = (STATE_ESN if match["esn"] else 0) | (STATE_AF_UNSPEC if match["unspec"] else 0)
    # struct xfrm_usersa_info: selector, id, source, lifetimes, statistics, the rest
    body = bytes(56) + dst + struct.pack("!IB3x", int(match["spi"], 0), 50) + src + FOREVER + bytes(32 + 12) + \
        struct.pack("=IIHBBB7x", 0, int(match["reqid"]), family, MODES[match["mode"]], 0, flags)
    words = (int(match["window"]) + 31) // 32
    body += attribute(REPLAY_ESN_VAL, struct.pack("=6I", words, 0, 0, 0, 0, int(match["window"])) + bytes(4 * words))
    if match["sport"]:
        body += attribute(ENCAP, struct.pack("=H", ENCAP_ESPINUDP) +
                          struct.pack("!HHxx", int(match["sport"]), int(match["dport"])) + bytes(16))
    if match["aead"]:
        body += attribute(ALG_AEAD, _algorithm(match["aead"], bytes.fromhex(match["aead_key"]), int(match["icv"])))
    else:
        body += attribute(ALG_CRYPT, _algorithm(match["enc"], bytes.fromhex(match["enc_key"] or ""))) + \
            attribute(ALG_AUTH_TRUNC, _algorithm(match["auth"], bytes.fromhex(match["auth_key"]), int(match["trunc"])))
    return _tell(NEWSA, CREATE | EXCL, body)


def _policy(match):
    family, src = _addr(match["src"])
    _, dst = _addr(match["dst"])
    whole = 32 if family == socket.AF_INET else 128
    bits = [int(match[name] or whole) for name in ("dst_bits", "src_bits")]
    port = struct.pack("!HH", int(match["dport"]), 0xffff) if match["dport"] else bytes(4)
    # struct xfrm_userpolicy_info: selector, lifetimes, the rest
    body = dst + src + port + bytes(4) + struct.pack("=HBBB3xiI", family, *bits, int(match["proto"] or 0), 0, 0) + \
        FOREVER + bytes(32) + struct.pack("=IIBBBB4x", int(match["priority"]), 0, DIRECTIONS[match["dir"]], 0, 0, 0)
    if match["reqid"]:
        ends = [_addr(match[name]) if match[name] else (family, bytes(16)) for name in ("right", "left")]
        body += attribute(TMPL, ends[0][1] + struct.pack("!IB3x", 0, 50) + struct.pack("=Hxx", ends[0][0]) + ends[1][1] +
                          struct.pack("=IBBBxIII", int(match["reqid"]), MODES[match["mode"]], 0, 0, *[0xffffffff] * 3))
    return _tell(NEWPOLICY if match["verb"] == "add" else UPDPOLICY, CREATE | (EXCL if match["verb"] == "add" else 0), body)


def do(line):
    """A command of ip; False if it is not known here, or refused."""
    if line == "xfrm state flush":
        _tell(FLUSHSA, 0, bytes(1))
        return True
    if line == "xfrm policy flush":
        _tell(FLUSHPOLICY, 0, b"")
        return True
    for pattern, act in ((STATE, _state), (POLICY, _policy)):
        match = pattern.fullmatch(line)
        if match:
            return act(match)
    return False


def packets(ns):
    """Packets of each SA, by SPI."""
    found = {}
    with ns, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM) as sock:
        sock.send(struct.pack("=IHHII", 16, GETSA, REQUEST | DUMP, 0, 0))
        while True:
            data = sock.recv(1 << 17)
            while data:
                size, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_DONE:
                    return found
                # struct xfrm_usersa_info: the SPI is behind selector and address, lifetimes follow.
                found[struct.unpack_from("!I", data, 16 + 72)[0]] = struct.unpack_from("=Q", data, 16 + 168)[0]
                data = data[(size + 3) & ~3:]


def errors(ns):
    """Counters of errors that are not zero."""
    lines = (line.split() for line in ns.read("/proc/net/xfrm_stat").splitlines())
    return {name: int(value) for name, value in lines if value != "0"}
