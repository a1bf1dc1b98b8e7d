# SPDX-License-Identifier: Apache-2.0
"""How many instructions a mirrored packet costs the userspace datapath, and in
which functions they are.

ovs-vswitchd runs under callgrind, which counts the instructions of a packet's
way through the datapath: from where it has been received until it and its
copies are given to the kernel.  What the kernel and the main loop do does not
count.  While packets are sent, ovs-vswitchd is stopped, so that they come in
batches of the same size each time."""

import collections
import os
import pathlib
import re
import signal
import statistics
import subprocess

import frames as made_frames
import lab
import pace
import wire
from results import row

FRAMES = 60, 512, 1500, 9000
LENGTHS = 96, 256, "mtu"
TARGETS = 1, 3
MTU = 1500
BATCH, SMALL_BATCH = 32, 8      # Frames; the latter of LARGE bytes or more.
LARGE = 4000
BATCHES, REPETITIONS = 10, 3
ATTEMPTS = 3                    # To measure without the loss of a frame.
SLOWER = 5                      # How many times callgrind makes things slower.
SMALLEST = 5                    # Instructions, where rows of a profile end.
# Where the datapath takes packets that were received, and where it sends those
# that are left over: in these functions, and what they call, callgrind counts.
FUNCTIONS = "dp_netdev_input", "dp_netdev_pmd_flush_output_packets*"
TARGETS4 = "192.0.2.9", "192.0.2.10", "192.0.2.11"
TARGETS6 = "2001:db8:2::9", "2001:db8:2::a", "2001:db8:2::b"
VALGRIND = """#!/bin/sh
exec valgrind --tool=callgrind --vgdb-prefix=%s/vgdb \\
    --callgrind-out-file=%s/callgrind --collect-atstart=no \\
    %s %s "$@"
"""


class Costs:
    """What callgrind has written into a file."""

    def __init__(self, path):
        self.functions = collections.Counter()  # Instructions of each.
        self.total = 0
        names = {}
        function = None
        of_called = False
        for line in path.read_text(encoding="utf-8").splitlines():
            found = re.match(r"fn=\((\d+)\)(?: (.*))?$", line) \
                or re.match(r"c?fn=\((\d+)\) (.*)$", line)
            if found:
                name = names.setdefault(found[1], found[2])
                if line.startswith("fn="):
                    function = name
            elif line.startswith("totals:"):
                self.total = int(line.split()[1])
            elif line.startswith("calls="):
                of_called = True        # What the next line is about.
            elif function and re.match(r"[+*-]?\d* ?\d+", line):
                if not of_called:
                    self.functions[function] += int(line.split()[1])
                of_called = False
        lab.equal(self.functions.total(), self.total,
                  "instructions in a file of callgrind")


class Callgrind(lab.Lab):
    """A lab whose ovs-vswitchd runs under callgrind."""

    def __init__(self, programs, directory):
        self.costs = pathlib.Path(directory)
        wrapper = self.costs / "ovs-vswitchd"
        toggles = " ".join("--toggle-collect='%s'" % function
                           for function in FUNCTIONS)
        wrapper.write_text(VALGRIND % (directory, directory, toggles,
                                       programs.ovs_vswitchd),
                           encoding="utf-8")
        wrapper.chmod(0o755)
        programs = lab.Programs(programs.ovs, programs.controller)
        programs.ovs_vswitchd = str(wrapper)
        self.dumps = 0
        super().__init__(programs, str(self.costs / "logs"))
        # Each flow comes to the cache with its first packet, else by chance.
        self.ovs.vsctl("set", "Open_vSwitch", ".",
                       "other_config:emc-insert-inv-prob=1")
        self.ovs.flows("in_port=LOCAL,actions=uplink",
                       "in_port=uplink,actions=LOCAL", bridge="br-phy")
        for address in TARGETS4 + TARGETS6:
            self.ovs.appctl("tnl/neigh/set", "br-phy", address,
                            lab.COLLECTOR_MAC)
        words = []
        for number, address in enumerate(TARGETS4 + TARGETS6):
            name = "gre%d" % number
            words += ["--", "add-port", "br0", name, "--", "set", "interface",
                      name, "type=" + ("ip6gre" if ":" in address else "gre"),
                      "options:remote_ip=" + address]
        self.ovs.vsctl(*words)

    def dump(self):
        """Returns what was counted since the last call."""
        said = subprocess.run(
            ["vgdb", "--pid=%d" % self.ovs.vswitchd.pid,
             "--vgdb-prefix=%s/vgdb" % self.costs, "dump"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=pace.seconds(10))
        self.dumps += 1
        path = self.costs / ("callgrind.%d" % self.dumps)
        lab.until(path.exists, "callgrind has to write down its counts: "
                  + said.stdout)
        return Costs(path)

    def batch(self, packet, count, copies):
        """Sends a batch of 'count' frames, and waits for them and for 'copies'
        more."""
        os.kill(self.ovs.vswitchd.pid, signal.SIGSTOP)
        for _ in range(count):
            self.client.tap.send(packet)
        os.kill(self.ovs.vswitchd.pid, signal.SIGCONT)
        for host, wanted in (self.server, count), (self.collector, copies):
            arrived = []

            def enough(host=host, wanted=wanted, arrived=arrived):
                arrived.extend(frame for frame in host.tap.drain()
                               if is_wanted(frame, packet))
                return len(arrived) >= wanted
            lab.until(enough, "%d frames have to arrive" % wanted)
            lab.equal(len(arrived), wanted, "frames that arrive")


def is_wanted(frame, packet):
    """Whether 'frame' is 'packet' or a copy, and not something that kernels
    send of their own accord."""
    if frame == packet:
        return True
    if wire.ethertype(frame) == wire.ETH_P_IP:
        return frame[23] == wire.IPPROTO_GRE
    return frame[20] == wire.IPPROTO_GRE


def cases(smoke):
    """Yields tuples of frame, len, targets, and whether they have IPv6
    addresses."""
    if smoke:
        yield 1500, 96, 1, False
        return
    for ipv6 in False, True:
        for frame in FRAMES:
            for length in LENGTHS:
                for targets in TARGETS:
                    yield frame, length, targets, ipv6


def flow(way, length, targets, ipv6):
    """Returns the flow that mirrors in the 'way' named."""
    actions = []
    addresses = TARGETS6 if ipv6 else TARGETS4
    for number, address in enumerate(addresses[:targets]):
        if way == "rmirror":
            actions.append("rmirror(target=%s,len=%s)" % (address, length))
        else:
            # What of a copy fits the MTU.
            cut = MTU - (58 if ipv6 else 38) + 14 if length == "mtu" else length
            actions.append("output(port=gre%d,max_len=%d)"
                           % (number + (3 if ipv6 else 0), cut))
    return "in_port=client,actions=%s" % ",".join([*actions, "server"])


def measure(bench, way, case, repetitions):
    """Returns what was counted for each of the repetitions, and how many
    packets there were in each.  Many batches make up for what malloc() does
    only now and then."""
    frame, length, targets, ipv6 = case
    packet = made_frames.udp(frame)
    count = SMALL_BATCH if frame >= LARGE else BATCH
    bench.ovs.flows(flow(way, length, targets, ipv6))
    for attempt in range(ATTEMPTS):
        costs = []
        bench.ovs.appctl("revalidator/purge")
        bench.drain()
        try:
            # What comes first makes the flows, and does not count.
            for repetition in range(-1, repetitions):
                for _ in range(BATCHES):
                    bench.batch(packet, count, count * targets)
                found = bench.dump()
                if repetition >= 0:
                    costs.append(found)
            return costs, count * BATCHES
        except lab.Failure:
            # On a very busy machine, queues of the kernel may overflow.
            if attempt == ATTEMPTS - 1:
                raise
    return None


def per_packet(bench, way, case, repetitions):
    costs, count = measure(bench, way, case, repetitions)
    return [cost.total / count for cost in costs]


def profile(bench):
    """Yields rows that say for each way what a mirrored packet spends in each
    function beyond a forwarded one."""
    frame, length = 1500, 96
    spent = {}
    for way, targets in ("none", 0), ("rmirror", 1), ("composed", 1):
        (cost,), count = measure(bench, way, (frame, length, targets, False),
                                 1)
        spent[way] = {function: instructions / count for function, instructions
                      in cost.functions.items()}
    for way in "rmirror", "composed":
        extra = {function: spent[way].get(function, 0)
                 - spent["none"].get(function, 0)
                 for function in spent[way].keys() | spent["none"].keys()}
        for function in sorted(extra, key=extra.get, reverse=True):
            if extra[function] >= SMALLEST:
                yield row("userspace", "%s: %s" % (way, function),
                          "extra instructions/packet", [extra[function]],
                          frame_bytes=frame, len=length, targets=1)
        yield row("userspace", way + ": sum", "extra instructions/packet",
                  [sum(extra.values())], frame_bytes=frame, len=length,
                  targets=1)


def run(options, directory):
    # A folder of its own: the names of callgrind's files are made from it.
    pace.slower *= SLOWER
    bench = None
    try:
        bench = Callgrind(options.programs, directory)
        if options.profile:
            yield from profile(bench)
            return
        repetitions = options.repetitions or REPETITIONS
        forward = {}
        for case in cases(options.smoke):
            frame, length, targets, ipv6 = case
            if frame not in forward:
                forward[frame] = per_packet(bench, "none",
                                            (frame, 0, 0, False), repetitions)
                yield row("userspace", "forward", "instructions/packet",
                          forward[frame], frame_bytes=frame, targets=0)
            base = statistics.median(forward[frame])
            values = [[value - base for value
                       in per_packet(bench, way, case, repetitions)]
                      for way in ("rmirror", "composed")]
            yield row("userspace", "IPv6" if ipv6 else "IPv4",
                      "extra instructions/packet", values[0],
                      "output(port=gre,max_len=)", values[1],
                      frame_bytes=frame, len=length, targets=targets)
    finally:
        pace.slower /= SLOWER
        if bench:
            bench.close()
