# SPDX-License-Identifier: Apache-2.0
"""Ways to break the mirror, one at least for each reason for which the
userspace datapath drops copies.  Whoever shows an operator what is wrong has to
show it for each of BREAKS.

    with ready(bench):
        ... a daemon with rules() ...
        for broken in BREAKS:
            broken.undo(bench)
            ... broken.intact() is copied ...
            broken.do(bench)
            ... broken.lost() is not, for broken.reason ...
            broken.undo(bench)
"""

import contextlib
import dataclasses
import json
from typing import Callable, Optional

import frames
from lab import COLLECTOR2_MAC, TARGET, TARGET_B, UPLINK_MTU, until

FAR = "203.0.113.9"             # Behind a router.
FAR_NETWORK = "203.0.113.0/24"
FAR_ROUTE = "%s via %s dev br-phy" % (FAR_NETWORK, TARGET)
ELSEWHERE = "aside"             # A device that is no port of a bridge.
SMALL_MTU = 1280                # With less, IPv6 and its addresses would be gone.
LARGE = 1400                    # Bytes of a frame whose copy exceeds it.
MAX_SESSIONS = 4096
SESSIONS_IN_A_FLOW = 1024       # So many fit an OpenFlow message.
NO_SESSION = "no_session"


def route_away(bench):
    bench.switch.run("ip", "route", "flush", FAR_NETWORK)
    bench.wait_route(FAR, None)


def route_elsewhere(bench):
    bench.switch.ip("route replace %s dev %s" % (FAR_NETWORK, ELSEWHERE))
    bench.wait_route(FAR, None)


def route_back(bench):
    bench.switch.ip("route replace " + FAR_ROUTE)
    bench.wait_route(FAR, "br-phy")


def neighbour_away(bench):
    bench.collector.namespace.ip("addr flush dev eth0 to %s/32" % TARGET_B)
    bench.forget_neighbours()
    bench.ovs.settle()


def neighbour_back(bench):
    bench.collector.namespace.ip("addr replace %s/24 dev eth0" % TARGET_B)
    bench.know_neighbours()


def mtu(bench, size):
    bench.switch.ip("link set br-phy mtu %d" % size)


def sessions(bench):
    """Returns the datapath and its sessions as dpctl/rmirror-show says them."""
    datapath, = json.loads(bench.ovs.appctl("dpctl/rmirror-show", "--json"))
    return datapath, datapath["sessions"]


def too_many_sessions(bench):
    """Has all sessions that the datapath can have taken by others, which cost
    nothing: there is no way to their target."""
    bench.ovs.appctl("dpctl/rmirror-flush")
    for first in range(0, MAX_SESSIONS, SESSIONS_IN_A_FLOW):
        ether_type = 0x9000 + first // SESSIONS_IN_A_FLOW
        bench.ovs.ofctl("add-flow", "br-phy2", "-", stdin=(
            "priority=65535,dl_type=%#x,actions=%s\n" % (ether_type, ",".join(
                "rmirror(target=198.18.0.1,key=%d)" % (first + key)
                for key in range(SESSIONS_IN_A_FLOW)))))
        bench.collector2.tap.send(frames.sized(60, frames.ether(
            COLLECTOR2_MAC, "02:00:00:00:00:2f", type=ether_type)))
    until(lambda: len(sessions(bench)[1]) == MAX_SESSIONS,
          "the datapath has to be full of sessions")


def sessions_back(bench):
    bench.ovs.ofctl("--strict", "del-flows", "br-phy2", "-", stdin="".join(
        "priority=65535,dl_type=%#x\n" % (0x9000 + number)
        for number in range(MAX_SESSIONS // SESSIONS_IN_A_FLOW)))
    bench.ovs.settle()
    bench.ovs.appctl("dpctl/rmirror-flush")


def nothing(_):
    pass


@dataclasses.dataclass(frozen=True)
class Break:
    """One way.  Its rule has a session of its own, with the key 'key'."""
    cause: str                  # What is wrong, in words.
    reason: str                 # As counters call it.
    key: int
    target: str
    do: Callable                # Breaks the mirror of a lab,
    undo: Callable              # and mends it, also if it is not broken.
    options: str = ""           # Of the rule's session.
    match: Optional[str] = None
    make: Optional[Callable] = None         # A frame that matches the rule.
    make_intact: Optional[Callable] = None  # One that is copied if nothing is
                                            # broken; if None, 'make'.

    @property
    def is_loss(self):
        """Whether anybody misses what is dropped: not copies of copies."""
        return self.reason != "loop"

    @property
    def is_session(self):
        """Whether the session itself counts the drops."""
        return self.reason != NO_SESSION

    @property
    def rule(self):
        return "-A PREROUTING %s -j RMIRROR --target %s --key %d %s" % (
            self.match or "-p udp --dport %d" % (4000 + self.key), self.target,
            self.key, self.options)

    def lost(self, count=3):
        """Returns frames whose copies are dropped when the mirror is broken."""
        make = self.make or (lambda: frames.udp(1000, 4000 + self.key))
        return [make() for _ in range(count)]

    def intact(self, count=3):
        """Returns frames that are copied when it is not."""
        if self.make_intact:
            return [self.make_intact() for _ in range(count)]
        return self.lost(count)

    def drops(self, bench):
        """Returns how often the datapath has counted the reason."""
        datapath, found = sessions(bench)
        if not self.is_session:
            return datapath[NO_SESSION]
        return sum(session["drops"][self.reason] for session in found
                   if (session["target"], session["key"])
                   == (self.target, self.key))


BREAKS = (
    Break("the route to the target goes", "no_route", 1, FAR, route_away,
          route_back),
    Break("the route leads to no port of a bridge", "no_route", 2, FAR,
          route_elsewhere, route_back),
    Break("the target does not answer ARP", "no_neigh", 3, TARGET_B,
          neighbour_away, neighbour_back),
    Break("the MTU shrinks, and copies must not be fragmented", "too_big", 4,
          TARGET, lambda bench: mtu(bench, SMALL_MTU),
          lambda bench: mtu(bench, UPLINK_MTU), "--df",
          make=lambda: frames.udp(LARGE, 4004)),
    Break("what is mirrored is on its way to the target as a copy", "loop", 5,
          TARGET, nothing, nothing, match="-p 47",
          make=lambda: frames.gre("10.0.0.1", TARGET, frames.udp()),
          make_intact=lambda: frames.gre("10.0.0.1", "10.0.0.2",
                                         frames.udp())),
    Break("there are too many sessions", NO_SESSION, 6, TARGET,
          too_many_sessions, sessions_back),
)


def rules():
    """Returns the rules of a policy for all of BREAKS."""
    return [broken.rule for broken in BREAKS]


@contextlib.contextmanager
def ready(bench):
    """Adds what BREAKS need to the lab, and removes it."""
    bench.switch.ip("link add %s type veth peer name %s-peer"
                    % (ELSEWHERE, ELSEWHERE),
                    "link set %s up" % ELSEWHERE,
                    "link set %s-peer up" % ELSEWHERE)
    route_back(bench)
    try:
        yield
    finally:
        for broken in BREAKS:
            broken.undo(bench)
        route_away(bench)
        bench.switch.ip("link del " + ELSEWHERE)
