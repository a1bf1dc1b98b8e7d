# SPDX-License-Identifier: Apache-2.0
"""Copies of copies: there are none, whatever is mirrored to whom."""

import frames
import wire
from datapath import DATAPATH, ENGINE, SENSOR, SENSOR6, tiers
from lab import COLLECTOR_MAC, check, copies_of, equal, originals, run
from registry import case


@case("GRE/TEB to or from the target is not copied to it, other GRE is")
@tiers(*ENGINE)
def foreign_gre(bench):
    inner = frames.udp()
    bench.flows(bench.mirror_action(SENSOR, 64) + ",2")
    before = bench.counter("loop", target=SENSOR)
    loops = [frames.gre("10.0.0.1", SENSOR, inner),
             frames.gre("10.0.0.1", SENSOR, inner, key=5),
             frames.gre(SENSOR, "10.0.0.2", inner),
             frames.gre("10.0.0.1", "10.0.0.2",
                        frames.gre("10.0.0.7", SENSOR, inner))]
    others = [frames.gre("10.0.0.1", "10.0.0.2", inner),
              frames.gre("10.0.0.1", SENSOR, inner[14:], proto=0x0800),
              frames.udp(ip_dst=SENSOR)]
    sent = loops + others
    copies_of(bench.mirror(sent), [frame[:64] for frame in others])
    equal(bench.counter("loop", target=SENSOR) - before, len(loops),
          "copies counted as loops")


@case("an uplink on the mirrored bridge and a policy that mirrors everything end in one copy of each frame")
@tiers(*ENGINE)
def uplink_is_a_port(bench):
    mirrors = ",".join(bench.mirror_action(target, 0, key)
                       for target, key in ((SENSOR, None), (SENSOR, 9),
                                           (SENSOR6, None)))
    # The datapath's own port rm0 takes the place of the uplink, which becomes
    # a port: what the stack sends by rm0 is switched to it, and mirrored.
    bench.switch.ip("addr flush dev wire")
    try:
        bench.dpctl("add-if", DATAPATH, "wire,port_no=9")
        bench.switch.ip("link set rm0 address 02:00:00:00:00:11 mtu 1500 up")
        bench.switch.run("sysctl", "-qw", "net.ipv6.conf.rm0.disable_ipv6=0")
        bench.switch.ip(
            "addr add 198.18.0.1/24 dev rm0",
            "addr add 2001:db8:18::1/64 dev rm0 nodad",
            *("neigh replace %s lladdr %s dev rm0 nud permanent"
              % (address, bench.sensor.mac) for address in (SENSOR, SENSOR6)))
        bench.flows(mirrors + ",2")
        for port, actions in (0, mirrors + ",9"), (9, mirrors + ",0"):
            bench.dpctl("add-flow", DATAPATH, "in_port(%d),eth()" % port,
                        actions)
        sent = frames.mixture() + [frames.udp(1400)]
        bench.send(sent)
        originals(bench.arrive(), sent)
        with bench.switch.entered():
            bench.wire = wire.Tap("rm0")
        found = bench.collected()
        mine = [copy for copy in found if copy.frame in sent]
        equal(len(mine), 3 * len(sent), "copies of the frames sent")
        # Kernels say something of their own accord, which is copied as well.
        equal([copy.frame for copy in found if wire.holds_gre(copy.frame)], [],
              "copies of copies")
        check(len(found) < 200, "%d copies of %d frames", len(found),
              len(sent))
        # Nothing goes on by itself.
        bench.collected()
        check(len(bench.collected()) < 30, "copies go round")
    finally:
        bench.dpctl("del-if", DATAPATH, "wire")
        bench.switch.ip("addr flush dev rm0", "link set rm0 down")
        bench.uplink()


@case("two hosts that mirror everything to each other do not feed each other")
@tiers("native")
def two_hosts(bench):
    # The sensor is such a host, too: what comes in by its uplink is mirrored
    # back to this one.
    with bench.sensor.namespace.entered():
        dpctl = [bench.dpctl_path]
        run(["ip", "-batch", "-"],
            "link add inside type dummy\nlink set inside up\n"
            "neigh replace 198.18.0.1 lladdr %s dev eth0 nud permanent\n"
            % "02:00:00:00:00:11")
        run(dpctl + ["add-dp", "rm1"], env=bench.environment)
        run(dpctl + ["add-if", "rm1", "eth0,port_no=1", "inside,port_no=2"],
            env=bench.environment)
        run(dpctl + ["add-flow", "rm1", "in_port(1),eth()",
                     "rmirror(target=198.18.0.1),0"], env=bench.environment)
        run(dpctl + ["add-flow", "rm1", "in_port(0),eth()",
                     "rmirror(target=198.18.0.1),1"], env=bench.environment)
        run(["ip", "-batch", "-"],
            "addr flush dev eth0\naddr add %s/24 dev rm1\nlink set rm1 address "
            "%s up\nneigh replace 198.18.0.1 lladdr %s dev rm1 nud permanent\n"
            % (SENSOR, COLLECTOR_MAC, "02:00:00:00:00:11"))
    try:
        bench.flows(bench.mirror_action(SENSOR) + ",2")
        sent = [frames.udp(200) for _ in range(20)]
        bench.send(sent)
        originals(bench.arrive(), sent)
        found = [copy for copy in wire.copies(bench.sensor.tap.drain())
                 if copy.frame in sent]
        copies_of(found, sent)
        # What the other host says of its own accord is mirrored back, too.
        back = [copy.frame for copy in wire.copies(bench.wire.drain())]
        equal([frame for frame in back if wire.holds_gre(frame)], [],
              "copies of copies that came back")
        check(len(back) < 30, "%d copies came back", len(back))
    finally:
        with bench.sensor.namespace.entered():
            run(dpctl + ["del-dp", "rm1"], env=bench.environment)
            run(["ip", "-batch", "-"],
                "link del inside\naddr replace %s/24 dev eth0\n"
                "addr replace %s/64 dev eth0 nodad\n" % (SENSOR, SENSOR6))
