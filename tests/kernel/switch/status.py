# SPDX-License-Identifier: Apache-2.0
"""What the controller says of copies that the kernel's engine drops."""

import json
import os

import frames
from cases.breaks import PORT, fetch, metrics
from cases.daemon import ctl, daemon, mirrors, status
from datapath import tiers
from lab import check, equal, originals, until
from machine import SENSOR, SENSOR_B
from registry import case

# The reasons, and targets that provoke them.
LOST = {"no_route": "203.0.113.9", "no_neigh": "198.18.0.77",
        "too_big": SENSOR + " --df", "link_down": "198.19.0.9",
        "xmit": SENSOR_B}
# A copy of a copy is not lost, and not missed.
LOOP = len(LOST) + 1


def write(bench):
    """Writes a policy that mirrors, with key K, UDP to port 1000 + K to the Kth
    target, and GRE to the sensor."""
    path = os.path.join(bench.directory, "drops.policy")
    rules = ["-p udp --dport %d -j RMIRROR --target %s --key %d"
             % (1000 + key, target, key)
             for key, target in enumerate(LOST.values(), 1)]
    rules.append("-p gre -j RMIRROR --target %s --key %d" % (SENSOR, LOOP))
    with open(path, "w", encoding="utf-8") as file:
        file.write("*rmirror\n" + "".join(
            "-A PREROUTING %s\n" % rule for rule in rules) + "COMMIT\n")
    return path


def measured(values, key, reason):
    """Returns how many drops of the session with 'key' the metrics 'values'
    have for 'reason'."""
    return sum(value for name, value in values.items()
               if name.startswith("ovs_rmirror_session_drops_total{")
               and 'key="%d"' % key in name
               and 'reason="%s"' % reason in name)


def break_ways(bench):
    bench.switch.run("sysctl", "-qw",
                     "net.ipv4.neigh.wire.retrans_time_ms=50")
    bench.switch.ip("link add far type dummy", "link set far up",
                    "addr add 198.19.0.1/24 dev far",
                    "link set far carrier off")
    bench.switch.run("iptables-legacy", "-w", "-A", "OUTPUT", "-p", "gre",
                     "-d", SENSOR_B, "-j", "DROP")


def mend_ways(bench):
    bench.switch.run("iptables-legacy", "-w", "-F", "OUTPUT")
    bench.switch.ip("link del far")
    bench.switch.run("sysctl", "-qw",
                     "net.ipv4.neigh.wire.retrans_time_ms=1000")


@case("status, metrics and page name each reason for which the kernel loses copies, and originals arrive", 60)
@tiers("native")
def reasons(bench):
    break_ways(bench)
    try:
        with daemon(bench, "--bridge=br0", "--policy=" + write(bench),
                    "--metrics=%d" % PORT):
            mirrors(bench, *range(1, LOOP + 1))

            def counted():
                """Whether each copy that was due is counted as dropped."""
                sent = [frames.udp(1514, 1000 + key)
                        for key in range(1, LOOP)]
                sent.append(frames.gre("10.0.0.1", SENSOR, frames.udp()))
                bench.send(bench.client, sent)
                originals(bench.arrive(bench.client, bench.server), sent)
                drops = {session["key"]: session.get("drops", {})
                         for session in status(bench)["sessions"]}
                return (all(drops[key].get(reason)
                            for key, reason in enumerate(LOST, 1))
                        and drops[LOOP].get("loop"))
            until(counted, "copies have to be dropped for each reason")

            said = ctl(bench, "status")
            equal(said.returncode, 1, "exit status: " + said.stdout)
            lines = {int(line.split(" --key ")[1].split()[0].rstrip(":")): line
                     for line in said.stdout.splitlines() if " --key " in line}
            for key, (reason, target) in enumerate(LOST.items(), 1):
                check(" %s " % reason in lines[key].split(target.split()[0])[0],
                      "the health of %s has to be %s: %s", target, reason,
                      lines[key])
                check(": dropped: " in lines[key] and reason
                      in lines[key].split(": dropped: ")[1],
                      "status has to say what is dropped: %s", lines[key])
            check(" idle " in lines[LOOP] and "dropped: loop" in lines[LOOP],
                  "a copy of a copy is not lost: %s", lines[LOOP])

            values = metrics(bench)
            shown = json.loads(fetch(bench, "/api/state"))["bridges"][0]
            page = {session["key"]: session
                    for session in shown["status"]["sessions"]}
            for key, reason in enumerate(list(LOST) + ["loop"], 1):
                drops = measured(values, key, reason)
                check(drops > 0, "the metrics have to have %s", reason)
                check(page[key]["drops"][reason] >= drops,
                      "the page has %d times %s, the metrics %d",
                      page[key]["drops"][reason], reason, drops)
                equal(page[key]["health"], "idle" if key == LOOP else reason,
                      "health on the page")
            targets = list(LOST)
            equal(page[1 + targets.index("no_route")].get("way", ""), None,
                  "the way without a route")
            equal(page[1 + targets.index("no_neigh")].get("way"),
                  {"device": "wire", "next_hop": LOST["no_neigh"],
                   "resolved": False}, "the way without a neighbour")
    finally:
        mend_ways(bench)
