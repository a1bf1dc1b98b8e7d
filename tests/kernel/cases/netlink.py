# SPDX-License-Identifier: Apache-2.0
"""The generic Netlink family of the engine."""

import errno
import struct

import frames
import genl
import unprivileged
from datapath import ENGINE, SENSOR, SENSOR6, tiers
from lab import check, copies_of, equal
from registry import case


def refused(request, code, *words):
    """Checks that the kernel refuses 'request' with 'code' and says why."""
    try:
        request()
    except genl.Error as error:
        equal(errno.errorcode[error.errno], errno.errorcode[code],
              "error (%s)" % error.strerror)
        for word in words:
            check(word in error.strerror, "the kernel says %r, not %r",
                  error.strerror, word)
        return
    check(False, "it has to be refused with %s", errno.errorcode[code])


def used(bench):
    """Makes two sessions, with known counters, and returns those."""
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
    bench.flows(",".join((bench.mirror_action(SENSOR, 60, 7, 9, 4, True),
                          bench.mirror_action(SENSOR6, tos="inherit"), "2")))
    sent = [frames.udp(100), frames.udp(60), frames.arp(), frames.udp(1000)]
    copies_of(bench.mirror(sent), [frame[:60] for frame in sent] + sent)
    # The marker of 60 bytes is mirrored as well.
    return {"copies": 5, "bytes": 300, "orig_bytes": 1280, "truncated": 2}, {
        "copies": 5, "bytes": 1280, "orig_bytes": 1280, "truncated": 0}


FIRST = {"target": SENSOR, "key": 7, "ttl": 9, "tos": 4, "inherit": False,
         "df": True}
SECOND = {"target": SENSOR6, "key": None, "ttl": 255, "tos": 0,
          "inherit": True, "df": False}


def part(whole, names):
    return {name: whole[name] for name in names}


@case("a dump has every session, with what it counted, and nothing else")
@tiers(*ENGINE)
def dump(bench):
    wanted = used(bench)
    with bench.netlink() as netlink:
        sessions = netlink.sessions()
        equal(len(sessions), 2, "sessions")
        for session, counters in (FIRST, wanted[0]), (SECOND, wanted[1]):
            found = [one for one in sessions
                     if part(one, session) == session]
            equal(len(found), 1, "sessions like %s" % session)
            equal(part(found[0], counters), counters, "counters")
            others = {name: value for name, value in found[0].items()
                      if name in genl.COUNTERS and name not in counters}
            check(not any(others.values()), "other counters: %s", others)
            equal(found[0]["flows"],
                  2 * 6 // 2 if bench.tier == "native" else 0,
                  "actions that hold the session")
        equal(netlink.info()[0], 2, "sessions in GET_INFO")


@case("one session is found by all of its fields, and ENOENT is for any other")
@tiers(*ENGINE)
def get(bench):
    wanted = used(bench)
    with bench.netlink() as netlink:
        found = netlink.sessions(genl.session(SENSOR, 7, 9, 4, df=True))
        equal(part(found[0], wanted[0]), wanted[0], "counters")
        equal(part(found[0], FIRST), FIRST, "session")
        found = netlink.sessions(genl.session(SENSOR6, inherit=True))
        equal(part(found[0], wanted[1]), wanted[1], "counters")
        for other in (genl.session(SENSOR, 7, 9, 4),
                      genl.session(SENSOR, 8, 9, 4, df=True),
                      genl.session(SENSOR, None, 9, 4, df=True),
                      genl.session("198.18.0.1", 7, 9, 4, df=True),
                      genl.session(SENSOR6)):
            refused(lambda other=other: netlink.sessions(other), errno.ENOENT)


@case("reset sets the counters of one session or of all to zero")
@tiers(*ENGINE)
def reset(bench):
    wanted = used(bench)
    with bench.netlink() as netlink:
        netlink.rmirror("RESET", genl.session(SENSOR, 7, 9, 4, df=True))
        found = netlink.sessions(genl.session(SENSOR, 7, 9, 4, df=True))[0]
        check(not any(found[name] for name in genl.COUNTERS),
              "counters after a reset: %s", found)
        found = netlink.sessions(genl.session(SENSOR6, inherit=True))[0]
        equal(part(found, wanted[1]), wanted[1], "counters of the other")
        netlink.rmirror("RESET")
        for found in netlink.sessions():
            check(not any(found[name] for name in genl.COUNTERS),
                  "counters after a reset of all: %s", found)
        refused(lambda: netlink.rmirror("RESET", genl.session("198.18.0.1")),
                errno.ENOENT)
        sent = [frames.udp()]
        bench.mirror(sent)
        found = netlink.sessions(genl.session(SENSOR6, inherit=True))[0]
        equal(found["copies"], 2, "copies counted after the reset")


@case("flush forgets the sessions that no flow holds, and resets the others")
@tiers(*ENGINE)
def flush(bench):
    used(bench)
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
        left = netlink.sessions()
        if bench.tier == "native":
            equal(len(left), 2, "sessions that flows hold")
            check(not any(session[name] for session in left
                          for name in genl.COUNTERS),
                  "counters after a flush: %s", left)
            bench.flows("2")
            netlink.rmirror("FLUSH")
        equal(netlink.sessions(), [], "sessions after their flows")


@case("sessions survive the flows that made them, with their counters")
@tiers(*ENGINE)
def survive(bench):
    wanted = used(bench)
    bench.flows("2")
    with bench.netlink() as netlink:
        found = netlink.sessions(genl.session(SENSOR, 7, 9, 4, df=True))[0]
        equal(part(found, wanted[0]), wanted[0], "counters")
        equal(found["flows"], 0, "actions that hold the session")


@case("malformed requests are refused with EINVAL and change nothing")
@tiers(*ENGINE)
def malformed(bench):
    wanted = used(bench)
    nested = genl.NLA["RMIRROR_NLA_SESSION"] | genl.NLA_F_NESTED
    v4 = genl.attribute(genl.ATTR["RMIRROR_ATTR_TARGET_IPV4"],
                        bytes([198, 18, 0, 9]))
    v6 = genl.attribute(genl.ATTR["RMIRROR_ATTR_TARGET_IPV6"], bytes(16))
    with bench.netlink() as netlink:
        for inside in (b"", v4 + v6, v4[:-4],
                       genl.attribute(genl.ATTR["RMIRROR_ATTR_KEY"],
                                      bytes(4)),
                       v4 + genl.attribute(genl.ATTR["RMIRROR_ATTR_KEY"],
                                           bytes(3)),
                       v4 + genl.attribute(genl.ATTR["RMIRROR_ATTR_TTL"],
                                           bytes(1)),
                       v4 + genl.attribute(genl.ATTR["RMIRROR_ATTR_TTL"],
                                           bytes(4)),
                       v4 + genl.attribute(genl.ATTR["RMIRROR_ATTR_LEN"],
                                           struct.pack("=I", 60)),
                       v4 + genl.attribute(genl.ATTR["RMIRROR_ATTR_LEN_MTU"],
                                           b""),
                       v4 + genl.attribute(genl.ATTR["RMIRROR_ATTR_ACTIONS"],
                                           b""),
                       v4 + genl.attribute(len(genl.ATTR) + 5, bytes(4)),
                       v4 + genl.attribute(genl.ATTR["RMIRROR_ATTR_TOS"],
                                           bytes([4]))
                       + genl.attribute(
                           genl.ATTR["RMIRROR_ATTR_TOS_INHERIT"], b""),
                       v4 + bytes(3)):
            request = genl.attribute(nested, inside)
            for command in "GET", "RESET":
                try:
                    netlink.rmirror(command, request)
                except genl.Error as error:
                    check(error.errno in (errno.EINVAL, errno.ERANGE,
                                          errno.EOPNOTSUPP),
                          "%s with %s: %s", command, inside.hex(), error)
                else:
                    check(False, "%s with %s was accepted", command,
                          inside.hex())
        refused(lambda: netlink.rmirror("GET"), errno.EINVAL)
        refused(lambda: netlink.request(netlink.family, 77), errno.EOPNOTSUPP)
        found = netlink.sessions(genl.session(SENSOR, 7, 9, 4, df=True))[0]
        equal(part(found, wanted[0]), wanted[0], "counters")
        equal(netlink.info()[0], 2, "sessions")


@case("without CAP_NET_ADMIN sessions can be read but neither reset nor flushed")
@tiers(*ENGINE)
def permissions(bench):
    wanted = used(bench)

    def attempt():
        verdicts = []
        with genl.Socket() as netlink:
            verdicts.append(str(len(netlink.sessions())))
            for command in "RESET", "FLUSH":
                try:
                    netlink.rmirror(command)
                    verdicts.append("done")
                except genl.Error as error:
                    verdicts.append(errno.errorcode[error.errno])
        return " ".join(verdicts)
    with bench.switch.entered():
        equal(unprivileged.run(attempt), "2 EPERM EPERM", "dump, reset and flush")
    with bench.netlink() as netlink:
        found = netlink.sessions(genl.session(SENSOR, 7, 9, 4, df=True))[0]
        equal(part(found, wanted[0]), wanted[0], "counters")


@case("a network namespace has sessions of its own")
@tiers(*ENGINE)
def namespaces(bench):
    used(bench)
    with bench.client.namespace.entered(), genl.Socket() as netlink:
        equal(netlink.sessions(), [], "sessions in another namespace")
        netlink.rmirror("FLUSH")
    with bench.netlink() as netlink:
        equal(netlink.info()[0], 2, "sessions")


@case("a dump of more sessions than fit into one message is complete")
@tiers(*ENGINE)
def long_dump(bench):
    with bench.netlink() as netlink:
        bench.flows("2")
        netlink.rmirror("FLUSH")
        for first in range(0, 200, 50):
            bench.flows(",".join(bench.mirror_action(SENSOR, 14, key)
                                 for key in range(first, first + 50)) + ",2")
            bench.mirror([frames.udp()])
        equal(sorted(session["key"] for session in netlink.sessions()),
              list(range(200)), "keys of the sessions")
        bench.flows("2")
        netlink.rmirror("FLUSH")
        equal(netlink.info()[0], 0, "sessions after a flush")
