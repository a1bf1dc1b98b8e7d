# SPDX-License-Identifier: Apache-2.0
"""Whatever fails on the way of the copies, the originals arrive, byte for byte
and all of them."""

import contextlib
import json
import os
import pathlib
import subprocess

import frames
import genl
import inputs
import wire
from datapath import (DATAPATH, ENGINE, SENSOR, SENSOR6, tiers)
from lab import Failure, check, copies_of, equal, originals, until
from registry import case

BEHIND = "203.0.113.9"
DROPS = genl.COUNTERS[genl.COUNTERS.index("no_route"):]


def mixture():
    return frames.mixture() + [frames.udp(9014), frames.udp(1514)]


def lost(bench, action, reason, **fields):
    """Sends frames whose copies have to get lost for 'reason'."""
    bench.flows(action + ",2")
    before = bench.counter(reason, **fields) if reason else 0
    sent = mixture()
    equal(bench.mirror(sent), [], "copies")
    if reason:
        # The marker behind the frames is a frame as well.
        equal(bench.counter(reason, **fields) - before, len(sent) + 1,
              "copies counted as " + reason)


def again(bench, action):
    """Checks that copies come (again)."""
    bench.flows(action + ",2")
    sent = mixture()
    copies_of(bench.mirror(sent), sent)


@case("without a route to the target originals arrive, drops are counted, and copies begin with the route")
@tiers(*ENGINE)
def no_route(bench):
    action = bench.mirror_action(BEHIND)
    lost(bench, action, "no_route", target=BEHIND)
    bench.switch.ip("route add 203.0.113.0/24 via %s" % SENSOR)
    try:
        again(bench, action)
    finally:
        bench.switch.ip("route del 203.0.113.0/24")
    lost(bench, action, "no_route", target=BEHIND)


@case("a target in a blackhole, an unreachable or a prohibited route costs copies only")
@tiers(*ENGINE)
def bad_routes(bench):
    for kind in "blackhole", "unreachable", "prohibit":
        bench.switch.ip("route add %s 203.0.113.0/24" % kind)
        try:
            lost(bench, bench.mirror_action(BEHIND), "no_route", target=BEHIND)
        finally:
            bench.switch.ip("route del 203.0.113.0/24")


@case("a target that answers no ARP and no Neighbor Discovery costs copies only")
def no_neighbour(bench):
    for target in "198.18.0.77", "2001:db8:18::77":
        bench.flows(bench.mirror_action(target) + ",2")
        sent = mixture() * 3
        bench.send(sent)
        originals(bench.arrive(), sent)
        equal(bench.collected(), [], "copies")


@case("copies begin when a silent target begins to answer")
@tiers(*ENGINE)
def neighbour_comes(bench):
    bench.flows(bench.mirror_action("198.18.0.78") + ",2")
    sent = mixture()
    equal(bench.mirror(sent), [], "copies")
    bench.switch.ip("neigh replace 198.18.0.78 lladdr %s dev wire"
                    % bench.sensor.mac)
    bench.collected()
    copies_of(bench.mirror(sent), sent)


@case("an IPv6 target is found again from a device that has no link-local address")
@tiers(*ENGINE)
def no_link_local(bench):
    """Linux asks for a neighbour on behalf of a packet, or from a link-local
    address."""
    def state():
        return bench.switch.run("ip", "neigh", "show", SENSOR6, "dev",
                                "wire").split()[-1]

    def drops():
        return bench.counter("no_neigh", target=SENSOR6)

    again(bench, bench.mirror_action(SENSOR6))
    sent = mixture()
    sensor = bench.sensor.namespace
    bench.switch.ip("addr flush dev wire scope link")
    try:
        # Nobody has asked.
        before = drops()
        bench.switch.ip("neigh replace %s dev wire nud failed" % SENSOR6)
        copies_of(bench.mirror(sent), sent)
        equal(drops(), before, "drops while the target answers")

        # Nobody answers: a copy has asked, the next ones ask and are counted.
        sensor.ip("addr del %s/64 dev eth0" % SENSOR6)
        bench.switch.ip("neigh replace %s dev wire nud failed" % SENSOR6)
        for _ in range(3):
            before = drops()
            equal(bench.mirror(sent), [], "copies")
            until(lambda: state() == "FAILED", "the neighbour has to fail", 30)
        # The marker behind the frames is a frame as well.
        equal(drops() - before, len(sent) + 1, "copies counted as no_neigh")

        # Somebody answers again.
        sensor.ip("addr add %s/64 dev eth0 nodad" % SENSOR6)
        bench.mirror(sent)
        equal(state(), "REACHABLE", "state of the neighbour")
        before = drops()
        copies_of(bench.mirror(sent), sent)
        equal(drops(), before, "drops when the target answers again")
    finally:
        sensor.ip("addr replace %s/64 dev eth0 nodad" % SENSOR6)
        bench.switch.ip("link set wire down")
        bench.uplink()


@case("copies follow a target that changes its MAC address")
@tiers(*ENGINE)
def neighbour_changes(bench):
    again(bench, bench.mirror_action(SENSOR))
    bench.switch.ip("neigh replace %s lladdr 02:00:00:00:00:29 dev wire nud "
                    "permanent" % SENSOR)
    try:
        sent = mixture()
        found = bench.mirror(sent)
        copies_of(found, sent)
        equal({copy.eth[:6].hex(":") for copy in found},
              {"02:00:00:00:00:29"}, "MAC address that the copies go to")
    finally:
        bench.uplink()


@case("while the uplink is down originals arrive, and copies come again when it is up")
@tiers(*ENGINE)
def uplink_down(bench):
    for target in SENSOR, SENSOR6:
        action = bench.mirror_action(target)
        again(bench, action)
        bench.switch.ip("link set wire down")
        try:
            sent = mixture()
            bench.send(sent)
            originals(bench.arrive(), sent)
        finally:
            bench.uplink()
        again(bench, action)


@case("while the uplink has no carrier originals arrive")
@tiers(*ENGINE)
def no_carrier(bench):
    action = bench.mirror_action(SENSOR)
    again(bench, action)
    bench.sensor.namespace.ip("link set eth0 down")
    try:
        sent = mixture()
        bench.send(sent)
        originals(bench.arrive(), sent)
    finally:
        bench.sensor.namespace.ip(
            "link set eth0 up", "addr replace %s/64 dev eth0 nodad" % SENSOR6)
        with bench.sensor.namespace.entered():
            bench.sensor.tap = wire.Tap("eth0")
    again(bench, action)


@case("an uplink whose MTU shrinks and grows again cuts or fragments the copies")
@tiers(*ENGINE)
def mtu_changes(bench):
    fit = bench.mirror_action(SENSOR, "mtu")
    bench.flows(",".join((fit, bench.mirror_action(SENSOR, key=1), "2")))
    sent = mixture()
    try:
        for mtu in 1300, 9100, 1500:
            bench.switch.ip("link set wire mtu %d" % mtu)
            bench.sensor.namespace.ip("link set eth0 mtu %d" % max(mtu, 1500))
            found = bench.mirror(sent)
            copies_of([copy for copy in found if copy.key is None],
                      [frame[:mtu - 24] for frame in sent],
                      "copies with len=mtu at an MTU of %d" % mtu)
            copies_of([copy for copy in found if copy.key == 1], sent,
                      "whole copies at an MTU of %d" % mtu)
    finally:
        bench.sensor.namespace.ip("link set eth0 mtu 1500")
        bench.uplink()


@case("a route with an MTU of its own counts for len=mtu")
@tiers(*ENGINE)
def route_mtu(bench):
    bench.switch.ip("route add 203.0.113.0/24 via %s mtu 1200" % SENSOR)
    try:
        bench.flows(bench.mirror_action(BEHIND, "mtu") + ",2")
        sent = mixture()
        copies_of(bench.mirror(sent), [frame[:1176] for frame in sent])
    finally:
        bench.switch.ip("route del 203.0.113.0/24")


@case("df=true drops and counts what exceeds the MTU, and tells no one by ICMP")
@tiers(*ENGINE)
def dont_fragment(bench):
    for target, room in (SENSOR, 1472), (SENSOR6, 1452):
        bench.flows(bench.mirror_action(target, df=True, key=44) + ",2")
        sent = [frames.udp(size) for size in (60, room, room + 1, 1514, 9014)]
        before = bench.counter("too_big", target=target, key=44)
        copies_of(bench.mirror(sent), sent[:2])
        equal(bench.counter("too_big", target=target, key=44) - before, 3,
              "copies counted as too big")
        equal([frame for frame in bench.client.tap.drain()
               if not wire.is_marker(frame)], [], "what the client was told")


@case("an attempt to unload the module costs no original")
@tiers(*ENGINE)
def unload(bench):
    action = bench.mirror_action(SENSOR, 60)
    bench.flows(action + ",2")
    sent = mixture()
    bench.send(sent)
    done = subprocess.run(["rmmod", "rmirror"], stderr=subprocess.PIPE,
                          text=True, check=False)
    bench.send(sent)
    originals(bench.arrive(), sent + sent)
    with contextlib.suppress(OverflowError):
        bench.sensor.tap.drain()
    if bench.tier == "native":
        check(done.returncode, "the module was unloaded under openvswitch.ko")
    else:
        # A module's devices go with it, as for any kind of device.
        check(not done.returncode, "rmmod: %s", done.stderr)
        bench.make_devices()
        bench.add_devices()
        bench.flows(action + ",2")
    copies_of(bench.mirror(sent), [frame[:60] for frame in sent])


@case("deleting the datapath under traffic leaves a machine that makes a new one")
def datapath_deleted(bench):
    bench.flows(bench.mirror_action(SENSOR, 60) + ",2")
    with bench.traffic():
        bench.dpctl("del-dp", DATAPATH)
    bench.client.tap.drain()
    # ovs-dpctl takes the device of the vport tier away with its datapath.
    with contextlib.suppress(Failure):
        bench.make_devices()
    bench.ports()
    bench.reset()
    bench.flows(bench.mirror_action(SENSOR, 60) + ",2")
    sent = [frames.udp(), frames.tcp()]
    copies_of(bench.mirror(sent), [frame[:60] for frame in sent])


@case("flows that come and go under traffic leak no session", timeout=30)
@tiers(*ENGINE)
def flows_change(bench):
    with bench.traffic():
        for number in range(8):
            bench.flows("%s,%s,2" % (
                bench.mirror_action(SENSOR, 60, 1000 + number),
                bench.mirror_action(SENSOR6, 0, 1000 + number)))
    bench.flows("2")
    with bench.netlink() as netlink:
        equal(sum(session["flows"] for session in netlink.sessions()), 0,
              "sessions held by flows that are gone")


@case("when there are as many sessions as may be, new ones are not copied and originals arrive")
@tiers(*ENGINE)
def bound(bench):
    path = "/sys/module/rmirror/parameters/max_sessions"
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
        with open(path, encoding="ascii") as file:
            before = file.read()
        with open(path, "w", encoding="ascii") as file:
            file.write("4")
        try:
            equal(netlink.info()[1], 4, "most sessions")
            refused = netlink.info()[2]
            bench.flows(",".join(bench.mirror_action(SENSOR, 60, key)
                                 for key in range(6)) + ",2")
            sent = mixture()
            found = bench.mirror(sent)
            equal(sorted({copy.key for copy in found}), [0, 1, 2, 3],
                  "keys of the sessions there was room for")
            equal(len(found), 4 * len(sent), "copies")
            equal(netlink.info()[0], 4, "sessions")
            equal(netlink.info()[2] - refused, 2 * (len(sent) + 1),
                  "frames for which there was no session")
        finally:
            with open(path, "w", encoding="ascii") as file:
                file.write(before)
            bench.flows("2")
            netlink.rmirror("FLUSH")


# Sends numbered frames until it has read a line, and says how many.
NUMBERED = """
import select, socket, sys, time
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("eth0", 0))
frame = bytes.fromhex(sys.argv[1])
number = 0
while number < 200000 and not select.select([sys.stdin], [], [], 0)[0]:
    sock.send(frame + number.to_bytes(4, "big"))
    number += 1
    time.sleep(0.0002)
print(number)
"""


def ways_to_fail(bench):
    """Returns, by the reasons to drop copies to BEHIND, what brings each about
    and what undoes it."""
    ip = bench.switch.ip

    def filters(what):
        bench.switch.run("iptables-legacy", "-w", what, "OUTPUT", "-p", "gre",
                         "-j", "DROP")
    route = "203.0.113.0/24 via %s" % SENSOR
    return {
        "no_route": (lambda: ip("route del " + route),
                     lambda: ip("route add " + route)),
        "xmit": (lambda: filters("-A"), lambda: filters("-D")),
        "too_big": (lambda: ip("link set wire mtu 600"),
                    lambda: ip("link set wire mtu 1500")),
        "link_down": (lambda: bench.sensor.namespace.ip("link set eth0 down"),
                      lambda: bench.sensor.namespace.ip("link set eth0 up")),
    }


@case("whatever fails on the way under traffic, each original arrives, and each packet selected is a copy or a drop that is counted", 60)
@tiers(*ENGINE)
def under_traffic(bench):
    action = bench.mirror_action(BEHIND, df=True, key=5)
    bench.flows(action + ",2")
    bench.switch.ip("route add 203.0.113.0/24 via %s" % SENSOR)
    frame = frames.udp(700)
    arrived = []

    def counted(name):
        # What arrives meanwhile has to fit the buffers.  The sensor's link goes
        # down, which its socket tells.
        arrived.extend(bench.server.tap.drain())
        with contextlib.suppress(OverflowError, OSError):
            bench.sensor.tap.drain()
        return bench.counter(name, target=BEHIND, key=5)

    def counts_on(name):
        before = counted(name)
        until(lambda: counted(name) > before, name + " has to be counted")

    with bench.netlink() as netlink:
        netlink.rmirror("RESET")
    with bench.client.namespace.entered():
        process = subprocess.Popen(
            ["/usr/bin/python3", "-c", NUMBERED, frame.hex()], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for _ in inputs.rounds(2):
            for reason, (fail, mend) in ways_to_fail(bench).items():
                counts_on("copies")
                fail()
                try:
                    counts_on(reason)
                finally:
                    mend()
                if reason == "link_down":
                    bench.uplink()
        number = int(process.communicate("\n", timeout=60)[0])
        arrived += bench.arrive()
        equal(sorted(arrived),
              [frame + index.to_bytes(4, "big") for index in range(number)],
              "originals")
        figures = {name: value for name, value in (
            (name, counted(name)) for name in ("copies", *DROPS)) if value}
        # The marker is a frame as well.
        equal(sum(figures.values()), number + 1, "copies and drops: %s"
              % figures)
        bench.note("%d frames: %s" % (number, figures))
    finally:
        process.kill()
        process.communicate()
        with contextlib.suppress(Failure):
            bench.switch.ip("route del 203.0.113.0/24")
        bench.sensor.namespace.ip("link set eth0 up",
                                  "addr replace %s/64 dev eth0 nodad"
                                  % SENSOR6)
        with bench.sensor.namespace.entered():
            bench.sensor.tap = wire.Tap("eth0")
        bench.uplink()


@case("copies and their conntrack, marks and priorities are none of the original's")
@tiers(*ENGINE)
def untracked(bench):
    rules = ["iptables-legacy", "-w"]
    bench.switch.run(*rules, "-t", "filter", "-A", "OUTPUT", "-p", "gre", "-m",
                     "conntrack", "!", "--ctstate", "UNTRACKED", "-j", "DROP")
    try:
        again(bench, bench.mirror_action(SENSOR))
        shown = bench.switch.run(*rules, "-t", "filter", "-L", "OUTPUT", "-v",
                                 "-x", "-n")
        check(" 0 " in shown.splitlines()[2][:12],
              "copies are tracked: %s", shown)
    finally:
        bench.switch.run(*rules, "-t", "filter", "-F", "OUTPUT")


@case("a packet filter that drops the copies costs copies only")
@tiers(*ENGINE)
def filtered(bench):
    rules = ["iptables-legacy", "-w", "-t", "filter"]
    bench.switch.run(*rules, "-A", "OUTPUT", "-p", "gre", "-j", "DROP")
    try:
        lost(bench, bench.mirror_action(SENSOR, 60), None)
    finally:
        bench.switch.run(*rules, "-F", "OUTPUT")
    again(bench, bench.mirror_action(SENSOR))


@case("a target moved to another uplink is followed")
@tiers(*ENGINE)
def uplink_moves(bench):
    action = bench.mirror_action(BEHIND)
    bench.switch.ip("route add 203.0.113.0/24 via %s" % SENSOR,
                    "link add other type dummy",
                    "link set other up", "addr add 198.19.0.1/24 dev other",
                    "neigh replace 198.19.0.2 lladdr 02:00:00:00:00:77 dev "
                    "other nud permanent")
    try:
        again(bench, action)
        bench.switch.ip("route replace 203.0.113.0/24 via 198.19.0.2")
        sent = mixture()
        equal(bench.mirror(sent), [], "copies at the first uplink")
        found = json.loads(bench.switch.run("ip", "-j", "-s", "link", "show",
                                            "other"))
        # The marker is one more, and the last two frames take 7 and 2 packets.
        equal(found[0]["stats64"]["tx"]["packets"], len(sent) + 1 + 6 + 1,
              "packets at the second uplink")
        bench.switch.ip("link del other",
                        "route replace 203.0.113.0/24 via %s" % SENSOR)
        again(bench, action)
    finally:
        for leftover in "link del other", "route del 203.0.113.0/24":
            with contextlib.suppress(Failure):
                bench.switch.ip(leftover)


@contextlib.contextmanager
def sent_long_way():
    """Gives a function that returns how many IPv6 packets without a socket,
    as copies are, took the long way so far."""
    tracing = pathlib.Path("/sys/kernel/tracing")
    event = tracing / "events/rmirror_test/long_way"

    def write(path, text):
        path.write_text(text + "\n", encoding="ascii")

    write(tracing / "kprobe_events",
          "p:rmirror_test/long_way ip6_local_out socket=$arg2")
    try:
        write(event / "filter", "socket == 0")
        write(event / "enable", "1")
        yield lambda: (tracing / "trace").read_text(
            encoding="ascii").count(" long_way: ")
    finally:
        write(event / "enable", "0")
        write(tracing / "kprobe_events", "")    # Removes all there are.
        write(tracing / "trace", "")


@case("copies take the long way for a packet filter, and not for conntrack")
@tiers(*ENGINE)
def long_way(bench):
    if not os.path.exists("/sys/kernel/tracing/kprobe_events"):
        return "skipped: this kernel has no kprobe events"
    rules = ["ip6tables-legacy", "-w"]
    sent = frames.mixture()
    wanted = [frame[:60] for frame in sent]
    bench.without_filters()
    bench.flows(bench.mirror_action(SENSOR6, 60) + ",2")
    with sent_long_way() as count:
        copies_of(bench.mirror(sent), wanted)
        equal(count(), 0, "copies that took the long way")
        bench.switch.run(*rules, "-A", "OUTPUT", "-p", "gre", "-j", "ACCEPT")
        try:
            copies_of(bench.mirror(sent), wanted)
            check(count() >= len(sent), "%d copies passed the filter", count())
        finally:
            bench.switch.run(*rules, "-F", "OUTPUT")
    return None
