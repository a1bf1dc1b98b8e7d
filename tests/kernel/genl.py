# SPDX-License-Identifier: Apache-2.0
"""The generic Netlink family of the engine, spoken byte by byte.

Numbers of attributes and commands are read in include/rmirror/netlink.h, so
that they are written down once."""

import os
import pathlib
import re
import socket
import struct

HEADER = (pathlib.Path(__file__).resolve().parents[2]
          / "include" / "rmirror" / "netlink.h").read_text(encoding="utf-8")

NETLINK_GENERIC = 16
GENL_ID_CTRL = 0x10
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2
NLM_F_REQUEST = 1
NLM_F_ACK = 4
NLM_F_DUMP = 0x300
NLMSG_ERROR = 2
NLMSG_DONE = 3
SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
NLMSGERR_ATTR_MSG = 1
NLM_F_ACK_TLVS = 0x200
NLM_F_CAPPED = 0x100
NLA_F_NESTED = 0x8000


def _enum(name):
    """Returns the members of 'enum name', their numbers by their names."""
    body = re.search(r"enum %s \{(.*?)\};" % name, HEADER, re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return {member: number for number, member
            in enumerate(re.findall(r"\w+", body))}


COUNTERS = re.findall(r'RMIRROR_COUNTER\(\w+,\s*"(\w+)"\)', HEADER)
ATTR = _enum("rmirror_attr")
NLA = _enum("rmirror_nla")
CMD = _enum("rmirror_cmd")


class Error(OSError):
    """The kernel refused a request; 'strerror' is what it says besides."""


def attribute(kind, payload):
    """Returns a Netlink attribute with its padding."""
    size = 4 + len(payload)
    return struct.pack("=HH", size, kind) + payload + bytes(-size % 4)


def attributes(data):
    """Returns the attributes in 'data' by their numbers."""
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3fff] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


def session(target, key=None, ttl=None, tos=None, inherit=False, df=False):
    """Returns RMIRROR_NLA_SESSION for a session."""
    if ":" in target:
        words = attribute(ATTR["RMIRROR_ATTR_TARGET_IPV6"],
                          socket.inet_pton(socket.AF_INET6, target))
    else:
        words = attribute(ATTR["RMIRROR_ATTR_TARGET_IPV4"],
                          socket.inet_aton(target))
    if key is not None:
        words += attribute(ATTR["RMIRROR_ATTR_KEY"], struct.pack("!I", key))
    if ttl is not None:
        words += attribute(ATTR["RMIRROR_ATTR_TTL"], bytes([ttl]))
    if tos is not None:
        words += attribute(ATTR["RMIRROR_ATTR_TOS"], bytes([tos]))
    if inherit:
        words += attribute(ATTR["RMIRROR_ATTR_TOS_INHERIT"], b"")
    if df:
        words += attribute(ATTR["RMIRROR_ATTR_DF"], b"")
    return attribute(NLA["RMIRROR_NLA_SESSION"] | NLA_F_NESTED, words)


class Socket:
    """A generic Netlink socket in the network namespace of the caller."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                  NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sequence = 0
        self.family = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def request(self, family, command, payload=b"", flags=NLM_F_ACK):
        """Sends a request and returns the attributes of each answer.  Raises
        Error with the kernel's extended acknowledgement as its text."""
        self.sequence += 1
        message = struct.pack("=BBH", command, 1, 0) + payload
        self.sock.send(struct.pack("=IHHII", 16 + len(message), family,
                                   NLM_F_REQUEST | flags, self.sequence, 0)
                       + message)
        answers = []
        while True:
            data = self.sock.recv(1 << 16)
            while data:
                size, kind, flags_back = struct.unpack_from("=IHH", data)
                body, data = data[16:size], data[(size + 3) & ~3:]
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    code = struct.unpack_from("=i", body)[0]
                    if code:
                        raise self._error(kind, code, body, flags_back)
                    return answers
                answers.append(attributes(body[4:]))

    @staticmethod
    def _error(kind, code, body, flags):
        text = os.strerror(-code)
        if flags & NLM_F_ACK_TLVS:
            skip = 4
            if kind == NLMSG_ERROR:
                quoted = struct.unpack_from("=I", body, 4)[0]
                skip += 16 if flags & NLM_F_CAPPED else quoted
            more = attributes(body[skip + -skip % 4:])
            if NLMSGERR_ATTR_MSG in more:
                text = more[NLMSGERR_ATTR_MSG].rstrip(b"\0").decode()
        return Error(-code, text)

    def rmirror(self, command, payload=b"", flags=NLM_F_ACK):
        """Sends 'command', the end of the name of an RMIRROR_CMD_*."""
        if self.family is None:
            found = self.request(
                GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
                attribute(CTRL_ATTR_FAMILY_NAME, b"rmirror\0"))
            self.family = struct.unpack("=H", found[0][CTRL_ATTR_FAMILY_ID])[0]
        return self.request(self.family, CMD["RMIRROR_CMD_" + command],
                            payload, flags)

    def sessions(self, wanted=None):
        """Returns the sessions, or that which the session() 'wanted' names,
        each as a dictionary: its counters by name, "flows", "target", "key",
        "ttl", "tos", "inherit", "df"."""
        if wanted is None:
            found = self.rmirror("GET", flags=NLM_F_DUMP)
        else:
            found = self.rmirror("GET", wanted)
        return [_session(answer) for answer in found]

    def info(self):
        """Returns sessions, the most there may be, and frames without one."""
        answer = self.rmirror("GET_INFO")[0]
        return (struct.unpack("=I", answer[NLA["RMIRROR_NLA_N_SESSIONS"]])[0],
                struct.unpack("=I",
                              answer[NLA["RMIRROR_NLA_MAX_SESSIONS"]])[0],
                struct.unpack("=Q", answer[NLA["RMIRROR_NLA_NO_SESSION"]])[0])


def _session(answer):
    key = attributes(answer[NLA["RMIRROR_NLA_SESSION"]])
    counters = attributes(answer[NLA["RMIRROR_NLA_COUNTERS"]])
    base = NLA["RMIRROR_NLA_PAD"] + 1
    found = {name: struct.unpack("=Q", counters[base + number])[0]
             for number, name in enumerate(COUNTERS)}
    found["flows"] = struct.unpack("=I", answer[NLA["RMIRROR_NLA_FLOWS"]])[0]
    if ATTR["RMIRROR_ATTR_TARGET_IPV4"] in key:
        found["target"] = socket.inet_ntoa(
            key[ATTR["RMIRROR_ATTR_TARGET_IPV4"]])
    else:
        found["target"] = socket.inet_ntop(
            socket.AF_INET6, key[ATTR["RMIRROR_ATTR_TARGET_IPV6"]])
    for name, default in ("KEY", None), ("TTL", 255), ("TOS", 0):
        value = key.get(ATTR["RMIRROR_ATTR_" + name])
        found[name.lower()] = (default if value is None
                               else int.from_bytes(value, "big"))
    found["inherit"] = ATTR["RMIRROR_ATTR_TOS_INHERIT"] in key
    found["df"] = ATTR["RMIRROR_ATTR_DF"] in key
    return found
