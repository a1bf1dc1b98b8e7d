# SPDX-License-Identifier: Apache-2.0
"""The engine: which bytes it sends for which frame."""

import frames
import wire
from datapath import ENGINE, SENSOR, SENSOR6, SENSOR_B, tiers
from lab import UPLINK_MTU, copies_of, equal
from registry import case

LENGTHS = 0, 14, 60, 96, 1500
SIZES = 60, 96, 97, 1474, 1475, 1476, 1477, 1514, 1518, 4000, 9014


def sized_frames():
    return (frames.mixture() + [frames.udp(size) for size in SIZES]
            + [frames.vlan(7, 1518), frames.double_vlan(5, 6, 1522)])


@case("copies of every protocol and size have every length, to IPv4 and IPv6")
@tiers(*ENGINE)
def lengths(bench):
    sent = sized_frames()
    for target in SENSOR, SENSOR6:
        for length in LENGTHS:
            bench.flows(bench.mirror_action(target, length) + ",2")
            copies_of(bench.mirror(sent),
                      [wire.cut(frame, length) for frame in sent],
                      "copies to %s with len=%d" % (target, length))


@case("len=mtu fills the outer packet and never makes two of it")
@tiers(*ENGINE)
def mtu(bench):
    sent = sized_frames()
    for target, header in (SENSOR, 20), (SENSOR6, 40):
        for key, gre in (None, 4), (9, 8):
            bench.flows(bench.mirror_action(target, "mtu", key) + ",2")
            found = bench.mirror(sent)
            copies_of(found, [frame[:UPLINK_MTU - header - gre]
                              for frame in sent], "copies to " + target)
            equal(max(copy.fragments for copy in found), 1, "fragments")


@case("several targets get each frame once, as long as each wants it")
@tiers(*ENGINE)
def targets(bench):
    bench.flows(",".join((bench.mirror_action(SENSOR, 60),
                          bench.mirror_action(SENSOR_B),
                          bench.mirror_action(SENSOR6, 96, 5), "2")))
    sent = sized_frames()
    found = bench.mirror(sent)
    equal(len(found), 3 * len(sent), "copies")
    for target, length in (SENSOR, 60), (SENSOR_B, 0), (SENSOR6, 96):
        copies_of([copy for copy in found if copy.dst == target],
                  [wire.cut(frame, length) for frame in sent],
                  "copies to " + target)
