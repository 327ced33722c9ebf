# SPDX-License-Identifier: GPL-2.0
"""ESP by the letter of the RFCs, without esp_mod: seals and opens packets.

The ciphers are the kernel's, by AF_ALG; what is around them is written out
here a second time.
"""

import hashlib
import hmac
import os
import socket
import struct

from lab import Failure, check, equal

AEADS = {"aes128gcm16": ("gcm(aes)", 16), "chacha20poly1305": ("rfc7539(chacha20,poly1305)", 32)}
CBC = {"aes128-sha256": 16, "aes256-sha256": 32}


def _aead(name, key, nonce, aad, text, seal):
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as alg:
        alg.bind(("aead", name))
        alg.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, key)
        alg.setsockopt(socket.SOL_ALG, socket.ALG_SET_AEAD_AUTHSIZE, None, 16)
        op, _ = alg.accept()
        with op:
            op.sendmsg_afalg([aad + text], op=socket.ALG_OP_ENCRYPT if seal
                             else socket.ALG_OP_DECRYPT, iv=nonce, assoclen=len(aad))
            size = len(aad) + len(text) + (16 if seal else -16)
            try:
                return op.recv(size)[len(aad):]
            except OSError as error:
                raise Failure(f"the ICV is wrong: {error}") from None


def _cbc(key, iv, text, seal):
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as alg:
        alg.bind(("skcipher", "cbc(aes)"))
        alg.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, key)
        op, _ = alg.accept()
        with op:
            op.sendmsg_afalg([text], op=socket.ALG_OP_ENCRYPT if seal else socket.ALG_OP_DECRYPT,
                             iv=iv)
            return op.recv(len(text))


def _trailer(text, block, proto):
    pad = -(len(text) + 2) % block
    return text + bytes(range(1, pad + 1)) + bytes([pad, proto])


def seal(suite, key, spi, seq, text, proto=4, high=None):
    """An ESP packet, from its SPI on. high: of ESN."""
    return seal_text(suite, key, spi, seq, _trailer(text, 16 if suite in CBC else 4, proto), high)


def seal_text(suite, key, spi, seq, text, high=None):
    """The same, of a text with its trailer."""
    head = struct.pack("!II", spi, seq)
    esn = b"" if high is None else struct.pack("!I", high)
    if suite in AEADS:
        name, size = AEADS[suite]
        iv = os.urandom(8)
        return head + iv + _aead(name, key[:size], key[size:] + iv, head[:4] + esn + head[4:], text, True)
    if suite in CBC:
        size = CBC[suite]
        iv = os.urandom(16)
        body = head + iv + _cbc(key[:size], iv, text, True)
        key = key[size:]
    else:
        equal(suite, "null-sha256", "suite")
        body = head + text
    return body + hmac.new(key, body + esn, hashlib.sha256).digest()[:16]


def unseal(suite, key, packet, high=None):
    """What is in an ESP packet: bytes, padding, next header. high: of ESN."""
    head = packet[:8]
    esn = b"" if high is None else struct.pack("!I", high)
    if suite in AEADS:
        name, size = AEADS[suite]
        text = _aead(name, key[:size], key[size:] + packet[8:16], head[:4] + esn + head[4:],
                     packet[16:], False)
    else:
        size = CBC.get(suite, 0)
        want = hmac.new(key[size:], packet[:-16] + esn, hashlib.sha256).digest()[:16]
        check(want == packet[-16:], "the ICV is wrong")
        text = packet[8:-16]
        if size:
            text = _cbc(key[:size], text[:16], text[16:], False)
    pad, proto = text[-2:]
    check(pad + 2 <= len(text), f"padding of {pad} bytes in {len(text)}")
    return text[:len(text) - 2 - pad], text[len(text) - 2 - pad:-2], proto
