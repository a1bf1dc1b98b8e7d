# SPDX-License-Identifier: Apache-2.0
"""ovs-rmirrord as a program: its bridges, its files, its commands."""

import contextlib
import json
import os
import subprocess

import frames
from lab import TARGET, check, copies_of, equal, run, until
from registry import case

BRIDGES = "br0", "br-phy2"


def rule(key, dport=1000):
    return ("-A PREROUTING -p udp --dport %d -j RMIRROR --target %s --len 60"
            " --key %d" % (dport, TARGET, key))


def policy_text(*rules):
    return "\n".join(("*rmirror", *rules, "COMMIT", ""))


def write(path, *rules):
    with open(path, "w", encoding="utf-8") as file:
        file.write(policy_text(*rules))
    return path


def tap_flows(bench, bridge="br0"):
    return bench.ovs.ofctl("--no-stats", "dump-flows", bridge, "table=252")


def keys(bench, bridge="br0"):
    """Returns the GRE keys of the tap table's sessions."""
    return {int(word.split(",")[0].split(")")[0], 16)
            for word in tap_flows(bench, bridge).split("key=")[1:]}


def mirrors(bench, *wanted, bridge="br0"):
    """Waits until 'bridge' has flows of sessions with just these keys."""
    until(lambda: keys(bench, bridge) == set(wanted),
          "%s has to mirror with the keys %s" % (bridge, wanted))


@contextlib.contextmanager
def daemon(bench, *options):
    """Runs ovs-rmirrord with 'options'.  Yields the process when it answers.
    Ends with bridges that mirror nothing."""
    process = bench.ovs.daemon(*options)
    try:
        until(lambda: process.poll() is not None or answers(bench),
              "ovs-rmirrord has to answer")
        check(process.poll() is None, "ovs-rmirrord has ended with status %s",
              process.returncode)
        yield process
    finally:
        end(bench, process)
        for bridge in BRIDGES:
            bench.ovs.ofctl("del-flows", bridge, "table=252")
            bench.ovs.vsctl("remove", "bridge", bridge, "other_config",
                            "rmirror-ingress-table")


def end(bench, process):
    if process.poll() is None:
        process.terminate()
        process.wait(5)
    if process in bench.ovs.controllers:
        bench.ovs.controllers.remove(process)


def answers(bench):
    return ctl(bench, "status").stdout


def ctl(bench, *words):
    """Returns the outcome of ovs-rmirrorctl, whatever it is."""
    return subprocess.run([bench.ovs.programs.rmirrorctl(), *words],
                          env=bench.ovs.environment, text=True, timeout=20,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)


def status(bench, bridge="br0"):
    """Returns what the daemon says about 'bridge'."""
    return json.loads(ctl(bench, "status", "--json", "-b", bridge).stdout)[0]


@contextlib.contextmanager
def two_bridges(bench):
    """Runs ovs-rmirrord for two bridges with a policy each; yields the process
    and the names of the policies."""
    paths = [write(os.path.join(bench.directory, "%s.policy" % bridge),
                   rule(number))
             for number, bridge in enumerate(BRIDGES, 1)]
    with daemon(bench, *("--bridge=%s,policy=%s" % pair
                         for pair in zip(BRIDGES, paths))) as process:
        mirrors(bench, 1)
        mirrors(bench, 2, bridge="br-phy2")
        yield process, paths


@case("two bridges mirror each by its own policy")
def own_policies(bench):
    with two_bridges(bench):
        for bridge in BRIDGES:
            until(lambda bridge=bridge: "rmirror-ingress-table" in
                  bench.ovs.vsctl("get", "bridge", bridge, "other_config"),
                  "the tap of %s has to be set" % bridge)
            bench.ovs.vsctl("set", "bridge", bridge, "external_ids:tap=seen")
        bench.ovs.settle()
        sent = [frames.udp(100, 1000), frames.udp(100, 2000)]
        found = copies_of(bench.mirror(sent), [sent[0][:60]])
        equal(found[0].key, 1, "key of br0's copy")

        other = frames.udp(100, 1000)
        bench.collector2.tap.send(other)
        found = []
        until(lambda: found.extend(bench.collected()) or found,
              "br-phy2 has to mirror")
        equal([(copy.key, copy.frame) for copy in found], [(2, other[:60])],
              "br-phy2's copies")


@case("commands concern the bridge that they name, or all")
def commands(bench):
    with two_bridges(bench) as (_, paths):
        listed = ctl(bench, "list", "-n").stdout
        check(all("Bridge %s\nChain PREROUTING" % bridge in listed
                  for bridge in BRIDGES), "list has to show both: %s", listed)
        lists = json.loads(ctl(bench, "list", "--json").stdout)
        equal([entry["bridge"] for entry in lists], list(BRIDGES),
              "bridges of list --json")
        saved = ctl(bench, "-b", "br-phy2", "save").stdout
        check("key 2" in saved and "key 1" not in saved,
              "save -b br-phy2 has to print its policy alone: %s", saved)
        equal(json.loads(ctl(bench, "-b", "br0", "list", "--json").stdout)
              ["bridge"], "br0", "bridge of list --json -b br0")

        write(paths[0], rule(3))
        write(paths[1], rule(4))
        run([bench.ovs.programs.rmirrorctl(), "reload", "-b", "br-phy2"],
            env=bench.ovs.environment)
        mirrors(bench, 4, bridge="br-phy2")
        mirrors(bench, 1)
        bench.ovs.rmirrorctl("clear", "-b", "br-phy2")
        mirrors(bench, bridge="br-phy2")
        mirrors(bench, 1)
        said = bench.ovs.rmirrorctl("reload")
        mirrors(bench, 3)
        mirrors(bench, 4, bridge="br-phy2")
        check("br0: 1 rule" in said and "br-phy2: 1 rule" in said,
              "reload has to name both bridges: %s", said)
        errors = bench.ovs.rmirrorctl("zero", "-b", "br9", expect_failure=True)
        equal(errors, "there is no bridge br9 here, but br0 br-phy2\n",
              "what zero -b br9 says")


@case("a bad policy of one bridge does not hurt the others")
def one_bad_policy(bench):
    with two_bridges(bench) as (_, paths):
        write(paths[0], rule(3))
        write(paths[1], "-A PREROUTING -j NOWHERE")
        errors = bench.ovs.rmirrorctl("reload", expect_failure=True)
        check("%s:2:18: error" % paths[1] in errors
              and "br-phy2: %s is not loaded" % paths[1] in errors,
              "reload has to say what is wrong with br-phy2's policy: %s",
              errors)
        mirrors(bench, 3)
        mirrors(bench, 2, bridge="br-phy2")
        equal([ctl(bench, "status", "-b", bridge).returncode
               for bridge in BRIDGES], [0, 1], "exit status of status")
        check("%s:2:18" % paths[1] in status(bench, "br-phy2")["policy_error"],
              "status has to say what is wrong")
    # The same at the start.
    with daemon(bench, *("--bridge=%s,policy=%s" % pair
                         for pair in zip(BRIDGES, paths))):
        mirrors(bench, 3)
        equal(status(bench, "br-phy2")["in_force"], False, "in_force")
        write(paths[1], rule(5))
        bench.ovs.rmirrorctl("reload")
        mirrors(bench, 5, bridge="br-phy2")
        until(lambda: not ctl(bench, "status").returncode,
              "all has to be in order")
