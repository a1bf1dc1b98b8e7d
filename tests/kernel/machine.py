# SPDX-License-Identifier: Apache-2.0
"""The topology of the end-to-end tests with the kernel's datapath, inside a
guest, and one more collector: the *sensor*, at the far end of a device that is
no port of any bridge, as most uplinks are.

    client, server, third     collector, collector2         sensor
        [br0]                  [br-phy], [br-phy2]     wire 198.18.0.1
                                                         2001:db8:18::1
"""

import pathlib
import time

import lab
import pace
import quiet
import wire

# An emulated processor is that much slower.
SLOWER = 6

# How many packets may wait between the two ends of a veth.  Linux drops what
# is more than 1000 unless told otherwise, and a window of TCP can be more.
BACKLOG = 100000

SENSOR_MAC = "02:00:00:00:00:18"
SENSOR = "198.18.0.9"
SENSOR_B = "198.18.0.10"
SENSOR6 = "2001:db8:18::9"
WIRE = "198.18.0.1"
WIRE6 = "2001:db8:18::1"


# Tests of the userspace datapath that do not fit here: it looks after its
# neighbours itself and counts what gets lost for want of one; the kernel's
# neighbour table queues, asks and drops on its own terms.
NOT_KERNEL = {
    "copies begin when an IPv4 collector begins to answer ARP, and until then "
    "are counted",
    "copies begin when an IPv6 collector begins to answer Neighbor Discovery",
    "copies follow a collector that changes its MAC address",
    # Only that it takes minutes to make them on an emulated processor.
    "two thousand frames of mixed sizes lose neither copy nor original",
}

# Tests that do not depend on the datapath: how the programs read files, speak
# OpenFlow, and answer.
NO_DATAPATH = {
    "SIGHUP makes the controller read its policy again",
    "a policy with an error is refused under traffic, and nothing changes",
    "ovs-rmirrorctl check says where a policy is wrong and accepts a right one",
    "explain agrees with ofproto/trace",
    "explain reads captured packets as it reads their text",
    "every command of ovs-rmirrorctl that prints has JSON",
    "flows of others are left alone in tables that others use, too",
    "against somebody who goes on, repairs slow down and the log says it once",
    "a tap for which no rule stands has no key, and clear leaves none",
    "the daemon lives beside a controller that is master, or is told to be",
    "each version of OpenFlow has the same flows, and none to change",
    "a bridge named by a TCP connection is kept right as well",
    "capture sees copies with a VLAN tag on their way",
    "capture is piped into tshark, and ends with its reader or in time",
    "capture changes nothing, even if it is killed",
    "capture says what it cannot do, and what would work",
}

# Tests that the composed tier cannot pass, see docs/architecture.md: nothing
# counts its copies, and nothing looks into GRE in GRE.
NOT_COMPOSED = {
    "without a route originals arrive and drops are counted, and copies begin "
    "with the route",
    "GRE/TEB to or from the target is not copied to it, other GRE is",
    "a copy inside another host's copy is not copied again",
    # Not about the tier, and slow.
    "links that come and go on the host cost no copy",
    "the switch finds its collectors' MAC addresses without being told",
}

# The files of the end-to-end tests that each tier runs: what translation and
# the way of the copies have to do with. What a copy looks like is for the tests
# of the engine. The composed tier raises lengths, and has its own headers. The
# controller makes no difference between the tiers; its files and commands,
# which the other files of tests are about, make none between datapaths.
FILES = {
    "native": {"outer_header", "selection", "ingress_tap", "egress_tap",
               "delivery", "controller", "reconcile", "explain", "capture"},
    "vport": {"selection", "egress_tap"},
    "composed": {"ingress_tap", "egress_tap", "delivery"},
}


def suits(case, tier):
    """Whether the end-to-end test 'case' is one for 'tier'."""
    return (case.file in FILES[tier]
            and case.name not in NOT_KERNEL | NO_DATAPATH
            and not (tier == "composed" and case.name in NOT_COMPOSED))


def prepare():
    """Has tests take the time, and the kernel the packets, of a guest."""
    pace.slower = SLOWER
    pathlib.Path("/proc/sys/net/core/netdev_max_backlog").write_text(
        str(BACKLOG), encoding="ascii")


def wait_for_processors():
    """Waits until an ovs-vswitchd can be started: it counts the processors every
    10 s, and finds none in the first 10 s of a machine."""
    time.sleep(max(0, 11 - time.monotonic()))


class Lab(lab.Lab):
    datapath_type = "system"
    vswitchd_options = []
    wire_packets = False

    def __init__(self, programs, tier, logs):
        self.tier = tier
        super().__init__(programs, logs)

    def bridges(self):
        self.sensor = lab.Host(self, "wire", SENSOR_MAC, lab.UPLINK_MTU)
        self.switch.run("sysctl", "-qw", "net.ipv6.conf.wire.disable_ipv6=0")
        self.switch.ip("addr add %s/24 dev wire" % WIRE,
                       "addr add %s/64 dev wire nodad" % WIRE6)
        self.sensor.up(SENSOR + "/24", SENSOR_B + "/24", SENSOR6 + "/64")
        with self.switch.entered():
            self.wire = wire.Tap("wire")
        super().bridges()

    def addresses(self):
        super().addresses()
        self.use_tier()

    def use_tier(self):
        """Makes sure that ovs-vswitchd uses the tier that is to be tested, and
        has it make the devices for it."""
        shown = self.features()
        lab.check(self.uses_tier(shown), "expected the %s tier, found: %s",
                  self.tier, shown)
        self.ovs.flows("actions=rmirror(target=%s),rmirror(target=%s),NORMAL"
                       % (SENSOR, SENSOR6))

        def copied():
            self.client.tap.send(wire.marker(self.server.mac, self.client.mac,
                                             self.token()))
            return {copy.dst for copy in wire.copies(self.sensor.tap.drain())
                    } == {SENSOR, SENSOR6}
        lab.until(copied, "copies have to begin")

    def features(self):
        return self.ovs.appctl("dpif/show-dp-features", "br0")

    def uses_tier(self, features):
        """Whether what features() has returned names the tier that is to be
        tested."""
        return "Remote mirror tier: %s\n" % self.tier in features + "\n"

    def know_neighbours(self):
        self.switch.ip(*("neigh replace %s lladdr %s dev %s nud permanent"
                         % (address, mac, device)
                         for device, address, mac in (
                             ("br-phy", lab.TARGET, lab.COLLECTOR_MAC),
                             ("br-phy", lab.TARGET_B, lab.COLLECTOR_MAC),
                             ("br-phy", lab.TARGET6, lab.COLLECTOR_MAC),
                             ("br-phy2", "198.51.100.9", lab.COLLECTOR2_MAC),
                             ("wire", SENSOR, SENSOR_MAC),
                             ("wire", SENSOR_B, SENSOR_MAC),
                             ("wire", SENSOR6, SENSOR_MAC))))

    def forget_neighbours(self):
        self.switch.ip("neigh flush all nud permanent", "neigh flush all")

    def reset(self):
        super().reset()
        self.sensor.tap.drain()

    def seen(self, collector=None):
        if collector is self.sensor:
            return self._marked(self.wire, collector)
        return super().seen(collector)

    def _marked(self, tap, receiver, vlan=None):
        """Like the one it overrides.  Here a frame that has no datapath flow
        yet is passed by whatever has, so what comes late is waited for."""
        frames = super()._marked(tap, receiver, vlan)
        lab.until(quiet.Watch(self.ovs.vswitchd.pid).quiet,
                  "packets have to come to an end")
        return frames + [frame for frame in receiver.tap.drain()
                         if not wire.is_marker(frame)]

    def alive(self):
        self.ovs.alive()

    def save_state(self, name):
        self.ovs.save_state(name)
