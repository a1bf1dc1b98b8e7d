# SPDX-License-Identifier: Apache-2.0
"""The budget of a session: --limit behind -j RMIRROR."""

import json
import os
import re
import time

import frames
from cases.daemon import ctl, daemon, mirrors, status, tap_flows, write
from lab import TARGET, TARGET_B, check, equal, originals, until
from registry import case

SLOW = 30.0
METRICS = "127.0.0.1:9479"
BURST = 6


def to(target, dport, *options, chain="PREROUTING", key=1):
    return " ".join(("-A %s -p udp --dport %d -j RMIRROR --len 60 --target %s"
                     " --key %d" % (chain, dport, target, key), *options))


def over(bench, key=1):
    """Returns how many packets of the session were over its budget, as list -v
    says it."""
    listed = bench.ovs.rmirrorctl("list", "-v")
    found = re.search(r"--key %d: limit \S+, (\d+) packets over it" % key,
                      listed)
    check(found, "list -v has to show the budget: %s", listed)
    return int(found.group(1))


def burst_of(bench, sent):
    """Sends 'sent' at once, checks that all of it arrives, and returns the
    copies and how many whole seconds it took, rounded up."""
    began = time.monotonic()
    bench.send(bench.client, sent)
    originals(bench.arrive(bench.client, bench.server), sent)
    copies = bench.collected()
    return copies, 1 + int(time.monotonic() - began)


@case("the rules of a session share its budget, at both taps, and the originals"
      " all arrive", 60)
def shared(bench):
    path = write(os.path.join(bench.directory, "budget.policy"),
                 to(TARGET, 1000, "--limit 1/second --limit-burst %d" % BURST),
                 to(TARGET, 2000, chain="FORWARD"),
                 to(TARGET_B, 2000, key=2))
    with daemon(bench, "--bridge=br0", "--policy=" + path,
                "--metrics=" + METRICS, "--egress-table=253"):
        mirrors(bench, 1, 2)
        until(lambda: "rmirror-egress-table" in
              bench.ovs.vsctl("get", "bridge", "br0", "other_config"),
              "the taps have to be set")
        bench.ovs.settle()
        equal(len(re.findall(r"^meter=", bench.ovs.ofctl("dump-meters", "br0"),
                             re.MULTILINE)), 1, "meters of the bridge")
        sent = [frames.udp(100, port) for _ in range(8) for port in (1000, 2000)]
        copies, seconds = burst_of(bench, sent)
        limited = [copy.key for copy in copies].count(1)
        check(BURST <= limited <= BURST + seconds,
              "%d copies of a burst of 16, expected %d and one each second",
              limited, BURST)
        equal([copy.key for copy in copies].count(2), 8,
              "copies of the session without a budget")

        until(lambda: over(bench) == 16 - limited,
              "list -v has to show the %d packets over the budget"
              % (16 - limited), SLOW)
        # The session is what sends less; no copy is lost.
        state = status(bench)
        equal((state["losing"], state["good"]), (False, True),
              "what status says")
        session = next(entry for entry in state["sessions"]
                       if entry["key"] == 1)
        equal((session["limit"], session["over_limit"],
               session["over_limit_bytes"]),
              ("1/sec", 16 - limited, 100 * (16 - limited)), "status --json")
        metrics = bench.switch.run("curl", "-sSf", "--max-time", "20",
                                   "http://%s/metrics" % METRICS)
        check('over_limit_packets_total{bridge="br0",session="%s --key 1",'
              'limit="1/sec"} %d\n' % (TARGET, 16 - limited) in metrics,
              "the metrics have to say so: %s", metrics)


@case("a budget in bits counts whole frames", 60)
def bits(bench):
    path = write(os.path.join(bench.directory, "budget.policy"),
                 to(TARGET, 1000, "--limit 1kbit --limit-burst 20kbit"))
    with daemon(bench, "--bridge=br0", "--policy=" + path):
        mirrors(bench, 1)
        bench.ovs.settle()
        # 20 kbit are five frames of 500 bytes, and each four seconds bring
        # one more.
        copies, seconds = burst_of(bench, [frames.udp(500, 1000)
                                           for _ in range(10)])
        check(5 <= len(copies) <= 5 + (seconds + 3) // 4,
              "%d copies, expected 5", len(copies))


@case("a changed budget changes the meter alone: flows and counters stay", 60)
def changed(bench):
    path = os.path.join(bench.directory, "budget.policy")
    rules = to(TARGET, 1000), to(TARGET, 2000)
    write(path, *rules, to(TARGET, 3000, "--limit 1/second --limit-burst 3"))
    with daemon(bench, "--bridge=br0", "--policy=" + path):
        mirrors(bench, 1)
        bench.ovs.settle()
        bench.mirror([frames.udp(100, 1000) for _ in range(5)])
        until(lambda: over(bench) > 0, "the budget has to hold", SLOW)
        flows = tap_flows(bench)
        write(path, *rules, to(TARGET, 3000, "--limit 500/second"))
        said = bench.ovs.rmirrorctl("reload")
        check(re.search(r"0 added, 0 modified, 0 deleted, 1 meter changed",
                        said), "what reload says: %s", said)
        equal(tap_flows(bench), flows, "flows")
        copies, _ = burst_of(bench, [frames.udp(100, 1000) for _ in range(8)])
        equal(len(copies), 8, "copies within the new budget")
        until(lambda: json.loads(bench.ovs.rmirrorctl("list", "--json"))
              ["chains"][0]["rules"][0]["packets"] == 13,
              "the rule's counter has to go on", SLOW)

        # What save prints is the same policy again.
        saved = bench.ovs.rmirrorctl("save")
        equal(saved.count("--limit 500/sec"), 3, "budgets that save prints")
        with open(path, "w", encoding="utf-8") as file:
            file.write(saved)
        check("nothing to change" in bench.ovs.rmirrorctl("reload"),
              "a reload of what save prints changes something")

        write(path, *rules)
        bench.ovs.rmirrorctl("reload")
        equal(bench.ovs.ofctl("dump-meters", "br0").count("meter="), 0,
              "meters without a budget")
        explained = ctl(bench, "explain", "in_port=client,udp,tp_dst=1000")
        check(" copies the first 60 bytes" in explained.stdout, "explain: %s", explained.stdout)
