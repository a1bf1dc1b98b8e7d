# SPDX-License-Identifier: Apache-2.0
"""The audit log of ovs-rmirrord: who has changed the policy, and how."""

import hashlib
import os
import re
import signal
import subprocess

import pace
from cases.daemon import (ctl, daemon, end, folder, log_of, log_size, mirrors,
                          rule, status, write)
from lab import check, equal, until
from registry import case

NOBODY = 65534


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha1(file.read()).hexdigest()


def audited(bench, since, wanted):
    """Waits for a line of the audit log after the first 'since' bytes of the
    log, and checks that it is the only one, but for taps, and is as the regular
    expression 'wanted' says."""
    def lines():
        return [line.split("|", 2)[2]
                for line in log_of(bench, since).splitlines()
                if "|audit|" in line and ": taps " not in line]

    until(lines, "the audit log has to say %s" % wanted)
    found = lines()
    check(len(found) == 1 and re.search("^audit\\|" + wanted + "$", found[0]),
          "audit log: %s, expected %s", found, wanted)


def added(*keys):
    return r"%d added \(%s\)" % (len(keys), "; ".join(
        r"-A PREROUTING -p udp -m udp --dport 1000 -j RMIRROR --target \S+"
        " --len 60 --key %d" % key for key in keys))


def removed(*keys):
    return added(*keys).replace("added", "removed")


@case("the audit log says who has changed a policy, what was added and removed,"
      " and the digests of the files", 60)
def changes(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        since = log_size(bench)
        first = digest(path)
        with daemon(bench, "--bridge=br0", "--policy=" + path) as process:
            mirrors(bench, 1)
            audited(bench, since,
                    r"INFO\|br0: policy loaded by the start of the daemon: 1"
                    r" rule, %s, 0 removed; %s sha1 %s"
                    % (added(1), path, first))
            until(lambda: "audit|INFO|br0: taps set: other_config: "
                  "rmirror-ingress-table=252" in log_of(bench, since),
                  "the audit log has to tell of the taps")

            write(path, rule(2))
            second = digest(path)
            since = log_size(bench)
            with subprocess.Popen(
                    [bench.ovs.programs.rmirrorctl(), "reload"],
                    env=bench.ovs.environment,
                    stdout=subprocess.DEVNULL) as command:
                equal(command.wait(pace.seconds(20)), 0, "reload")
            audited(bench, since,
                    r"INFO\|br0: policy loaded by a command of pid %d of user"
                    r" root \(0\): 1 rule, %s, %s; %s sha1 %s -> %s"
                    % (command.pid, added(2), removed(1), path, first, second))

            since = log_size(bench)
            process.send_signal(signal.SIGHUP)
            audited(bench, since,
                    r"INFO\|br0: policy loaded by SIGHUP from pid %d of user"
                    r" root \(0\): 1 rule, 0 added, 0 removed; %s sha1 %s"
                    % (os.getpid(), path, second))

            write(path, "-A PREROUTING -j NOWHERE")
            since = log_size(bench)
            equal(ctl(bench, "reload").returncode, 1, "exit status of reload")
            audited(bench, since,
                    r"WARN\|br0: policy refused, by a command of pid \d+ of"
                    r" user root \(0\): %s:2:18: error: .*; %s sha1 %s -> %s"
                    % (path, path, second, digest(path)))
            mirrors(bench, 2)

            since = log_size(bench)
            bench.ovs.rmirrorctl("clear")
            audited(bench, since,
                    r"INFO\|br0: policy cleared by a command of pid \d+ of user"
                    r" root \(0\): 0 rules, 1 removed")
            until(lambda: "taps set: other_config: neither" in
                  log_of(bench, since), "the audit log has to tell of the taps")


@case("the audit log names the owner of a file that --watch has loaded", 60)
def watched(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        with daemon(bench, "--bridge=br0", "--policy=" + path, "--watch"):
            mirrors(bench, 1)
            new = write(where + "/new", rule(2))
            os.chown(new, NOBODY, NOBODY)
            os.utime(new, (1000000000, 1000000000))
            since = log_size(bench)
            os.rename(new, path)
            mirrors(bench, 2)
            audited(bench, since,
                    r"INFO\|br0: policy loaded by a change of %s, owned by user"
                    r" nobody \(65534\), of 2001-09-09T01:46:40Z: .*" % path)
            since = log_size(bench)
            write(path, "-A PREROUTING -j NOWHERE")
            audited(bench, since,
                    r"WARN\|br0: policy refused, by a change of %s, owned by"
                    r" .*" % path)
            check(status(bench)["in_force"], "a policy has to be in force")


@case("a rule cannot write lines of its own into the log", 60)
def injected(bench):
    with folder(bench) as where:
        path = where + "/policy"
        with open(path, "wb") as file:
            file.write(b"*rmirror\n-A PREROUTING -m comment --comment"
                       b" \"a\x1b[2J\x85b\" -j RMIRROR --target 192.0.2.9"
                       b"\nCOMMIT\n")
        since = log_size(bench)
        with daemon(bench, "--bridge=br0", "--policy=" + path):
            until(lambda: "|audit|" in log_of(bench, since),
                  "the audit log has to tell of the policy")
            line = next(line for line in log_of(bench, since).splitlines()
                        if "|audit|" in line)
            check(r'--comment "a\x1b[2J\x85b"' in line, "audit log: %s", line)


@case("the audit log can go where the rest of the log does not", 60)
def apart(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        log = where + "/audit.log"
        process = bench.ovs.controller(
            bench.ovs.programs.rmirrord(), "--bridge=br0", "--policy=" + path,
            "--pidfile", "-vconsole:off", "-vsyslog:off", "-vfile:off",
            "-vaudit:file:info", "--log-file=" + log)
        try:
            mirrors(bench, 1)
            until(lambda: os.path.exists(log) and os.path.getsize(log) > 0,
                  "there has to be an audit log")
            with open(log, encoding="utf-8") as file:
                modules = {line.split("|")[2] for line in file}
            equal(modules, {"audit"}, "modules in the audit log")
        finally:
            end(bench, process)
            bench.ovs.ofctl("del-flows", "br0", "table=252")
            bench.ovs.vsctl("remove", "bridge", "br0", "other_config",
                            "rmirror-ingress-table")
