# SPDX-License-Identifier: GPL-2.0
"""The kernel's own IPsec as a peer, by the names of our suites."""

import re

from lab import command

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


def packets(ns):
    """Packets of each SA, by SPI."""
    said = command(["ip", "-n", ns.name, "-s", "xfrm", "state"]).stdout
    found = {}
    for block in re.split(r"^src ", said, flags=re.M)[1:]:
        spi = int(re.search(r"spi (0x[0-9a-f]+)", block)[1], 0)
        found[spi] = int(re.search(r"current:\s+\d+\(bytes\), (\d+)\(packets\)", block)[1])
    return found


def errors(ns):
    """Counters of errors that are not zero."""
    lines = (line.split() for line in ns.read("/proc/net/xfrm_stat").splitlines())
    return {name: int(value) for name, value in lines if value != "0"}
