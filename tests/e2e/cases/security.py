# SPDX-License-Identifier: Apache-2.0
"""What ovs-rmirrord does not let a policy, its author or a peer do."""

import os

import frames
from cases.daemon import (ctl, daemon, folder, mirrors, refused, rule, status,
                          write)
from lab import TARGET, TARGET6, check, copies_of, equal
from registry import case

ELSEWHERE = "203.0.113.5"


def rule_to(target, key):
    return ("-A PREROUTING -p udp --dport 1000 -j RMIRROR --len 60 --key %d"
            " --target %s" % (key, target))


@case("a policy with a target that --allow-targets does not allow is refused,"
      " and the one in force stays")
def allowed_targets(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1), rule_to(TARGET6, 2))
        with daemon(bench, "--bridge=br0", "--policy=" + path,
                    "--allow-targets=192.0.2.0/24",
                    "--allow-targets=198.51.100.9,2001:db8::/32"):
            mirrors(bench, 1, 2)
            write(path, rule(1), rule_to(ELSEWHERE, 3))
            said = ctl(bench, "reload")
            equal(said.returncode, 1, "exit status of reload")
            wanted = ("%s:3:72: error: the target %s is not allowed here\n"
                      "    %s\n"
                      "    %s^~~~~~~~~~~\n"
                      "    --allow-targets allows 192.0.2.0/24, 198.51.100.9,"
                      " 2001:db8::/32\n" % (path, ELSEWHERE,
                                            rule_to(ELSEWHERE, 3), 71 * " "))
            check(said.stderr.startswith(wanted),
                  "reload has to say where the target is: %s", said.stderr)
            check("not allowed" in status(bench)["policy_error"],
                  "status has to say so")
            mirrors(bench, 1, 2)
            bench.ovs.settle()
            sent = [frames.udp(100, 1000)]
            copies_of(bench.mirror(sent), [sent[0][:60]] * 2)

            # ovs-rmirrorctl says the same of the file.
            for command in "check", "compile":
                said = ctl(bench, command, path, "--allow-targets",
                           "192.0.2.0/24,198.51.100.9",
                           "--allow-targets=2001:db8::/32")
                equal((said.returncode, said.stderr), (1, wanted), command)
                equal(ctl(bench, command, path, "--allow-targets",
                          "192.0.2.0/24," + ELSEWHERE).returncode, 0, command)
            equal(ctl(bench, "check", path, "--allow-targets=10.1").returncode,
                  2, "exit status of a wrong command line")


@case("a last good policy whose targets are no longer allowed is not used")
def last_good_not_allowed(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        options = ("--bridge=br0", "--policy=" + path,
                   "--state-dir=" + where + "/state")
        with daemon(bench, *options):
            mirrors(bench, 1)
            bench.ovs.rmirrorctl("reload")
        check(os.path.exists(where + "/state/br0.policy"),
              "the policy has to be kept")
        os.unlink(path)
        with daemon(bench, *options):
            mirrors(bench, 1)
        refused(bench, *options, "--allow-targets=198.51.100.0/24")
        refused(bench, *options, "--allow-targets=192.0.2.0/33")
