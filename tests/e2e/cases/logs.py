# SPDX-License-Identifier: Apache-2.0
"""ovs-rmirrord logs a line for what an operator acts on, and none for what is
normal or goes on."""

import os
import re
import signal
import time

import breaks
from cases.daemon import (ctl, daemon, log_of, log_size, mirrors, policy_text,
                          rule, status, write)
from lab import TARGET, equal, until
from registry import case

SLOW = 30.0
# Seconds in which something that goes on would be logged several times.
MOMENT = 3.5
LATELY = 6
# Those of what only tells that a file was opened and the program started, and
# of the audit log.
START = re.compile(
    r"opened log file|ovs-rmirrord \d|\|reconnect\|INFO\||\|audit\|")


def lines(bench, since):
    """Returns what was logged after the first 'since' bytes, without time and
    number, but for the start of the program, of connections to the database
    and what is in the audit log."""
    return [line.split("|", 2)[2] for line in log_of(bench, since).splitlines()
            if line.count("|") > 2 and not START.search(line)]


def logged(bench, since, *wanted):
    """Waits until as many lines have been logged after the first 'since' bytes
    as there are regular expressions in 'wanted', and checks that each of these
    is found in one of them, whatever their order."""
    until(lambda: len(lines(bench, since)) >= len(wanted),
          "the log has to say %s" % (wanted,), SLOW)
    found = lines(bench, since)
    for expression in wanted:
        equal(sum(bool(re.search(expression, line)) for line in found), 1,
              "lines of %s that are %s" % (found, expression))
    equal(len(found), len(wanted), "number of lines of %s" % found)


@case("the log has a line for each policy, and none for what does not change",
      60)
def policies(bench):
    path = write(os.path.join(bench.directory, "logs.policy"), rule(1),
                 "-A PREROUTING -i absent -j RMIRROR --target " + TARGET)
    since = log_size(bench)
    with daemon(bench, "--bridge=br0", "--policy=" + path):
        logged(bench, since,
               r"INFO\|br0: connected to unix:.*, OpenFlow 1\.5$",
               r"INFO\|br0: copies are made by the tier userspace$",
               r"INFO\|bridge br0: other_config: rmirror-ingress-table=",
               r"WARN\|.*:3: br0 has no port absent: the rule sleeps",
               r"INFO\|br0: 2 rules, \d+ flows: .* added.* "
               r"\(connected, policy loaded\)$")

        since = log_size(bench)
        bench.ovs.rmirrorctl("reload")
        logged(bench, since, r"INFO\|br0: 2 rules.*: nothing to change "
               r"\(policy loaded\)$")

        since = log_size(bench)
        with open(path, "w", encoding="utf-8") as file:
            file.write(policy_text("-A PREROUTING -j NOWHERE", "-A NOWHERE"))
        equal(ctl(bench, "reload").returncode, 1, "exit status of reload")
        logged(bench, since, r"ERR\|br0: .*logs\.policy is not loaded, the "
               r"policy in force stays: .*:2:\d+: error: .*, and \d more$")

        # Ports that no rule names, and what is asked, are normal.
        since = log_size(bench)
        bench.switch.ip("link add extra type veth peer name extra2")
        try:
            bench.ovs.vsctl("add-port", "br0", "extra")
            bench.ovs.vsctl("del-port", "br0", "extra")
        finally:
            bench.switch.ip("link del extra")
        bench.ovs.rmirrorctl("list", "-v")
        ctl(bench, "status")
        bench.ovs.ofctl("del-flows", "br0", "table=252")
        mirrors(bench, 1)
        logged(bench, since, r"INFO\|br0: 2 rules.* added.* "
               r"\(.*somebody else has changed it.*\)$")


@case("the log has a line when the switch goes and one when it comes, however"
      " long it is away", 120)
def switch_away(bench):
    path = write(os.path.join(bench.directory, "logs.policy"), rule(1))
    with daemon(bench, "--bridge=br0", "--policy=" + path,
                "--lately=%d" % LATELY):
        mirrors(bench, 1)
        until(lambda: status(bench)["tier"], "the tier has to be known")
        since = log_size(bench)
        bench.ovs.stop()
        # It is tried again several times, which is not to be seen.
        time.sleep(MOMENT)
        logged(bench, since, r"WARN\|br0: not connected to unix:",
               r"WARN\|what becomes of copies is not known: there is no "
               r"ovs-vswitchd here")
        since = log_size(bench)
        bench.ovs.start()
        mirrors(bench, 1)
        logged(bench, since, r"INFO\|br0: connected to unix:",
               r"INFO\|br0: 1 rule, .* added.* \(connected\)$",
               r"INFO\|what becomes of copies is known again$")
        bench.addresses()

        since = log_size(bench)
        hangs = (r"WARN\|br0: the switch does not answer$",
                 r"WARN\|what becomes of copies is not known: ovs-vswitchd "
                 r"does not answer$")
        bench.ovs.vswitchd.send_signal(signal.SIGSTOP)
        try:
            logged(bench, since, *hangs)
            time.sleep(MOMENT)
            logged(bench, since, *hangs)
            since = log_size(bench)
        finally:
            bench.ovs.vswitchd.send_signal(signal.SIGCONT)
        logged(bench, since, r"INFO\|br0: the switch answers again$",
               r"INFO\|what becomes of copies is known again$")


@case("the log has a line when a target begins to lose copies, and one when it"
      " no longer does", 120)
def losses(bench):
    broken = next(entry for entry in breaks.BREAKS
                  if entry.reason == "no_neigh")
    path = write(os.path.join(bench.directory, "logs.policy"), broken.rule)
    target = r"\|br0: copies to %s --key %d are" % (
        re.escape(broken.target), broken.key)
    with daemon(bench, "--bridge=br0", "--policy=" + path,
                "--lately=%d" % LATELY):
        mirrors(bench, broken.key)
        until(lambda: status(bench)["tier"], "the tier has to be known")
        bench.ovs.settle()
        bench.mirror(broken.intact())
        since = log_size(bench)
        broken.do(bench)
        try:
            def told():
                bench.mirror(broken.lost(1))
                return lines(bench, since)
            until(told, "the log has to say that copies are lost", SLOW)
            end = time.monotonic() + MOMENT
            while time.monotonic() < end:
                told()
            logged(bench, since, "WARN" + target + r" lost: no_neigh \d+$")
            since = log_size(bench)
        finally:
            broken.undo(bench)
        until(lambda: len(bench.mirror(broken.intact(1))) == 1,
              "copies have to come", SLOW)
        logged(bench, since, "INFO" + target + r" no longer lost: none in %d s;"
               r" before, no_neigh \d+$" % LATELY)
