# SPDX-License-Identifier: Apache-2.0
"""The way of copies to their collector: neighbours, routes, loops.  Whatever
is missing there, the originals arrive."""

import struct

import backscatter
import frames
import wire
from lab import (CLIENT_MAC, COLLECTOR_MAC, COLLECTOR2_MAC, PHY_MAC, TARGET,
                 TARGET6, TUNNEL, check, copies_of, equal, originals, until)
from registry import case

BEHIND = "203.0.113.9"          # A target behind a router.


def comes_alive(bench, what, collector=None):
    """Sends a frame now and then until the first copy comes, then checks that
    none is missing any more."""
    def copied():
        return bench.mirror([frames.udp()], collector=collector)
    until(copied, what)
    bench.drain()
    sent = [frames.udp() for _ in range(5)]
    found = bench.mirror(sent, collector=collector)
    copies_of(found, sent)
    return found


def asks(bench, wanted):
    """Returns those frames that have come to the collector and in which the
    switch asks for a neighbour, as 'wanted' says."""
    return [frame for frame in bench.collector.tap.drain() if wanted(frame)]


def is_arp_request(frame):
    return (wire.ethertype(frame) == 0x0806 and frame[20:22] == b"\0\1"
            and frame[38:42] == bytes(map(int, TARGET.split("."))))


def is_solicitation(frame):
    return (wire.ethertype(frame) == wire.ETH_P_IPV6 and frame[20] == 58
            and frame[54] == 135)


def holds_udp(frame):
    return wire.ethertype(frame) == wire.ETH_P_IP and frame[23] == 17


def unresolved(bench, target, remove, add, wanted, what):
    bench.ovs.flows("priority=5,udp,actions=rmirror(target=%s),NORMAL"
                    % target, "priority=1,actions=NORMAL")
    bench.collector.namespace.ip(remove)
    try:
        bench.forget_neighbours()
        bench.ovs.settle()
        before = bench.ovs.counter(target, "no_neigh")
        sent = [frames.udp() for _ in range(5)]
        equal(bench.mirror(sent), [], "copies without a neighbour")
        equal(bench.ovs.counter(target, "no_neigh") - before, 5,
              "copies counted as without neighbour")
        # The first question was in what mirror() has read; the switch
        # asks again while nobody answers.
        until(lambda: asks(bench, wanted), "the switch has to send " + what)
    finally:
        bench.collector.namespace.ip(add)
    comes_alive(bench, "copies have to begin when the collector answers "
                + what)


@case("copies begin when an IPv4 collector begins to answer ARP, and until then are counted")
def arp(bench):
    unresolved(bench, TARGET, "addr del %s/24 dev eth0" % TARGET,
               "addr add %s/24 dev eth0" % TARGET, is_arp_request,
               "ARP requests")


@case("copies begin when an IPv6 collector begins to answer Neighbor Discovery")
def neighbour_discovery(bench):
    unresolved(bench, TARGET6, "addr del %s/64 dev eth0" % TARGET6,
               "addr add %s/64 dev eth0 nodad" % TARGET6, is_solicitation,
               "neighbour solicitations")


@case("the switch finds its collectors' MAC addresses without being told")
def resolution(bench):
    for target in TARGET, TARGET6:
        bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % target)
        bench.forget_neighbours()
        bench.ovs.settle()
        found = comes_alive(bench, "copies to %s have to begin" % target)
        check(all(copy.eth[:6] == wire.mac_bytes(COLLECTOR_MAC)
                  for copy in found), "copies go to a wrong MAC address")


@case("copies follow a collector that changes its MAC address")
def neighbour_changes(bench):
    bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % TARGET)
    bench.forget_neighbours()
    bench.ovs.settle()
    comes_alive(bench, "copies have to begin")
    replacement = "02:00:00:00:00:29"
    # An ARP reply to the tunnel's address, as after a fail-over.
    bench.collector.tap.send(
        wire.mac_bytes(PHY_MAC) + wire.mac_bytes(replacement)
        + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2)
        + wire.mac_bytes(replacement) + bytes(map(int, TARGET.split(".")))
        + wire.mac_bytes(PHY_MAC) + bytes(map(int, TUNNEL.split("."))))

    def moved():
        found = bench.mirror([frames.udp()])
        return found and found[0].eth[:6] == wire.mac_bytes(replacement)
    until(moved, "copies have to go to the collector's new MAC address")


@case("without a route originals arrive and drops are counted, and copies begin with the route")
def missing_route(bench):
    bench.ovs.flows("priority=5,udp,actions=rmirror(target=%s),NORMAL"
                    % BEHIND, "priority=1,actions=NORMAL")
    before = bench.ovs.counter(BEHIND, "no_route")
    sent = [frames.udp(), frames.arp(), frames.udp(9000), frames.tcp()]
    equal(bench.mirror(sent), [], "copies without a route")
    equal(bench.ovs.counter(BEHIND, "no_route") - before, 2,
          "copies counted as without route")
    bench.switch.ip("route add 203.0.113.0/24 via %s" % TARGET)
    try:
        found = comes_alive(bench, "copies have to begin with the route")
        equal((found[0].src, found[0].eth[:6]),
              (TUNNEL, wire.mac_bytes(COLLECTOR_MAC)),
              "outer source address and MAC address of the router")
    finally:
        bench.switch.ip("route del 203.0.113.0/24 via %s" % TARGET)
    until(lambda: not bench.mirror([frames.udp()]),
          "copies have to end with the route")


@case("copies follow a route that moves to another uplink")
def route_moves(bench):
    bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % BEHIND)
    bench.switch.ip("route add 203.0.113.0/24 via %s" % TARGET)
    try:
        comes_alive(bench, "copies have to come by the first uplink")
        bench.switch.ip("route replace 203.0.113.0/24 via 198.51.100.9")
        found = comes_alive(bench, "copies have to come by the second uplink",
                            bench.collector2)
        equal((found[0].src, found[0].eth[:6]),
              ("198.51.100.1", wire.mac_bytes(COLLECTOR2_MAC)),
              "outer source address and MAC address of the router")
        equal(bench.collected(), [], "copies at the first uplink")
    finally:
        bench.switch.ip("route del 203.0.113.0/24")
    bench.wait_route(BEHIND, None)


@case("mirroring everything on the bridge with the uplink copies each frame once, never a copy")
def loop_on_uplink_bridge(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=100),NORMAL" % TARGET,
                    bridge="br-phy")
    try:
        sent = [frames.udp(200, src=PHY_MAC, dst=COLLECTOR_MAC,
                           ip_src=TUNNEL, ip_dst=TARGET)
                for _ in range(10)]
        for frame in sent:
            bench.phy.send(frame)
        # Kernels at both ends say something of their own accord: that is
        # copied as well.
        found = bench.collected()
        copies_of([copy for copy in found if holds_udp(copy.frame)],
                  [frame[:100] for frame in sent])
        check(not any(wire.holds_gre(copy.frame) for copy in found),
              "a copy was copied")
        check(len(found) < 40, "%d copies of %d frames", len(found), len(sent))
        bench.collected()
        check(len(bench.collected()) < 10, "copies go round")
    finally:
        bench.ovs.flows("actions=NORMAL", bridge="br-phy")


@case("copies made on one bridge are not copied again on the bridge of the uplink")
def loop_across_bridges(bench):
    bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % TARGET)
    bench.ovs.flows("actions=rmirror(target=%s,key=1),NORMAL" % TARGET,
                    bridge="br-phy")
    try:
        sent = [frames.udp() for _ in range(5)]
        found = bench.mirror(sent)
        copies_of([copy for copy in found if copy.key is None], sent)
        check(not any(wire.holds_gre(copy.frame) for copy in found),
              "a copy was copied")
        check(len(found) < 40, "%d copies of %d frames", len(found), len(sent))
    finally:
        bench.ovs.flows("actions=NORMAL", bridge="br-phy")


@case("GRE/TEB to or from the target is not copied to it, other GRE is")
def foreign_gre(bench):
    bench.ovs.flows("priority=5,ip,actions=rmirror(target=%s,len=64),NORMAL"
                    % TARGET, "priority=1,actions=NORMAL")
    before = bench.ovs.counter(TARGET, "loop")
    inner = frames.udp()
    loops = [frames.gre("10.0.0.1", TARGET, inner),
             frames.gre("10.0.0.1", TARGET, inner, key=5),
             frames.gre(TARGET, "10.0.0.2", inner)]
    others = [frames.gre("10.0.0.1", "10.0.0.2", inner),
              frames.gre("10.0.0.1", TARGET, inner[14:], proto=0x0800),
              frames.udp(ip_dst=TARGET)]
    found = bench.mirror(loops + others)
    copies_of(found, [frame[:64] for frame in others])
    equal(bench.ovs.counter(TARGET, "loop") - before, 3,
          "copies counted as loops")


@case("a copy inside another host's copy is not copied again")
def nested_gre(bench):
    bench.ovs.flows("priority=5,ip,actions=rmirror(target=%s),NORMAL" % TARGET,
                    "priority=1,actions=NORMAL")
    inside = frames.gre("10.0.0.7", TARGET, frames.udp())
    sent = [frames.gre("10.0.0.1", "10.0.0.2", inside)]
    equal(bench.mirror(sent), [], "copies of a copy within GRE")


@case("a collector that floods the host with ICMP errors about its copies, and with GRE of every form, changes nothing", 60)
def backscattered(bench):
    bench.ovs.flows("actions=rmirror(target=%s),rmirror(target=%s,key=6),NORMAL"
                    % (TARGET, TARGET6))
    try:
        sent = [frames.udp(), frames.tcp(), frames.arp()]
        bench.mirror(sent)
        bench.send(bench.client, sent)
        bench.arrive(bench.client, bench.server)
        seen = [frame for frame in bench.seen() if wire.holds_gre(frame)]
        hostile = [frame for version in (wire.ETH_P_IP, wire.ETH_P_IPV6)
                   for frame in backscatter.frames(next(
                       copy for copy in seen
                       if wire.ethertype(copy) == version), sent[0])]
        bench.drain()
        for index, frame in enumerate(hostile, 1):
            bench.collector.tap.send(frame)
            if index % 50 and index < len(hostile):
                continue
            found = bench.mirror(sent)
            for target in TARGET, TARGET6:
                copies_of([copy for copy in found if copy.dst == target],
                          sent, "copies to %s after %d frames"
                          % (target, index))
        bench.note("%d frames" % len(hostile))
        for host in bench.client, bench.server, bench.third:
            equal([frame for frame in host.tap.drain()
                   if not wire.is_marker(frame) and frame not in sent], [],
                  "frames at the port " + host.port)
    finally:
        # What the host believes of the path's MTU.
        for family in "-4", "-6":
            bench.switch.run("ip", family, "route", "flush", "cache")


@case("links that come and go on the host cost no copy", 30)
def link_events(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=60),NORMAL" % TARGET)
    sent = []
    for number in range(40):
        bench.switch.ip("link add busy type veth peer name busy2",
                        "link set busy up",
                        "addr add 10.77.0.%d/32 dev busy" % (number + 1))
        for command in ("link set busy2 up", "link del busy"):
            burst = [frames.udp() for _ in range(5)]
            bench.send(bench.client, burst)
            sent += burst
            bench.switch.ip(command)
    originals(bench.arrive(bench.client, bench.server), sent)
    copies_of(bench.collected(), [frame[:60] for frame in sent])


@case("when the uplink goes down the originals stay complete")
def uplink_goes_down(bench):
    bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % TARGET)
    sent = [frames.udp()]
    copies_of(bench.mirror(sent), sent)
    bench.switch.ip("link set uplink down")
    try:
        sent = frames.mixture() + [frames.udp(9000)]
        bench.send(bench.client, sent)
        originals(bench.arrive(bench.client, bench.server), sent)
    finally:
        bench.switch.ip("link set uplink up")
    comes_alive(bench, "copies have to come again")


@case("a target on the bridge itself gets its copies without a loop")
def target_behind_own_bridge(bench):
    # The sensor is a host behind br0: the tunnel leaves by br0's own port.
    bench.switch.ip("link set br0 up", "addr add 192.0.3.1/24 dev br0",
                    "neigh add 192.0.3.3 lladdr 02:00:00:00:00:03 dev br0")
    try:
        bench.wait_route("192.0.3.3", "br0")
        bench.ovs.appctl("tnl/neigh/set", "br0", "192.0.3.3",
                         "02:00:00:00:00:03")
        bench.ovs.flows("actions=rmirror(target=192.0.3.3),NORMAL")
        # The switch learns where the third host is.
        bench.third.tap.send(wire.marker(CLIENT_MAC, bench.third.mac, "here"))
        bench.client.tap.until("here")
        bench.server.tap.drain()
        bench.third.tap.drain()
        sent = frames.mixture() + [frames.udp(1200) for _ in range(10)]
        bench.mirror(sent)
        token = bench.token()
        bench.server.tap.send(wire.marker(bench.third.mac, bench.server.mac,
                                          token))
        found = [copy for copy in wire.copies(bench.third.tap.until(token))
                 if copy.dst == "192.0.3.3" and not wire.is_marker(copy.frame)]
        copies_of([copy for copy in found
                   if copy.frame[6:12] == wire.mac_bytes(CLIENT_MAC)], sent)
        check(len(found) < 2 * len(sent), "%d copies of %d frames", len(found),
              len(sent))
    finally:
        bench.switch.ip("addr del 192.0.3.1/24 dev br0")
