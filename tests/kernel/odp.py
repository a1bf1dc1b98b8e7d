# SPDX-License-Identifier: Apache-2.0
"""Flows and packets of a kernel datapath, spoken byte by byte, so that what no
ovs-vswitchd would send can be sent.

Numbers are read in linux/openvswitch.h and include/rmirror/netlink.h."""

import contextlib
import os
import pathlib
import re
import select
import socket
import struct

import genl
from genl import ATTR, attribute, attributes

_HEADER = pathlib.Path("/usr/include/linux/openvswitch.h").read_text(
    encoding="utf-8")

NLM_F_CREATE = 0x400
NETLINK_CAP_ACK = 10
SO_RCVBUFFORCE = 33


def _enum(name):
    """Returns the members of 'enum name' as userspace sees them, their numbers
    by their names without the prefix that all of them have."""
    body = re.search(r"enum %s \{(.*?)\n\};" % name, _HEADER, re.S)[1]
    body = re.sub(r"/\*.*?\*/|#ifdef __KERNEL__.*?#endif", "", body,
                  flags=re.S)
    members, number = {}, -1
    for member, value in re.findall(r"(\w+)\s*(?:=\s*(\w+))?\s*(?:,|$)", body):
        number = int(value, 0) if value else number + 1
        members[member] = number
    prefix = os.path.commonprefix([member for member in members
                                   if not member.startswith("__")])
    return {member.removeprefix(prefix): number
            for member, number in members.items()}


DP_CMD = _enum("ovs_datapath_cmd")
DP = _enum("ovs_datapath_attr")
FLOW_CMD = _enum("ovs_flow_cmd")
FLOW = _enum("ovs_flow_attr")
PACKET_CMD = _enum("ovs_packet_cmd")
PACKET = _enum("ovs_packet_attr")
KEY = _enum("ovs_key_attr")
ACTION = _enum("ovs_action_attr")
SAMPLE = _enum("ovs_sample_attr")
CHECK_PKT_LEN = _enum("ovs_check_pkt_len_attr")
DEC_TTL = _enum("ovs_dec_ttl_attr")
ACTION["RMIRROR"] = int(re.search(r"#define RMIRROR_ACTION_ATTR (\d+)",
                                  genl.HEADER)[1])


# Actions.

def action(name, payload=b""):
    return attribute(ACTION[name], payload)


def output(port):
    return action("OUTPUT", struct.pack("=I", port))


def clone(*actions):
    return action("CLONE", b"".join(actions))


def sample(*actions):
    """A sample that takes all packets."""
    return action("SAMPLE", attribute(SAMPLE["PROBABILITY"],
                                      struct.pack("=I", 0xffffffff))
                  + attribute(SAMPLE["ACTIONS"], b"".join(actions)))


def check_pkt_len(size, greater, lesser):
    return action("CHECK_PKT_LEN",
                  attribute(CHECK_PKT_LEN["PKT_LEN"], struct.pack("=H", size))
                  + attribute(CHECK_PKT_LEN["ACTIONS_IF_LESS_EQUAL"], lesser)
                  + attribute(CHECK_PKT_LEN["ACTIONS_IF_GREATER"], greater))


def dec_ttl(*actions):
    """What to do with packets whose TTL is over; the others go on."""
    return action("DEC_TTL", attribute(DEC_TTL["ACTION"], b"".join(actions)))


def field(name, payload=b""):
    """Returns the RMIRROR_ATTR_* called 'name'."""
    return attribute(ATTR["RMIRROR_ATTR_" + name], payload)


def target(address):
    if ":" in address:
        return field("TARGET_IPV6", socket.inet_pton(socket.AF_INET6, address))
    return field("TARGET_IPV4", socket.inet_aton(address))


def rmirror(*fields):
    return action("RMIRROR", b"".join(fields))


# Requests.

def _family(name):
    with genl.Socket() as control:
        found = control.request(
            genl.GENL_ID_CTRL, genl.CTRL_CMD_GETFAMILY,
            attribute(genl.CTRL_ATTR_FAMILY_NAME, name + b"\0"))
    return struct.unpack("=H", found[0][genl.CTRL_ATTR_FAMILY_ID])[0]


def make_datapath(name):
    """Makes a datapath, with the device 'name', in the network namespace of the
    caller."""
    with genl.Socket() as control:
        control.request(_family(b"ovs_datapath"), DP_CMD["NEW"],
                        bytes(4) + attribute(DP["NAME"], name.encode() + b"\0")
                        + attribute(DP["UPCALL_PID"], bytes(4)))


class Socket:
    """A socket for the datapath with the device 'name' in the network
    namespace of the caller."""

    def __init__(self, name):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                  genl.NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.setsockopt(genl.SOL_NETLINK, NETLINK_CAP_ACK, 1)
        # Not for those without privileges, who get few answers.
        with contextlib.suppress(PermissionError):
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
        self.flow_family = _family(b"ovs_flow")
        self.packet_family = _family(b"ovs_packet")
        self.datapath = struct.pack("=I", socket.if_nametoindex(name))
        self.sequence = 0

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def message(self, family, command, payload, flags=0):
        """Returns a request, which asks for an acknowledgement."""
        self.sequence += 1
        body = (struct.pack("=BBH", command, 1, 0) + self.datapath + payload)
        return struct.pack("=IHHII", 16 + len(body), family,
                           genl.NLM_F_REQUEST | genl.NLM_F_ACK | flags,
                           self.sequence, 0) + body

    def put(self, port, actions, probe=False, new=False, label=None):
        """Returns the request for a flow for all that enters by 'port', or for
        MPLS whose first four bytes are 'label', in the place of the one there is
        unless it has to be 'new'.  A probe only asks whether it is possible."""
        key = attribute(KEY["IN_PORT"], struct.pack("=I", port))
        mask = attribute(KEY["IN_PORT"], b"\xff" * 4)
        key += attribute(KEY["ETHERNET"], bytes(12))
        mask += attribute(KEY["ETHERNET"], bytes(12))
        if label is not None:
            key += (attribute(KEY["ETHERTYPE"], b"\x88\x47")
                    + attribute(KEY["MPLS"], label))
            mask += (attribute(KEY["ETHERTYPE"], b"\xff" * 2)
                     + attribute(KEY["MPLS"], b"\xff" * 4))
        return self.message(
            self.flow_family, FLOW_CMD["NEW"],
            attribute(FLOW["KEY"], key) + attribute(FLOW["MASK"], mask)
            + attribute(FLOW["ACTIONS"], actions)
            + (attribute(FLOW["PROBE"], b"") if probe else b""),
            NLM_F_CREATE if new else 0)

    def execute(self, frame, port, actions, probe=False):
        """Returns the request to take 'frame' through 'actions' as if it had
        entered by 'port'."""
        return self.message(
            self.packet_family, PACKET_CMD["EXECUTE"],
            attribute(PACKET["PACKET"], frame)
            + attribute(PACKET["KEY"],
                        attribute(KEY["IN_PORT"], struct.pack("=I", port)))
            + attribute(PACKET["ACTIONS"], actions)
            + (attribute(PACKET["PROBE"], b"") if probe else b""))

    def errors(self, requests):
        """Sends 'requests', at most some hundred, at once.  Returns the errno
        of each, 0 for success."""
        self.sock.send(b"".join(requests))
        wanted = [struct.unpack_from("=I", request, 8)[0]
                  for request in requests]
        found = {}
        while len(found) < len(wanted):
            if not select.select([self.sock], [], [], 10)[0]:
                raise TimeoutError("a request was not acknowledged")
            data = self.sock.recv(1 << 16)
            while data:
                size, kind, _, sequence = struct.unpack_from("=IHHI", data)
                if kind == genl.NLMSG_ERROR:
                    found[sequence] = -struct.unpack_from("=i", data, 16)[0]
                data = data[(size + 3) & ~3:]
        return [found[sequence] for sequence in wanted]

    def actions(self, port):
        """Returns the actions of the flow that put() made for 'port'."""
        key = attribute(FLOW["KEY"],
                        attribute(KEY["IN_PORT"], struct.pack("=I", port))
                        + attribute(KEY["ETHERNET"], bytes(12)))
        flow, = self._get(key)
        return flow[FLOW["ACTIONS"]]

    def dump(self):
        """Returns the actions of all flows by the ports of those, which put()
        made."""
        found = {}
        for flow in self._get(b"", genl.NLM_F_DUMP):
            port = attributes(flow[FLOW["KEY"]])[KEY["IN_PORT"]]
            found[struct.unpack("=I", port)[0]] = flow[FLOW["ACTIONS"]]
        return found

    def lists(self):
        """Returns the actions of all flows, whatever these match."""
        return [flow[FLOW["ACTIONS"]]
                for flow in self._get(b"", genl.NLM_F_DUMP)
                if FLOW["ACTIONS"] in flow]

    def _get(self, payload, flags=0):
        """Yields the attributes of each flow that is asked for."""
        self.sock.send(self.message(self.flow_family, FLOW_CMD["GET"], payload,
                                    flags))
        while True:
            data = self.sock.recv(1 << 17)
            while data:
                size, kind = struct.unpack_from("=IH", data)
                if kind in (genl.NLMSG_ERROR, genl.NLMSG_DONE):
                    code = -struct.unpack_from("=i", data, 16)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return
                yield attributes(data[24:size])
                data = data[(size + 3) & ~3:]

    def delete(self):
        """Deletes all flows."""
        found = self.errors([self.message(self.flow_family, FLOW_CMD["DEL"],
                                          b"")])
        if found != [0]:
            raise OSError(found[0], os.strerror(found[0]))
