# SPDX-License-Identifier: Apache-2.0
"""What the controller says of the targets: copies, drops, health."""

import json
import os

import frames
from cases.daemon import ctl, daemon, mirrors, status
from lab import TARGET, check, equal, until
from registry import case

LATELY = 2      # Seconds.
FAR = "203.0.113.9"
ROUTE = "route %%s 203.0.113.0/24 via %s dev br-phy" % TARGET


def write(bench, *targets):
    """Writes a policy that mirrors UDP to port 1000 + K to the Kth target, with
    key K."""
    path = os.path.join(bench.directory, "sessions.policy")
    with open(path, "w", encoding="utf-8") as file:
        file.write("*rmirror\n" + "".join(
            "-A PREROUTING -p udp --dport %d -j RMIRROR --target %s --len 60"
            " --key %d\n" % (1000 + key, target, key)
            for key, target in enumerate(targets, 1)) + "COMMIT\n")
    return path


def sessions(bench):
    """Returns what status says of each session, by key."""
    return {session["key"]: session for session in status(bench)["sessions"]}


def turns(bench, key, health):
    """Waits until the health of the session 'key' is 'health'."""
    until(lambda: sessions(bench)[key]["health"] == health,
          "the health of session %d has to become %s" % (key, health))


@case("status and list show what each target gets, and why it does not", 60)
def broken_route(bench):
    bench.switch.ip(ROUTE % "add")
    try:
        bench.wait_route(FAR, "br-phy")
        with daemon(bench, "--bridge=br0",
                    "--policy=" + write(bench, TARGET, FAR),
                    "--lately=%d" % LATELY):
            mirrors(bench, 1, 2)
            until(lambda: status(bench)["tier"] == "userspace",
                  "status has to name the tier")
            before = sessions(bench)
            equal([before[key]["health"] for key in (1, 2)], ["idle", "idle"],
                  "health before the first packet")
            bench.mirror([frames.udp(100, 1001), frames.udp(100, 1002)])
            for key in 1, 2:
                until(lambda key=key: sessions(bench)[key]["copies"]
                      == before[key]["copies"] + 1,
                      "session %d has to count a copy" % key)
            said = ctl(bench, "status")
            equal(said.returncode, 0, "exit status: " + said.stdout)

            bench.switch.ip(ROUTE % "del")
            bench.wait_route(FAR, None)
            bench.mirror([frames.udp(100, 1001), frames.udp(100, 1002)])
            turns(bench, 2, "no_route")
            equal(sessions(bench)[2].get("way", ""), None,
                  "the way without a route")
            said = ctl(bench, "status")
            # Both the drop and the answer may have become old meanwhile.
            check(said.returncode == 1 and "no_route  %s --key 2" % FAR
                  in said.stdout or sessions(bench)[2]["health"] == "idle",
                  "status has to fail: %s", said.stdout)
            equal(sessions(bench)[2]["drops"]["no_route"],
                  before[2].get("drops", {}).get("no_route", 0) + 1,
                  "copies without a route")
            listed = ctl(bench, "list", "-v").stdout
            check("tier userspace" in listed and "dropped: no_route" in listed,
                  "list -v has to show the sessions: %s", listed)
            check("Targets" not in ctl(bench, "list").stdout,
                  "list without -v has to show rules alone")
            equal([session["key"] for session in json.loads(
                ctl(bench, "list", "--json").stdout)["sessions"]], [1, 2],
                  "keys in list --json")

            bench.switch.ip(ROUTE % "add")
            bench.wait_route(FAR, "br-phy")
            until(lambda: sessions(bench)[2]["way"] == {
                "device": "br-phy", "next_hop": TARGET, "resolved": True},
                  "the way has to be back")
            until(lambda: not ctl(bench, "status").returncode,
                  "status has to be good some time after the last drop")
            equal(sessions(bench)[2]["recent_drops"]["no_route"], 0,
                  "drops lately")
    finally:
        bench.switch.run("ip", "route", "flush", "203.0.113.0/24")


@case("status says that there are no counters without the local ovs-vswitchd",
      60)
def no_counters(bench):
    path = write(bench, TARGET)
    # A bridge that is given by its connection may be that of any host.
    with daemon(bench, "--bridge=unix:%s/br0.mgmt" % bench.directory,
                "--policy=" + path):
        until(lambda: not ctl(bench, "status").returncode,
              "status has to be good")
        said = ctl(bench, "status").stdout
        check("counters are not known: only those of bridges of this host"
              in said and "unknown   %s --key 1" % TARGET in said,
              "status has to say what is not known: %s", said)
