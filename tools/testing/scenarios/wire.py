# SPDX-License-Identifier: GPL-2.0
"""What is on the wire is ESP as others read it.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
                     ^ a listener who has the keys

Each packet is opened by code that is not esp_mod's, and once more by tshark.
"""

import os

import esp
from lab import Packet, Wire, ask, capture, check, command, equal

SUITES = ("aes128gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha256", "null-sha256")
# Names of algorithms and length of the cipher's key, as tshark wants them; it
# does not check an AEAD's ICV, and that of Debian 12 cannot open ChaCha20.
TSHARK = {
    "aes128gcm16": ("AES-GCM with 16 octet ICV [RFC4106]", 20, "NULL"),
    "aes128-sha256": ("AES-CBC [RFC3602]", 16, "HMAC-SHA-256-128 [RFC4868]"),
    "aes256-sha256": ("AES-CBC [RFC3602]", 32, "HMAC-SHA-256-128 [RFC4868]"),
    "null-sha256": ("NULL", 0, "HMAC-SHA-256-128 [RFC4868]"),
}
SIZES = (0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 17, 64, 500, 1300)


def read(lab, sites, near, far, suite, esn):
    """One suite: traffic, captured and opened. The frames and the key."""
    a, g1, g2, b = sites
    for gate in (g1, g2):
        gate.silence()
    lab.protect(g1, g2)
    there, back = lab.tunnel(g1, g2, suite, more=f"reqid 1 esn {'on' if esn else 'off'}")
    wire, clear = Wire(g1, "wan", "ip"), Wire(g1, "esp0")
    data = [os.urandom(size) for size in SIZES]
    for one in data:
        ask(near, far, one)
    frames = wire.packets()
    wire.close()

    paths = {0x1001: there, 0x1002: back}
    seen = {spi: [] for spi in paths}
    for frame in frames:
        packet = Packet(frame)
        equal(packet.proto, 50, "protocol on the wire")
        check(packet.spi in paths, f"SPI {packet.spi:#x}")
        inner, padding, proto = esp.unseal(suite, paths[packet.spi], packet.body,
                                           0 if esn else None)
        equal(proto, 4, "next header")
        equal(padding, bytes(range(1, len(padding) + 1)), "padding")
        equal((len(padding) + 2 + len(inner)) % (16 if suite in esp.CBC else 4), 0, "alignment")
        check(len(padding) < (16 if suite in esp.CBC else 4), f"{len(padding)} bytes of padding")
        seen[packet.spi].append((packet.seq, packet.body, inner))
    for spi, packets in seen.items():
        equal([seq for seq, _, _ in packets], list(range(1, len(SIZES) + 1)),
              f"sequence numbers of {spi:#x}")
        equal([inner[28:] for _, _, inner in packets], data, f"data under {spi:#x}")
        if suite != "null-sha256":
            size = 16 if suite in esp.CBC else 8
            ivs = [body[8:8 + size] for _, body, _ in packets]
            equal(len(set(ivs)), len(ivs), "different IVs")
            if suite in esp.CBC:
                ends = {body[-32:-16] for _, body, _ in packets}
                check(not ends & set(ivs), "an IV is an earlier ciphertext")
    frames_clear = clear.packets()
    clear.close()
    equal(len(frames_clear), 2 * len(SIZES), "packets on esp0")
    equal(sorted(frame[28:] for frame in frames_clear), sorted(data * 2), "data on esp0")
    check({frame[12:16] for frame in frames_clear} == {bytes((10, 1, 0, 2)), bytes((10, 2, 0, 2))},
          "esp0 does not show both directions")
    return frames, paths


def main(lab):
    lab.pin()
    sites = lab.sites()
    a, g1, g2, b = sites
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
    taken = {}
    suites = SUITES[::2] if lab.debug else SUITES
    for suite in suites:
        for esn in (True, False):
            with lab.test(f"opened/{suite}/{'esn' if esn else 'noesn'}",
                          f"{suite} {'with' if esn else 'without'} ESN: opened by others with the "
                          "key; padding 1, 2, 3; numbers from 1; esp0 shows both directions"):
                taken[suite] = read(lab, sites, near, far, suite, esn)

    for suite in suites:
        with lab.test(f"tshark/{suite}", "tshark, told the keys, reads the UDP inside of " + suite
                      if suite in TSHARK else f"tshark reads SPIs and numbers of {suite}"):
            check(suite in taken, "nothing was captured")
            frames, keys = taken[suite]
            capture("/tmp/espm.pcap", frames)
            words = ["tshark", "-n", "-r", "/tmp/espm.pcap", "-o",
                     "esp.enable_encryption_decode:TRUE",
                     "-o", "esp.enable_authentication_check:TRUE", "-T", "fields",
                     "-e", "esp.spi", "-e", "esp.sequence", "-e", "udp.dstport",
                     "-e", "udp.length", "-e", "esp.icv_bad"]
            if suite in TSHARK:
                cipher, size, integrity = TSHARK[suite]
                for spi, key in keys.items():
                    words += ["-o", f'uat:esp_sa:"IPv4","*","*","{spi:#x}","{cipher}",'
                                    f'"0x{key[:size].hex()}","{integrity}","0x{key[size:].hex()}"']
            said = command(words, seconds=200).stdout
            lines = [line.split("\t") for line in said.splitlines()]
            equal(len(lines), 2 * len(SIZES), "packets that tshark sees")
            for at, (spi, seq, port, length, bad) in enumerate(lines):
                equal((int(spi, 0), int(seq, 0)), (0x1001 + at % 2, at // 2 + 1), "SPI and number")
                if suite in TSHARK:
                    equal((port, length), (("5002", "5001")[at % 2], str(8 + SIZES[at // 2])),
                          "port and length that tshark reads")
                    # Of one that is right it says nothing; read() has checked each.
                    check(bad in ("", "0", "False"), f"tshark finds the ICV wrong: {bad}")
