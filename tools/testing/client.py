# SPDX-License-Identifier: GPL-2.0
"""The netlink family by the kernel's own client of YNL, and by hand.

What the client knows of the family it reads from the specification, in
netlink_uapi/; of espctl it uses nothing.
"""

import copy
import os
import socket
import struct
import sys

from quick import attributes

YNL = os.path.realpath("build/ynl/tools/net/ynl")
SPEC = "netlink_uapi/esp_mod.yaml"
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, DUMP = 1, 4, 0x300
ACK_TLVS, EXTACK_MSG = 0x200, 1


def addr(text):
    """An address as the family has it."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


class Client:
    """A client of one namespace."""

    family = None

    def __init__(self, ns):
        sys.path.insert(0, YNL)
        from lib import YnlFamily, NlError
        del sys.path[0]
        self.error = NlError
        with ns:
            if not Client.family:
                Client.family = YnlFamily(SPEC, schema="")
                # It would keep this namespace alive.
                Client.family.sock.close()
            # To read the specification takes long; the socket alone is the namespace's.
            self.ynl = copy.copy(Client.family)
            self.ynl.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        for option in (10, 11, 12):
            self.ynl.sock.setsockopt(270, option, 1)
        self.ynl.async_msg_queue = []
        self.sock = self.ynl.sock
        self.number = self.ynl.nlproto.family_id
        self.ops = self.ynl.ops
        self.sets = self.ynl.attr_sets

    def do(self, op, **values):
        """One operation; what is answered. Names have _ where the family has -."""
        return self.ynl.do(op, {name.replace("_", "-"): value for name, value in values.items()})

    def dump(self, op):
        """All of a dump."""
        return self.ynl.dump(op, {})

    def refused(self, op, **values):
        """The sentence of a refusal; None if it was not refused."""
        try:
            self.do(op, **values)
        except self.error as error:
            return error.nl_msg.extack.get("msg", "") if error.nl_msg.extack else ""
        return None

    def raw(self, command, body, flags=ACK):
        """A message by hand: (error, sentence), or (0, messages)."""
        head = struct.pack("=IHHIIBBxx", 20 + len(body), self.number, REQUEST | flags, 7, 0, command, 1)
        self.sock.send(head + body)
        answers = []
        while True:
            data = self.sock.recv(1 << 17)
            while data:
                size, kind, more = struct.unpack_from("=IHH", data)
                body, data = data[16:size], data[(size + 3) & ~3:]
                if kind not in (NLMSG_ERROR, NLMSG_DONE):
                    answers.append(body)
                    continue
                error, = struct.unpack_from("=i", body)
                text = ""
                if more & ACK_TLVS:
                    at = 4 + (16 if error == 0 or more & 0x100 else struct.unpack_from("=I", body, 4)[0])
                    for kind, value in attributes(body[at if kind == NLMSG_ERROR else 4:]):
                        if kind == EXTACK_MSG:
                            text = value.rstrip(b"\0").decode()
                return (-error, text) if error else (0, answers)

    def close(self):
        self.sock.close()


def attribute(kind, value, nested=False, size=None):
    """One attribute, with a wrong length if one is given."""
    head = struct.pack("=HH", 4 + len(value) if size is None else size, kind | (0x8000 if nested else 0))
    return head + value + bytes(-len(value) % 4)
