# SPDX-License-Identifier: Apache-2.0
"""What collectors send back: the engine takes in nothing."""

import backscatter
import frames
import wire
from datapath import ENGINE, SENSOR, SENSOR6, tiers
from lab import check, copies_of, equal, originals
from registry import case


@case("a collector that floods the host with ICMP errors about its copies, and with GRE of every form, changes nothing", 60)
@tiers(*ENGINE)
def flood(bench):
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
    mirror = ",".join((bench.mirror_action(SENSOR, 0, 7),
                       bench.mirror_action(SENSOR6, 0)))
    bench.flows(mirror + ",2", mirror + ",1")
    try:
        sent = frames.mixture()
        bench.send(sent)
        originals(bench.arrive(), sent)
        seen = [frame for frame in bench.seen() if wire.holds_gre(frame)]
        hostile = [frame for copy in seen[:6]
                   for frame in backscatter.frames(copy, sent[0])]
        check(len(hostile) > 500, "only %d frames", len(hostile))
        bench.client.tap.drain()
        for index, frame in enumerate(hostile):
            bench.sensor.tap.send(frame)
            if not index % 100:
                copies_of([copy for copy in bench.mirror(sent)
                           if copy.dst == SENSOR], sent)
        bench.note("%d frames" % len(hostile))
        found = bench.mirror(sent)
        for target in SENSOR, SENSOR6:
            copies_of([copy for copy in found if copy.dst == target], sent,
                      "copies to %s afterwards" % target)
        for host in bench.client, bench.server:
            equal([frame for frame in host.tap.drain()
                   if not wire.is_marker(frame)], [],
                  "frames at the port " + host.port)
        # Only what it is asked to send is in the sessions.
        equal(bench.counter("loop"), 0, "copies counted as loops")
        with bench.netlink() as netlink:
            equal(netlink.info()[0], 2, "sessions")
    finally:
        # What the host believes of the path's MTU.
        for family in "-4", "-6":
            bench.switch.run("ip", family, "route", "flush", "cache")
