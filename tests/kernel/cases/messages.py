# SPDX-License-Identifier: Apache-2.0
"""Whole Netlink messages, valid ones that are damaged in any place: to Open
vSwitch about flows and packets with the action, and to the engine about
sessions."""

import contextlib
import copy
import errno
import socket
import struct

import frames
import genl
import inputs
import odp
from datapath import ENGINE, SENSOR, SENSOR6, tiers
from genl import NLA, NLA_F_NESTED, attribute
from kernel.action import (PLACES, canonical, held, parsed, some_payload,
                           sockets)
from lab import check, copies_of, equal, until
from odp import ACTION, FLOW, KEY, PACKET, field, target
from registry import case

FRAMES = frames.mixture()
LIMITS = (0, 1, 3, 4, 5, 13, 14, 255, 256, 4095, 32767, 32768, 65535, 65536,
          2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1)


class Attribute:
    """A Netlink attribute: its payload is bytes, or other attributes."""

    def __init__(self, kind, payload=b""):
        self.kind = kind
        self.payload = payload
        self.size = None            # What it says, if that is a lie.

    def encoded(self):
        payload = (self.payload if isinstance(self.payload, bytes)
                   else b"".join(one.encoded() for one in self.payload))
        size = 4 + len(payload)
        return (struct.pack("=HH", (size if self.size is None else self.size)
                            & 0xffff, self.kind & 0xffff)
                + payload + bytes(-size % 4))

    def lists(self):
        """Yields each list of attributes in this one."""
        if isinstance(self.payload, list):
            yield self.payload
            for one in self.payload:
                yield from one.lists()


def tree(data, nested):
    """Returns the attributes in 'data' as a list of Attribute.  'nested' tells
    which of them hold others, by their numbers, and which of those do."""
    found = []
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        payload = data[4:size]
        inside = nested.get(kind & 0x3fff)
        found.append(Attribute(kind, payload if inside is None
                               else tree(payload, inside)))
        data = data[(size + 3) & ~3:]
    return found


def damage(rng, attributes):
    """Damages 'attributes', a list of Attribute, in one place."""
    places = [attributes]
    for one in attributes:
        places += one.lists()
    where = rng.choice([place for place in places if place] or [attributes])
    if not where:
        where.append(Attribute(rng.randrange(0x4000)))
        return
    index = rng.randrange(len(where))
    one = where[index]
    what = rng.randrange(12)
    if what == 0:
        del where[index]
    elif what == 1:
        where.insert(rng.randrange(len(where) + 1), copy.deepcopy(one))
    elif what == 2:
        rng.shuffle(where)
    elif what == 3:
        one.size = rng.choice((0, 3, 4, 5, 8, rng.randrange(0x10000), 0xffff))
    elif what == 4:
        one.kind = rng.choice((one.kind ^ 0x8000, one.kind ^ 0x4000,
                               one.kind + 1, one.kind - 1, 0, 500,
                               rng.randrange(40), rng.randrange(0x10000)))
    elif what == 5:
        one.payload = [Attribute(one.kind, one.payload)]
    elif what == 6 and isinstance(one.payload, list):
        where[index:index + 1] = one.payload
    elif what == 7:
        for _ in range(rng.randrange(1, 40)):
            one.payload = [Attribute(one.kind, one.payload)]
    elif what == 8:
        where.append(Attribute(rng.randrange(0x10000),
                               rng.randbytes(rng.randrange(40))))
    elif what == 9:
        # Into another list.
        rng.choice(places).append(where.pop(index))
    elif isinstance(one.payload, bytes) and one.payload:
        payload = bytearray(one.payload)
        kind = rng.randrange(5)
        if kind == 0:
            payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del payload[rng.randrange(len(payload)):]
        elif kind == 2:
            payload += rng.randbytes(rng.choice((1, 3, 4, 12, 200, 5000)))
        elif kind == 3:
            payload[:] = rng.choice(LIMITS).to_bytes(
                max(8, len(payload)), rng.choice(("little", "big")))[
                    :len(payload)]
        else:
            payload[:] = rng.randbytes(len(payload))
        one.payload = bytes(payload)
    else:
        one.payload = rng.randbytes(rng.randrange(20))


# Which attributes hold others.
_RMIRROR = {}
_ACTIONS = {ACTION["RMIRROR"]: _RMIRROR}
_ACTIONS.update({ACTION["CLONE"]: _ACTIONS,
                 ACTION["SAMPLE"]: {odp.SAMPLE["ACTIONS"]: _ACTIONS},
                 ACTION["DEC_TTL"]: {odp.DEC_TTL["ACTION"]: _ACTIONS},
                 ACTION["CHECK_PKT_LEN"]: {
                     odp.CHECK_PKT_LEN["ACTIONS_IF_GREATER"]: _ACTIONS,
                     odp.CHECK_PKT_LEN["ACTIONS_IF_LESS_EQUAL"]: _ACTIONS}})
FLOW_TREE = {FLOW["KEY"]: {}, FLOW["MASK"]: {}, FLOW["ACTIONS"]: _ACTIONS}
PACKET_TREE = {PACKET["KEY"]: {}, PACKET["ACTIONS"]: _ACTIONS}
GENL_TREE = {NLA["RMIRROR_NLA_SESSION"]: {}}


class Sender:
    """Sends Netlink messages of any form and takes in what is answered."""

    def __init__(self, protocol):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.sock.bind((0, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, odp.SO_RCVBUFFORCE, 1 << 23)
        self.sent = self.taken = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def damaged(self, rng, kind, flags, head, attributes):
        """Sends a message whose payload is 'head' and 'attributes', damaged in
        none, one or some places."""
        header = [0, kind, genl.NLM_F_REQUEST | genl.NLM_F_ACK | flags,
                  self.sent & 0xffffffff, 0]
        head = bytearray(head)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 5))):
            if rng.random() < 0.9:
                damage(rng, attributes)
            elif rng.random() < 0.5:
                head[rng.randrange(len(head))] = rng.choice((0, 1, 2, 3, 4, 5,
                                                             255))
            else:
                header[2] ^= 1 << rng.randrange(16)
        payload = bytes(head) + b"".join(one.encoded() for one in attributes)
        dice = rng.random()
        if dice < 0.04:
            payload = payload[:rng.randrange(len(payload) + 1)]
        elif dice < 0.06:
            payload += rng.randbytes(rng.randrange(20))
        header[0] = 16 + len(payload)
        if dice > 0.97:
            header[0] = rng.choice((0, 15, 16, 20, header[0] - 1,
                                    header[0] + 4, 0xffffffff))
        # More than a socket's buffer is for the socket to refuse.
        with contextlib.suppress(OSError):
            self.sock.send(struct.pack("=IHHII", *header) + payload)
        self.sent += 1
        self._answers()

    def _answers(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self.sock.recv(1 << 17, socket.MSG_DONTWAIT)
                if (len(data) >= 20
                        and struct.unpack_from("=H", data, 4)[0]
                        == genl.NLMSG_ERROR):
                    self.taken += not struct.unpack_from("=i", data, 16)[0]


def some_actions(rng):
    """Returns actions that are valid."""
    payload = None
    while payload is None:
        payload = canonical(some_payload(rng))
    return rng.choice(list(PLACES.values()))(
        odp.action("RMIRROR", payload))


def flow_message(rng, flows, sender):
    """Sends a message about a flow."""
    key = (attribute(KEY["IN_PORT"], struct.pack("=I", rng.randrange(2000)))
           + attribute(KEY["ETHERNET"], bytes(12)))
    payload = attribute(FLOW["KEY"], key)
    command = rng.choice(("NEW", "NEW", "NEW", "SET", "GET", "DEL"))
    if command in ("NEW", "SET"):
        payload += attribute(FLOW["MASK"],
                             attribute(KEY["IN_PORT"], b"\xff" * 4)
                             + attribute(KEY["ETHERNET"], bytes(12)))
        payload += attribute(FLOW["ACTIONS"], some_actions(rng))
    if rng.random() < 0.1:
        payload += attribute(FLOW["PROBE"], b"")
    if rng.random() < 0.1:
        payload += attribute(FLOW["UFID"], rng.randbytes(16))
    if rng.random() < 0.05:
        payload += attribute(FLOW["CLEAR"], b"")
    sender.damaged(
        rng, flows.flow_family,
        rng.choice((odp.NLM_F_CREATE, odp.NLM_F_CREATE, 0, genl.NLM_F_DUMP
                    if command == "GET" else 0)),
        struct.pack("=BBH", odp.FLOW_CMD[command], 1, 0) + flows.datapath,
        tree(payload, FLOW_TREE))


def packet_message(rng, flows, sender):
    """Sends a message to execute actions on a packet."""
    frame = rng.choice(FRAMES + [rng.randbytes(rng.randrange(14, 100))])
    payload = (attribute(PACKET["PACKET"], frame)
               + attribute(PACKET["KEY"],
                           attribute(KEY["IN_PORT"],
                                     struct.pack("=I", rng.randrange(4))))
               + attribute(PACKET["ACTIONS"], some_actions(rng)))
    if rng.random() < 0.1:
        payload += attribute(PACKET["PROBE"], b"")
    sender.damaged(
        rng, flows.packet_family, 0,
        struct.pack("=BBH", odp.PACKET_CMD["EXECUTE"], 1, 0) + flows.datapath,
        tree(payload, PACKET_TREE))


def session_message(rng, family, sender):
    """Sends a message about one session or all."""
    command = rng.choice(("GET", "GET", "GET_INFO", "RESET", "FLUSH"))
    payload = b""
    if rng.random() < 0.8:
        payload = genl.session(
            rng.choice((SENSOR, SENSOR6, "203.0.113.9")),
            key=rng.choice((None, 0, 7)), ttl=rng.choice((None, 1, 255)),
            tos=rng.choice((None, 4)), df=rng.random() < 0.5)
    sender.damaged(rng, family,
                   genl.NLM_F_DUMP if rng.random() < 0.1 else 0,
                   struct.pack("=BBH", genl.CMD["RMIRROR_CMD_" + command], 1,
                               0), tree(payload, GENL_TREE))


def judge_actions(data):
    """Checks that each rmirror action in 'data', which came from the kernel, is
    one that is valid, in its only form."""
    def inside(attributes, nested):
        for one in attributes:
            if nested is _ACTIONS and one.kind & 0x3fff == ACTION["RMIRROR"]:
                payload = b"".join(part.encoded() for part in one.payload)
                equal(canonical(payload), payload,
                      "an action in a dump")
            elif isinstance(one.payload, list):
                inside(one.payload, nested[one.kind & 0x3fff])
    inside(tree(data, _ACTIONS), _ACTIONS)


@case("damaged messages about flows, packets and sessions do no harm, and what is taken is valid", 60)
@tiers("native")
def datapath(bench):
    with sockets(bench) as (flows, sessions):
        with bench.switch.entered():
            sender = Sender(genl.NETLINK_GENERIC)
        with sender:
            for rng in inputs.rounds(25):
                for _ in range(100):
                    dice = rng.random()
                    if dice < 0.5:
                        flow_message(rng, flows, sender)
                    elif dice < 0.7:
                        packet_message(rng, flows, sender)
                    else:
                        session_message(rng, sessions.family, sender)
                for data in flows.lists():
                    judge_actions(data)
                flows.delete()
                sessions.sessions()
                for host in bench.hosts:
                    with contextlib.suppress(OverflowError):
                        host.tap.drain()
        until(lambda: not held(sessions), "no flow holds a session")
        sessions.rmirror("FLUSH")
        equal(sessions.info()[0], 0, "sessions that nothing holds")
        bench.note("%d messages, of which %d were taken"
                   % (sender.sent, sender.taken))
        check(sender.taken > sender.sent / 10, "hardly any was taken")
    bench.flows(bench.mirror_action(SENSOR, 60) + ",2")
    sent = frames.mixture()
    copies_of(bench.mirror(sent), [frame[:60] for frame in sent])


@case("of random requests for a session just the valid ones are answered, with that session", 60)
@tiers(*ENGINE)
def requests(bench):
    """The answers are known: there are two sessions."""
    known = {}
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
    bench.flows(",".join((bench.mirror_action(SENSOR, 60, 7, 9, 4, True),
                          bench.mirror_action(SENSOR6, tos="inherit"), "2")))
    bench.mirror([frames.udp()])
    for words in (
            target(SENSOR) + field("KEY", struct.pack("!I", 7))
            + field("TTL", b"\x09") + field("TOS", b"\x04") + field("DF"),
            target(SENSOR6) + field("TOS_INHERIT")):
        known[words] = words
    tried = found = 0
    with bench.netlink() as netlink:
        netlink.rmirror("GET_INFO")
        for rng in inputs.rounds(15):
            for _ in range(100):
                words = tree(rng.choice(list(known)), {})
                for _ in range(rng.randrange(3)):
                    damage(rng, words)
                words = b"".join(one.encoded() for one in words)
                wanted = canonical(words)
                if wanted is not None and {"LEN", "LEN_MTU"} & set(
                        parsed(words)):
                    wanted = None
                request = attribute(NLA["RMIRROR_NLA_SESSION"] | NLA_F_NESTED,
                                    words)
                answer = code = None
                try:
                    answer, = netlink.rmirror("GET", request)
                except genl.Error as error:
                    code = error.errno
                tried += 1
                if wanted in known:
                    check(answer is not None, "no answer to %s: errno %s",
                          words.hex(), code)
                    equal(answer[NLA["RMIRROR_NLA_SESSION"]], wanted,
                          "the session that was asked for")
                    found += 1
                elif wanted is not None:
                    equal(code, errno.ENOENT, "errno for " + words.hex())
                else:
                    check(code in (errno.EINVAL, errno.ERANGE,
                                   errno.EOPNOTSUPP), "errno %s for %s", code,
                          words.hex())
        equal(netlink.info()[0], 2, "sessions")
    bench.note("%d requests, of which %d were valid" % (tried, found))
    check(found > tried / 10, "hardly any was valid")
