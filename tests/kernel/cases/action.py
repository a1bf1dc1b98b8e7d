# SPDX-License-Identifier: Apache-2.0
"""The action in the kernel's openvswitch: what it takes from userspace, what
it gives back, and where it may stand."""

import contextlib
import errno
import ipaddress
import struct

import frames
import genl
import inputs
import odp
import wire
from datapath import DATAPATH, SENSOR, SENSOR6, SENSOR_B
from genl import ATTR, attribute
from lab import CLIENT_MAC, SERVER_MAC, check, copies_of, equal, until
from odp import (action, check_pkt_len, clone, dec_ttl, field, output, rmirror,
                 sample, target)
from registry import case

CLIENT, SERVER = 1, 2           # Ports.
REFUSED = errno.EINVAL, errno.ERANGE

# Not in a test's own way: a session whose references are counted.
HELD = rmirror(target(SENSOR), field("KEY", struct.pack("!I", 77)))


def native(function):
    function.tiers = ("native",)
    return function


@contextlib.contextmanager
def sockets(bench):
    """Gives a socket for the flows and one for the sessions, without any of
    these; and checks in the end that no flow is left that holds a session."""
    with bench.switch.entered():
        flows, sessions = odp.Socket(DATAPATH), genl.Socket()
    with flows, sessions:
        sessions.rmirror("FLUSH")
        equal(sessions.info()[0], 0, "sessions at the start")
        yield flows, sessions
        bench.dpctl("del-flows", DATAPATH)
        until(lambda: not held(sessions),
              "flows that are deleted let their sessions go")
        sessions.rmirror("FLUSH")
        equal(sessions.info()[0], 0, "sessions that nothing holds")


def held(sessions):
    """Returns how many actions of flows hold a session."""
    return sum(session["flows"] for session in sessions.sessions())


def put(flows, actions, port=CLIENT):
    equal(flows.errors([flows.put(port, actions)]), [0], "errno of a flow")


def number(value):
    return struct.pack("=I", value)


VALID = {
    "an IPv4 target": target(SENSOR),
    "an IPv6 target": target(SENSOR6),
    "the shortest len": target(SENSOR) + field("LEN", number(14)),
    "the longest len": target(SENSOR) + field("LEN", number(65535)),
    "len=mtu": target(SENSOR6) + field("LEN_MTU"),
    "a key of 0": target(SENSOR) + field("KEY", bytes(4)),
    "ttl 1": target(SENSOR) + field("TTL", b"\1"),
    "tos 255": target(SENSOR) + field("TOS", b"\xff"),
    "tos=inherit": target(SENSOR) + field("TOS_INHERIT"),
    "df": target(SENSOR) + field("DF"),
    "everything": (target(SENSOR6) + field("LEN", number(96))
                   + field("KEY", b"\xff\xff\xff\xff") + field("TTL", b"\x07")
                   + field("TOS", b"\x2e") + field("DF")),
}

IPV4 = target(SENSOR)
MALFORMED = {
    "nothing": b"",
    "no target": field("LEN", number(96)),
    "two targets": target(SENSOR) + target(SENSOR6),
    "the same target twice": target(SENSOR) * 2,
    "two targets of one kind": target(SENSOR) + target(SENSOR_B),
    "len twice": IPV4 + field("LEN", number(96)) * 2,
    "df twice": IPV4 + field("DF") * 2,
    "len and len=mtu": IPV4 + field("LEN", number(96)) + field("LEN_MTU"),
    "tos and tos=inherit": IPV4 + field("TOS", b"\1") + field("TOS_INHERIT"),
    "an IPv4 target of 3 bytes": field("TARGET_IPV4", b"\xc6\x12\0"),
    "an IPv4 target of 5 bytes": field("TARGET_IPV4", b"\xc6\x12\0\x09\0"),
    "an IPv4 target of 16 bytes": field("TARGET_IPV4", bytes(12) + b"\1" * 4),
    "an IPv6 target of 4 bytes": field("TARGET_IPV6", b"\xc6\x12\0\x09"),
    "an IPv6 target of 17 bytes": field("TARGET_IPV6", b"\x20" * 17),
    "an empty target": field("TARGET_IPV4"),
    "len of 65536": IPV4 + field("LEN", number(65536)),
    "len of 2^32 - 1": IPV4 + field("LEN", number(0xffffffff)),
    "len of 2 bytes": IPV4 + field("LEN", b"\x60\0"),
    "len of 8 bytes": IPV4 + field("LEN", b"\x60" + bytes(7)),
    "len=mtu with a value": IPV4 + field("LEN_MTU", number(1)),
    "a key of 8 bytes": IPV4 + field("KEY", bytes(8)),
    "a key of 2 bytes": IPV4 + field("KEY", bytes(2)),
    "an empty key": IPV4 + field("KEY"),
    "ttl 0": IPV4 + field("TTL", b"\0"),
    "ttl of 4 bytes": IPV4 + field("TTL", number(7)),
    "an empty ttl": IPV4 + field("TTL"),
    "tos of 2 bytes": IPV4 + field("TOS", b"\1\0"),
    "tos=inherit with a value": IPV4 + field("TOS_INHERIT", b"\1"),
    "df with a value": IPV4 + field("DF", b"\1"),
    "via, of the userspace datapath": IPV4 + field("VIA", bytes(36)),
    "drop, of the userspace datapath": IPV4 + field("DROP", number(6)),
    "actions, of the userspace datapath":
        IPV4 + field("ACTIONS", output(SERVER)),
    "type 0": IPV4 + attribute(0, b""),
    "a type nobody knows": IPV4 + attribute(ATTR["RMIRROR_ATTR_ACTIONS"] + 1,
                                            number(1)),
    "the largest type": IPV4 + attribute(0x3fff, b""),
    "an attribute that ends behind the action":
        IPV4 + struct.pack("=HH", 12, ATTR["RMIRROR_ATTR_LEN"]) + number(96),
    "an attribute shorter than its header":
        IPV4 + struct.pack("=HH", 3, ATTR["RMIRROR_ATTR_DF"]),
    "an attribute of length 0": IPV4 + bytes(4),
    "bytes behind the last attribute": IPV4 + b"\0\0",
    "one byte": b"\x08",
    "target 0.0.0.0": target("0.0.0.0"),
    "target 127.0.0.1": target("127.0.0.1"),
    "target 224.0.0.1": target("224.0.0.1"),
    "target 239.255.255.255": target("239.255.255.255"),
    "target 255.255.255.255": target("255.255.255.255"),
    "target ::": target("::"),
    "target ::1": target("::1"),
    "target ff02::1": target("ff02::1"),
    "target ::ffff:198.18.0.9": target("::ffff:198.18.0.9"),
}
MALFORMED.update(("len of %d" % size, IPV4 + field("LEN", number(size)))
                 for size in range(14))

# What a list with an action in it may be; what stands before a malformed one
# has to be freed.
PLACES = {
    "alone": lambda a: a,
    "between others": lambda a: HELD + a + output(SERVER),
    "in clone": lambda a: clone(HELD, a) + output(SERVER),
    "in the last clone": lambda a: HELD + clone(HELD, a),
    "in sample": lambda a: sample(HELD, a) + output(SERVER),
    "if a packet is longer": lambda a: check_pkt_len(100, HELD + a, HELD),
    "if it is not": lambda a: check_pkt_len(100, HELD, HELD + a),
    "if the TTL is over": lambda a: dec_ttl(HELD, a) + output(SERVER),
    "deep inside": lambda a: clone(HELD, sample(HELD, clone(HELD, a), HELD),
                                   output(SERVER)),
}


@case("what is malformed in any way is refused and changes nothing")
@native
def malformed(bench):
    with sockets(bench) as (flows, sessions):
        before = HELD + output(SERVER)
        put(flows, before)
        frame = frames.udp(100)
        for name, payload in MALFORMED.items():
            bad = action("RMIRROR", payload)
            for place, make in PLACES.items():
                what = "errno of %s %s" % (name, place)
                found = flows.errors(
                    [flows.put(CLIENT, make(bad)),
                     flows.put(SERVER + 1, make(bad)),
                     flows.execute(frame, CLIENT, make(bad))])
                check(all(code in REFUSED for code in found),
                      "%s: found %s", what, [errno.errorcode.get(code, code)
                                             for code in found])
            equal(flows.actions(CLIENT), before, "actions after " + name)
        until(lambda: held(sessions) == 1, "the flow alone holds its session")
        equal(sessions.info()[0], 1, "sessions")
        equal(bench.arrive(), [], "frames that got out")


@case("what is valid is given back byte for byte")
@native
def dumped(bench):
    with sockets(bench) as (flows, sessions):
        for name, payload in VALID.items():
            for place, make in PLACES.items():
                wanted = make(action("RMIRROR", payload))
                put(flows, wanted)
                equal(flows.actions(CLIENT), wanted, name + " " + place)
        until(lambda: held(sessions) == 5, "only the last flow holds sessions")


@case("each action of a flow holds its session, until the flow has others")
@native
def references(bench):
    with sockets(bench) as (flows, sessions):
        put(flows, HELD * 5 + clone(HELD, HELD) + output(SERVER))
        equal(held(sessions), 7, "actions that hold a session")
        put(flows, HELD + sample(HELD), SERVER)
        equal(held(sessions), 9, "actions that hold a session")
        put(flows, output(SERVER))
        until(lambda: held(sessions) == 2, "the first flow lets it go")
        # A flow that does not come about: there is one that it would replace.
        found = flows.errors([flows.put(SERVER, HELD * 3, new=True)])
        equal(found, [errno.EEXIST], "errno")
        until(lambda: held(sessions) == 2, "a refused flow holds nothing")
        sessions.rmirror("FLUSH")
        equal(sessions.info()[0], 1, "sessions that a flow holds")


@case("a probe is answered and leaves no session behind")
@native
def probe(bench):
    with sockets(bench) as (flows, sessions):
        bad = HELD + rmirror(target("::1"))
        found = flows.errors(
            [flows.put(CLIENT, HELD, probe=True),
             flows.put(CLIENT, bad, probe=True),
             flows.execute(frames.udp(60), CLIENT, bad, probe=True)])
        equal(found, [0, errno.EINVAL, errno.EINVAL], "errno")
        equal(flows.actions(CLIENT), HELD, "actions of the probe")
        equal(sessions.info()[0], 0, "sessions")


@case("a deleted datapath lets all sessions go")
@native
def deleted(bench):
    with sockets(bench) as (flows, sessions):
        bench.dpctl("add-dp", "rm1")
        with bench.switch.entered():
            other = odp.Socket("rm1")
        with other:
            put(other, HELD * 3)
        put(flows, HELD)
        equal(held(sessions), 4, "actions that hold a session")
        bench.dpctl("del-dp", "rm1")
        until(lambda: held(sessions) == 1, "the datapath's are gone")


@case("a copy is taken in clone, sample, check_pkt_len, ct and recirculation")
@native
def places(bench):
    mirror = "rmirror(target=%s,len=64)" % SENSOR
    sent = [frames.udp(size) for size in (64, 200, 1400)]
    wanted = [frame[:64] for frame in sent]
    # More levels than openvswitch executes at once: the rest is deferred.
    deep = mirror + ",2"
    for level in range(6):
        deep = "clone(set(eth(src=02:00:00:00:00:%02x)),%s)" % (
            level, deep if level else mirror)
    for actions in ("clone(%s),2" % mirror,
                    "2,clone(%s)" % mirror,
                    "sample(sample=100%%,actions(%s)),2" % mirror,
                    "check_pkt_len(size=300,gt(%s),le(%s)),2"
                    % (mirror, mirror),
                    "2,%s" % mirror,
                    "%s,2" % mirror):
        bench.flows(actions)
        copies_of(bench.mirror(sent), wanted, "copies of " + actions)

    bench.flows(deep + ",2")
    found = bench.mirror(sent)
    equal([copy.frame[:6] + copy.frame[12:] for copy in found],
          [frame[:6] + frame[12:] for frame in wanted],
          "copies without their source, six levels down")

    bench.dpctl("del-flows", DATAPATH)
    bench.dpctl("add-flow", DATAPATH, "recirc_id(0),in_port(1),eth()",
                "recirc(7)")
    bench.dpctl("add-flow", DATAPATH, "recirc_id(7),in_port(1),eth()",
                mirror + ",2")
    copies_of(bench.mirror(sent), wanted, "copies behind recirculation")

    bench.dpctl("del-flows", DATAPATH)
    bench.dpctl("add-flow", DATAPATH,
                "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)",
                "ct(zone=5),%s,recirc(8)" % mirror)
    bench.dpctl("add-flow", DATAPATH,
                "recirc_id(8),in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)",
                "2")
    bench.send(sent)
    bench.dpctl("add-flow", DATAPATH,
                "recirc_id(0),in_port(1),eth(),eth_type(0x88b5)", "2")
    copies_of(bench.collected(), wanted, "copies behind ct")
    equal(bench.arrive(), sent, "frames behind ct")


@case("the copy is the frame as it stands, and what follows is unchanged")
@native
def stands(bench):
    frame = frames.udp(200)
    mac = wire.mac_bytes("02:00:00:00:00:77")
    changed = frame[:6] + mac + frame[12:]
    tagged = frame[:12] + bytes.fromhex("81000007") + frame[12:]
    mirror = "rmirror(target=%s)" % SENSOR
    bench.flows("%s,set(eth(src=02:00:00:00:00:77)),%s,2" % (mirror, mirror))
    copies_of(bench.mirror([frame], [changed]), [frame, changed])
    bench.flows("%s,push_vlan(vid=7,pcp=0),%s,2" % (mirror, mirror))
    copies_of(bench.mirror([frame], [tagged]), [frame, tagged])
    # A cut, and the metadata of a tunnel, wait for the next output.
    bench.flows("trunc(100),%s,2" % mirror)
    copies_of(bench.mirror([frame], [frame[:100]]), [frame])
    bench.flows("set(tunnel(dst=192.0.2.1,ttl=9,flags())),%s,2" % mirror)
    copy, = copies_of(bench.mirror([frame], [frame]), [frame])
    equal((copy.dst, copy.ttl), (SENSOR, 255), "outer header")


@case("a frame that is only mirrored goes nowhere else")
@native
def last(bench):
    sent = [frames.udp(200), frames.udp6(200)]
    bench.flows("rmirror(target=%s),rmirror(target=%s,len=60)"
                % (SENSOR, SENSOR6))
    bench.send(sent)
    found = bench.collected()
    copies_of([copy for copy in found if copy.dst == SENSOR], sent)
    copies_of([copy for copy in found if copy.dst == SENSOR6],
              [frame[:60] for frame in sent])
    bench.flows("2")
    equal(bench.arrive(), [], "frames")


@case("a packet that userspace executes is mirrored")
@native
def executed(bench):
    frame = frames.udp(300)
    with sockets(bench) as (flows, sessions):
        mirror = rmirror(target(SENSOR), field("LEN", number(60)))
        equal(flows.errors([flows.execute(frame, CLIENT,
                                          clone(mirror) + output(SERVER))]),
              [0], "errno")
        copies_of(bench.collected(), [frame[:60]])
        until(lambda: not held(sessions), "its actions hold nothing")
        put(flows, output(SERVER))
        equal(bench.arrive(), [frame], "frames")


@case("a packet without an Ethernet header is not mirrored")
@native
def no_ethernet(bench):
    macs = wire.mac_bytes(CLIENT_MAC) + wire.mac_bytes(SERVER_MAC)
    pop, push = action("POP_ETH"), action("PUSH_ETH", macs)
    mirror = rmirror(target(SENSOR))
    frame = frames.udp(100)
    with sockets(bench) as (flows, _):
        found = flows.errors([flows.put(CLIENT, pop + mirror + push)])
        equal(found, [errno.EINVAL], "errno without an Ethernet header")
        put(flows, pop + clone(mirror) + push + output(SERVER))
        equal(bench.mirror([frame]), [], "copies without an Ethernet header")
        put(flows, pop + push + mirror + output(SERVER))
        copies_of(bench.mirror([frame]), [frame])


# A second opinion on what is valid, and a great many cases of it.

SIZES = {"TARGET_IPV4": 4, "TARGET_IPV6": 16, "LEN": 4, "LEN_MTU": 0, "KEY": 4,
         "TTL": 1, "TOS": 1, "TOS_INHERIT": 0, "DF": 0}
NAMES = {ATTR["RMIRROR_ATTR_" + name]: name for name in SIZES}


def parsed(payload):
    """Returns the fields in 'payload' by their names, or None if it is
    malformed."""
    found = {}
    while len(payload) >= 4:
        size, kind = struct.unpack_from("=HH", payload)
        name = NAMES.get(kind & 0x3fff)
        if not 4 <= size <= len(payload) or name is None or name in found:
            return None
        found[name] = payload[4:size]
        if len(found[name]) != SIZES[name]:
            return None
        payload = payload[(size + 3) & ~3:]
    return None if payload else found


def is_unicast(fields):
    if "TARGET_IPV4" in fields:
        address = ipaddress.IPv4Address(fields["TARGET_IPV4"])
        return not (address.is_unspecified or address.is_loopback
                    or address.is_multicast
                    or address == ipaddress.IPv4Address("255.255.255.255"))
    address = ipaddress.IPv6Address(fields["TARGET_IPV6"])
    return not (address.is_unspecified or address.is_loopback
                or address.is_multicast or address.ipv4_mapped)


def canonical(payload):
    """Returns 'payload' as a dump has it, or None if it is malformed."""
    fields = parsed(payload)
    if (fields is None
            or ("TARGET_IPV4" in fields) == ("TARGET_IPV6" in fields)
            or {"LEN", "LEN_MTU"} <= fields.keys()
            or {"TOS", "TOS_INHERIT"} <= fields.keys()
            or not is_unicast(fields)
            or fields.get("TTL") == b"\0"):
        return None
    length = struct.unpack("=I", fields["LEN"])[0] if "LEN" in fields else 14
    if not 14 <= length <= 65535:
        return None
    if fields.get("TTL") == b"\xff":
        del fields["TTL"]
    if fields.get("TOS") == b"\0":
        del fields["TOS"]
    return b"".join(field(name, fields[name]) for name in SIZES
                    if name in fields)


def interesting(rng, size):
    """Returns 'size' bytes that are often a limit of something."""
    return rng.choice((
        rng.randbytes(size), rng.randbytes(size), bytes(size), b"\xff" * size,
        rng.choice((13, 14, 96, 65535, 65536)).to_bytes(8, "little")[:size],
        (b"\xc6\x12\x00" + rng.randbytes(20))[:size],
        (b"\x20\x01\x0d\xb8" + rng.randbytes(20))[:size],
        rng.choice((b"\x7f", b"\xe0", b"\xff", b"\0")) + rng.randbytes(20)
    ))[:size].ljust(size, b"\0")


def some_payload(rng):
    """Returns something between a valid action and noise."""
    dice = rng.random()
    if dice < 0.05:
        return rng.randbytes(rng.randrange(64))
    names = ["TARGET_IPV4" if rng.random() < 0.6 else "TARGET_IPV6"]
    names += rng.sample(list(SIZES), rng.randrange(4))
    if rng.random() < 0.2:
        rng.shuffle(names)
    payload = b""
    for name in names:
        size = SIZES[name]
        if rng.random() < 0.03:
            size = rng.randrange(20)
        payload += field(name, interesting(rng, size))
    if dice < 0.25:
        damaged = bytearray(payload)
        for _ in range(rng.randrange(1, 4)):
            where = rng.randrange(len(damaged))
            damaged[where] ^= 1 << rng.randrange(8)
        payload = bytes(damaged)
    elif dice < 0.35:
        payload = payload[:rng.randrange(len(payload) + 1)]
    elif dice < 0.4:
        payload += attribute(rng.randrange(0x4000), rng.randbytes(
            rng.randrange(9)))
    return payload


# Flows of their own, one for each action that may be taken.
FIRST_PORT = 1000


@case("of random actions just the valid ones are taken, and given back byte for byte", 60)
@native
def fuzz(bench):
    places = list(PLACES.values())
    frame = frames.udp(60)
    tried = taken = 0
    with sockets(bench) as (flows, sessions):
        flows.delete()
        for rng in inputs.rounds(50):
            requests, verdicts, wanted = [], [], {}
            for port in range(FIRST_PORT, FIRST_PORT + 100):
                payload = some_payload(rng)
                make = rng.choice(places)
                actions = make(action("RMIRROR", payload))
                valid = canonical(payload)
                verdicts.append((payload, valid))
                if rng.random() < 0.25:
                    requests.append(flows.execute(frame, CLIENT, actions))
                else:
                    requests.append(flows.put(port, actions, new=True))
                    if valid is not None:
                        wanted[port] = make(action("RMIRROR", valid))
            for code, (payload, valid) in zip(flows.errors(requests),
                                              verdicts):
                check(code == 0 if valid is not None else code in REFUSED,
                      "errno %d, expected to be %s: %s", code,
                      "refused" if valid is None else "taken", payload.hex())
                taken += valid is not None
            tried += len(requests)
            found = flows.dump()
            for port in wanted.keys() | found.keys():
                equal(found.get(port), wanted.get(port), "actions given back")
            flows.delete()
            bench.server.tap.drain()
            bench.sensor.tap.drain()
        check(tried / 5 < taken < tried * 4 / 5,
              "%d of %d were valid: a bad mixture", taken, tried)
        found, most, _ = sessions.info()
        check(500 < found <= most, "%d sessions, at most %d", found, most)
    bench.note("%d actions, of which %d were valid" % (tried, taken))


@case("lists of actions that are damaged anywhere do no harm", 60)
@native
def damaged_lists(bench):
    places = list(PLACES.values())
    tried = taken = 0
    with sockets(bench) as (flows, _):
        for rng in inputs.rounds(20):
            requests = []
            for _ in range(100):
                actions = bytearray(
                    rng.choice(places)(action("RMIRROR", some_payload(rng))))
                for _ in range(rng.randrange(1, 6)):
                    actions[rng.randrange(len(actions))] = rng.randrange(256)
                requests.append(flows.put(CLIENT, bytes(actions)))
            found = flows.errors(requests)
            tried += len(found)
            taken += found.count(0)
        put(flows, output(SERVER))
        frame = frames.udp(100)
        bench.send([frame])
        equal(bench.arrive(), [frame], "frames")
    bench.note("%d lists, of which %d were valid" % (tried, taken))
