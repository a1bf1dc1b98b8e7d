# SPDX-License-Identifier: Apache-2.0
"""len: how much of a frame its copy holds, and copies beyond the MTU."""

import frames
import wire
from lab import (TARGET, TARGET_B, TARGET6, UPLINK_MTU, check, copies_of,
                 equal, until)
from registry import case

SIZES = (60, 61, 63, 64, 65, 128, 1000, 1472, 1475, 1476, 1477, 1499, 1500,
         1513, 1514, 1515, 2000, 4096, 8999, 9000, 9014)
TARGETS = ((TARGET, 20), (TARGET6, 40))


def sized_frames():
    return ([frames.udp(size) for size in SIZES]
            + [frames.udp6(max(size, 62)) for size in SIZES])


def whole_length(length):
    """A test for copies cut to 'length' bytes, to both families of target."""
    def test(bench):
        for target, _ in TARGETS:
            option = "" if length is None else ",len=%d" % length
            bench.ovs.flows("actions=rmirror(target=%s%s),NORMAL"
                            % (target, option))
            sent = sized_frames()
            found = bench.mirror(sent)
            copies_of(found, [wire.cut(frame, length) for frame in sent],
                      "copies to %s" % target)
    return test


case("without len a copy holds the whole frame, from 60 to 9014 bytes")(
    whole_length(None))
for _length, _text in (
        (0, "len=0 keeps the whole frame"),
        (14, "len=14 keeps just the Ethernet header"),
        (15, "len=15 keeps an odd number of bytes"),
        (60, "len=60 cuts every frame to 60 bytes"),
        (1500, "len=1500 cuts what is longer and fragments what does not fit"),
        (65535, "len=65535 keeps the whole frame")):
    case(_text)(whole_length(_length))


@case("len=mtu fills the packet exactly up to the MTU of the way to the target")
def mtu(bench):
    for target, header in TARGETS:
        for option, gre in ("", 4), (",key=1", 8):
            room = UPLINK_MTU - header - gre
            bench.ovs.flows("actions=rmirror(target=%s,len=mtu%s),NORMAL"
                            % (target, option))
            sent = sized_frames() + [frames.udp(room + more)
                                     for more in (-1, 0, 1)]
            found = bench.mirror(sent)
            copies_of(found, [frame[:room] for frame in sent],
                      "copies to %s%s" % (target, option))
            check(all(copy.fragments == 1 for copy in found),
                  "a copy with len=mtu came in fragments")


@case("len=mtu follows a change of the MTU")
def mtu_change(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=mtu),NORMAL" % TARGET)
    sent = [frames.udp(1514)]
    copies_of(bench.mirror(sent), [sent[0][:UPLINK_MTU - 24]])
    try:
        bench.switch.ip("link set uplink mtu 1300", "link set br-phy mtu 1300")

        def shorter():
            return ([len(copy.frame) for copy
                     in bench.mirror([frames.udp(1514)])] == [1276])
        until(shorter, "copies have to be cut to fit an MTU of 1300")
    finally:
        bench.switch.ip("link set uplink mtu %d" % UPLINK_MTU,
                        "link set br-phy mtu %d" % UPLINK_MTU)

    def longer():
        return ([len(copy.frame) for copy
                 in bench.mirror([frames.udp(1514)])] == [1476])
    until(longer, "copies have to be cut to fit an MTU of 1500 again")


@case("a whole 9014-byte frame comes in as many fragments as it needs and no more")
def fragments(bench):
    for target, header in TARGETS:
        bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % target)
        sent = [frames.udp(9014), frames.udp(60), frames.udp(1600)]
        found = copies_of(bench.mirror(sent), sent)
        room = (UPLINK_MTU - header - (8 if header == 40 else 0)) // 8 * 8
        equal([copy.fragments for copy in found],
              [-(-(len(frame) + 4) // room) for frame in sent],
              "fragments of copies to %s" % target)


@case("fragments of two sessions to one target never share an identification")
def fragments_of_two_sessions(bench):
    # Sessions that no packet has met before.
    bench.ovs.flows("actions=rmirror(target=%s,key=100001),"
                    "rmirror(target=%s,key=100002),NORMAL" % (TARGET, TARGET))
    sent = [frames.udp(3000) for _ in range(5)]
    found = bench.mirror(sent)
    equal(len(found), 10, "copies")
    equal(len({copy.header[4:6] for copy in found}), 10,
          "different outer identifications of 10 copies")


@case("df=true drops and counts a copy beyond the MTU, not one that fits")
def too_big(bench):
    for target, header in TARGETS:
        room = UPLINK_MTU - header - 4
        bench.ovs.flows("actions=rmirror(target=%s,df=true,ttl=77),NORMAL"
                        % target)
        before = bench.ovs.counter(target, "too_big", "ttl=77")
        sent = [frames.udp(size) for size in (60, room, room + 1, 1514, 9014)]
        found = bench.mirror(sent)
        copies_of(found, sent[:2])
        equal(bench.ovs.counter(target, "too_big", "ttl=77") - before, 3,
              "copies counted as too big")


@case("len cuts the copy before df=true judges its size")
def cut_then_df(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=100,df=true),NORMAL"
                    % TARGET)
    sent = [frames.udp(9014), frames.udp(1514)]
    copies_of(bench.mirror(sent), [frame[:100] for frame in sent])


@case("the length of a copy has no effect on later outputs and the other way round")
def no_leak(bench):
    bench.ovs.flows(
        "in_port=client,actions=rmirror(target=%s,len=60),"
        "output(port=third,max_len=200),rmirror(target=%s,len=90),"
        "output:server" % (TARGET, TARGET_B), "priority=0,actions=NORMAL")
    sent = [frames.udp(1000), frames.tcp(9014)]
    found = bench.mirror(sent)
    copies_of([copy for copy in found if copy.dst == TARGET],
              [frame[:60] for frame in sent], "copies to the first target")
    copies_of([copy for copy in found if copy.dst == TARGET_B],
              [frame[:90] for frame in sent], "copies to the second target")
    got = [frame for frame in bench.third.tap.drain()
           if not wire.is_marker(frame)]
    equal(got, [frame[:200] for frame in sent], "what max_len=200 let through")


@case("a len from 1 to 13, a target that is no host, and ttl=0 are refused")
def refused(bench):
    for words in ("len=1", "len=13", "len=65536", "ttl=0", "ttl=256",
                  "tos=256", "key=4294967296", "len=some"):
        bench.ovs.ofctl("add-flow", "br0", "priority=9,actions=rmirror("
                        "target=%s,%s)" % (TARGET, words), expect_failure=True)
    for target in ("224.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.1",
                   "ff02::1", "::", "::1", "host"):
        bench.ovs.ofctl("add-flow", "br0", "priority=9,actions=rmirror("
                        "target=%s)" % target, expect_failure=True)
    bench.ovs.ofctl("add-flow", "br0", "priority=9,actions=rmirror(len=60)",
                    expect_failure=True)
    check("priority=9" not in bench.ovs.ofctl("dump-flows", "br0"),
          "a refused flow was installed")
    equal(bench.mirror([frames.udp()]), [], "copies without a flow")
