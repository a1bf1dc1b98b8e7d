# SPDX-License-Identifier: Apache-2.0
"""The counters of rules go on whatever becomes of the flows that count."""

import contextlib
import http.client
import json
import os
import signal
import threading

import frames
import pace
from cases.daemon import ctl, daemon, mirrors, write
from cases.reconcile import Log
from lab import (BR0_MAC, BR0_PORTS, BURST, check, equal, until)
from registry import case

PORT = 9475
SLOW = 30.0
NORMAL = "table=0,priority=0,actions=NORMAL"
RULES = ("-A PREROUTING -p udp --dport 1000 -j RMIRROR --target 192.0.2.9"
         " --key 1",
         "-A PREROUTING -p udp --dport 1000 -m limit --limit 1/second"
         " --limit-burst 3 -j RMIRROR --target 192.0.2.9 --key 2",
         "-A PREROUTING -p tcp -j ACCEPT")
REQUEST = "OFPST_FLOW request"      # As the log calls a question for counters.


def listed(bench):
    """Returns packets and bytes of each rule, or None if list does not say
    them."""
    said = ctl(bench, "list", "--json")
    if said.returncode:
        return None
    return [(rule["packets"], rule["bytes"])
            for chain in json.loads(said.stdout)["chains"]
            for rule in chain["rules"]] or None


class Watch:
    """Looks again and again at list and at the metrics, from the namespace in
    which it is made, and remembers what has stepped back."""

    def __init__(self, bench):
        self.bench = bench
        self.looks = 0
        self.steps_back = []
        self.last = {}
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def end(self):
        self.ending.set()
        self.thread.join()
        check(self.looks > 1, "there were no counters to be seen")
        equal(self.steps_back, [], "counters that step back")

    def run(self):
        while not self.ending.wait(0.1):
            counters = {("list", rule, i): count
                        for rule, counts in enumerate(listed(self.bench) or [])
                        for i, count in enumerate(counts)}
            counters.update(self.metrics())
            for name, count in counters.items():
                if count < self.last.get(name, 0):
                    self.steps_back.append((name, self.last[name], count))
            self.last.update(counters)
            self.looks += bool(counters)

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", PORT,
                                                timeout=pace.seconds(10))
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except OSError:
            return {}
        finally:
            connection.close()
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in text.splitlines()
                 if line.startswith(("ovs_rmirror_rule_",
                                     "ovs_rmirror_chain_")))}


@contextlib.contextmanager
def watched(bench):
    with bench.switch.entered():
        watch = Watch(bench)
    try:
        yield
    finally:
        watch.end()


def come_back(bench):
    """Makes br0 and the way to the collectors as they were."""
    bench.addresses()
    bench.ovs.ofctl("add-flow", "br0", NORMAL)
    bench.know_neighbours()
    bench.drain()


def restarted(bench):
    bench.ovs.stop()
    bench.ovs.start()


def killed(bench):
    bench.ovs.vswitchd.send_signal(signal.SIGKILL)
    bench.ovs.vswitchd.wait(pace.seconds(5))
    os.unlink(os.path.join(bench.directory, "ovs-vswitchd.pid"))
    bench.ovs.start()


def restarted_with_flows(bench):
    """As "ovs-ctl restart" does it, which knows nothing of meters."""
    flows = bench.ovs.ofctl("--no-names", "--no-stats", "dump-flows", "br0")
    bench.ovs.vsctl("set", "Open_vSwitch", ".",
                    "other_config:flow-restore-wait=true")
    try:
        bench.ovs.stop()
        bench.ovs.start()
        bench.ovs.ofctl("--bundle", "add-flows", "br0", "-", stdin="\n".join(
            line.strip() for line in flows.splitlines()
            if "actions=" in line and "meter=" not in line) + "\n")
    finally:
        bench.ovs.vsctl("remove", "Open_vSwitch", ".", "other_config",
                        "flow-restore-wait")


def made_again(bench):
    again = bench.add_bridge("br0", BR0_MAC, BR0_PORTS)
    bench.ovs.vsctl("del-br", "br0", *again)


def wiped(bench):
    bench.ovs.ofctl("del-flows", "br0")


def count(bench, before, what):
    """Sends packets, and waits until the rules have counted them besides
    'before'.  Returns what they have counted then."""
    sent = [frames.udp(100, 1000)] * BURST
    copies = [copy.key for copy in bench.mirror(sent)]
    equal(copies.count(1), BURST, "copies with key 1 after " + what)
    all_counts = BURST + before[0][0], BURST * 100 + before[0][1]
    until(lambda: (listed(bench) or [None])[0] == all_counts,
          "rule 1 has to have counted %s after %s" % (all_counts, what), SLOW)
    # A rule with a limit counts what its meter has let pass.
    limited = before[1][0] + copies.count(2)
    until(lambda: (listed(bench) or [None] * 2)[1] == (limited, 100 * limited),
          "rule 2 has to have counted %d after %s" % (limited, what), SLOW)
    return listed(bench)


@case("the counters of rules go on when the switch, or the bridge, is another",
      180)
def another_switch(bench):
    path = write(os.path.join(bench.directory, "counters.policy"), *RULES)
    with daemon(bench, "--bridge=br0", "--policy=" + path,
                "--metrics=%d" % PORT):
        mirrors(bench, 1, 2)
        bench.ovs.settle()
        with watched(bench):
            counted = count(bench, [(0, 0)] * 3, "the start")
            for way in (restarted, killed, restarted_with_flows, made_again,
                        wiped):
                way(bench)
                mirrors(bench, 1, 2)
                come_back(bench)
                counted = count(bench, counted, way.__name__)
        bench.ovs.rmirrorctl("zero")
        equal(listed(bench), [(0, 0)] * 3, "counters after zero")


@case("the counters of rules go on also if nobody has looked at them", 90)
def unseen(bench):
    path = write(os.path.join(bench.directory, "counters.policy"), *RULES)
    with Log(bench) as log, \
            daemon(bench, "--bridge=br0", "--policy=" + path,
                   "-vvconn:file:dbg"):
        mirrors(bench, 1, 2)
        bench.ovs.settle()
        bench.mirror([frames.udp(100, 1000)] * BURST)
        bench.ovs.settle()
        # Each reading asks for two tables: when the second one begins, the
        # first one, which may not have begun before the packets, has ended.
        asked = log.count(REQUEST)
        until(lambda: log.count(REQUEST) >= asked + 4,
              "the daemon has to read the counters", SLOW)
        restarted(bench)
        mirrors(bench, 1, 2)
        until(lambda: (listed(bench) or [None])[0] == (BURST, BURST * 100),
              "rule 1 has to have counted", SLOW)
        come_back(bench)
