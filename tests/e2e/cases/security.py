# SPDX-License-Identifier: Apache-2.0
"""What ovs-rmirrord does not let a policy, its author or a peer do."""

import os

import frames
import wire
from cases.daemon import (ctl, daemon, end, folder, mirrors, refused, rule,
                          status, write)
from lab import (COLLECTOR_MAC, PHY_MAC, TARGET, TARGET6, TUNNEL, check,
                 copies_of, equal, until)
from registry import case

NOBODY = 65534
ELSEWHERE = "203.0.113.5"


def rule_to(target, key):
    return ("-A PREROUTING -p udp --dport 1000 -j RMIRROR --len 60 --key %d"
            " --target %s" % (key, target))


@case("a policy with a target that --allow-targets does not allow is refused,"
      " and the one in force stays", 60)
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


@case("a last good policy whose targets are no longer allowed is not used", 60)
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


def mode(path):
    return os.stat(path).st_mode & 0o7777


@case("files and sockets of the daemon are for nobody else to write, whatever"
      " the umask, and its policies for nobody else to read", 60)
def modes(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        state = where + "/state"
        with daemon(bench, "--bridge=br0", "--policy=" + path,
                    "--state-dir=" + state, through=(
                        "sh", "-c", 'umask 0; exec "$@"', "sh")) as process:
            mirrors(bench, 1)
            until(lambda: os.path.exists(state + "/br0.policy"),
                  "the policy has to be kept")
            equal((mode(state), mode(state + "/br0.policy")), (0o700, 0o600),
                  "modes of the state")
            socket_name = "%s/ovs-rmirrord.%d.ctl" % (bench.directory,
                                                      process.pid)
            equal(mode(socket_name) & 0o007, 0,
                  "what others may do with the control socket")
            equal(mode(bench.directory + "/ovs-rmirrord.pid") & 0o022, 0,
                  "who else may write the pidfile")


@case("with --user the daemon mirrors without root and without capabilities", 60)
def user(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        os.chmod(path, 0o644)
        os.chmod(bench.directory, 0o755)
        run_directory = where + "/run"
        os.mkdir(run_directory)
        os.chown(run_directory, NOBODY, NOBODY)
        os.chmod(where, 0o755)
        sockets = [bench.directory + "/" + name
                   for name in ("br0.mgmt", "db.sock")]
        for name in sockets:
            os.chown(name, NOBODY, NOBODY)
        process = bench.ovs.controller(
            bench.ovs.programs.rmirrord(), "-vconsole:off",
            "--bridge=unix:" + sockets[0], "--policy=" + path,
            "--db=unix:" + sockets[1], "--user=nobody:nogroup",
            "--unixctl=" + run_directory + "/ctl",
            "--pidfile=" + run_directory + "/pid")
        try:
            bench.ovs.vsctl("set", "bridge", "br0",
                            "other_config:rmirror-ingress-table=252")
            mirrors(bench, 1)
            with open("/proc/%d/status" % process.pid,
                      encoding="ascii") as file:
                said = dict(line.rstrip("\n").split(":\t", 1) for line in file)
            equal(said["Uid"].split(), [str(NOBODY)] * 4, "users")
            equal({int(said[name], 16) for name in ("CapPrm", "CapEff",
                                                    "CapInh", "CapAmb")},
                  {0}, "capabilities")
            bench.ovs.settle()
            sent = [frames.udp(100, 1000)]
            copies_of(bench.mirror(sent), [sent[0][:60]])
        finally:
            end(bench, process)
            for name in sockets:
                os.chown(name, 0, 0)
            os.chmod(bench.directory, 0o700)
            bench.ovs.ofctl("del-flows", "br0", "table=252")


@case("a table of rules in HTML has what a policy says as text", 60)
def html(bench):
    with folder(bench) as where:
        path = write(where + "/policy",
                     '-A PREROUTING -m comment --comment "<script>&</script>"'
                     " -i <b>port</b> -j RMIRROR --target " + TARGET6)
        with daemon(bench, "--bridge=br0", "--policy=" + path):
            until(lambda: ctl(bench, "list").stdout.count("RMIRROR"),
                  "the policy has to be in force")
            table = bench.ovs.rmirrorctl("list", "--format=html")
            check("&lt;script&gt;&amp;&lt;/script&gt;" in table
                  and "&lt;b&gt;port&lt;/b&gt;" in table
                  and "<script" not in table and "<b>" not in table,
                  "the table: %s", table)


@case("GRE that a collector sends back gets into no bridge, and is not mirrored",
      60)
def gre_back(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=60),NORMAL" % TARGET)
    outer = (bytes.fromhex((PHY_MAC + COLLECTOR_MAC).replace(":", "")))
    inner = frames.udp(100, 1000)
    for key in None, 1:
        # To the host, as if it were a copy that the host has sent.
        frame = frames.gre(TARGET, TUNNEL, inner, key=key)
        bench.collector.tap.send(outer + frame[12:])
    for _ in range(2):
        token = bench.token()
        bench.collector.tap.send(wire.marker(PHY_MAC, COLLECTOR_MAC, token))
        bench.phy.until(token)
    for host in bench.server, bench.third:
        equal(bench.arrive(bench.client, host), [], "frames at a host")
    equal(bench.collected(), [], "copies")
