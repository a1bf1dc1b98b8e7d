# SPDX-License-Identifier: Apache-2.0
"""A policy with 1,000 rules and 64 targets, for tests under load."""

import contextlib
import ipaddress
import os

import pace
from lab import TAP_TABLE, until

RULES, TARGETS, LENGTH = 1000, 64, 96
# One for each rule: the last ones of 10.1.0.0/22.
NETWORK = ipaddress.ip_network("10.1.0.0/22")
SOURCES = [str(NETWORK[number]) for number in range(-RULES, 0)]
SLOW = 120.0                    # Seconds; how long to wait for something.


def targets(network):
    """Returns the addresses of the targets in 'network', the first three
    numbers of them."""
    return ["%s.%d" % (network, 100 + number) for number in range(TARGETS)]


def policy(there):
    """Returns the policy: each source's frames to one of the targets 'there',
    one after the other."""
    return "\n".join(("*rmirror", *(
        "-A PREROUTING -s %s -j RMIRROR --target %s --len %d"
        % (source, there[number % TARGETS], LENGTH)
        for number, source in enumerate(SOURCES)), "COMMIT", ""))


@contextlib.contextmanager
def mirror(bench, there):
    """Runs the controller, which it yields, with policy('there')."""
    path = os.path.join(bench.directory, "load.policy")
    with open(path, "w", encoding="utf-8") as file:
        file.write(policy(there))
    process = bench.ovs.rmirrord(path)
    try:
        until(lambda: int(bench.ovs.ofctl(
            "dump-aggregate", "br0", "table=%d" % TAP_TABLE)
                          .partition("flow_count=")[2]) >= RULES,
              "the policy has to be in force", SLOW)
        until(lambda: int(bench.ovs.vsctl(
            "--if-exists", "get", "bridge", "br0",
            "other_config:rmirror-ingress-table").strip('"\n') or 0)
              == TAP_TABLE, "the tap has to be set", SLOW)
        # Done when ovs-vswitchd has taken that and all that was before.
        bench.ovs.vsctl("set", "bridge", "br0", "external_ids:load=yes")
        bench.ovs.settle()
        yield process
    finally:
        process.terminate()
        process.wait(pace.seconds(10))
        bench.ovs.controllers.remove(process)
        bench.ovs.ofctl("del-flows", "br0", "table=%d" % TAP_TABLE)
        bench.ovs.vsctl("remove", "bridge", "br0", "other_config",
                        "rmirror-ingress-table")
        bench.ovs.settle()
