# SPDX-License-Identifier: Apache-2.0
"""ovs-rmirrord as a program: its bridges, its files, its commands."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess

import frames
import pace
from lab import TARGET, check, copies_of, equal, run, until
from registry import case

BRIDGES = "br0", "br-phy2"
UNIT = (pathlib.Path(__file__).resolve().parents[3] / "controller"
        / "ovs-rmirrord.service.in")
# What "systemd-analyze security" may find: 10 times the exposure.
EXPOSURE = 16


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
def daemon(bench, *options, through=()):
    """Runs ovs-rmirrord with 'options', through the command 'through' if there
    is one.  Yields the process when it answers.  Ends with bridges that mirror
    nothing."""
    process = bench.ovs.daemon(*options, through=through)
    try:
        answers(bench, process)
        yield process
    finally:
        end(bench, process)
        clear(bench)


def clear(bench):
    """Lets the bridges mirror nothing."""
    for bridge in BRIDGES:
        bench.ovs.ofctl("del-flows", bridge, "table=252")
        bench.ovs.vsctl("remove", "bridge", bridge, "other_config",
                        "rmirror-ingress-table")


def end(bench, process):
    if process.poll() is None:
        process.terminate()
        process.wait(pace.seconds(5))
    if process in bench.ovs.controllers:
        bench.ovs.controllers.remove(process)


def answers(bench, process):
    """Waits until 'process' answers."""
    until(lambda: process.poll() is not None or ctl(bench, "status").stdout,
          "ovs-rmirrord has to answer")
    check(process.poll() is None, "ovs-rmirrord has ended with status %s",
          process.returncode)


def refused(bench, *options):
    """Starts ovs-rmirrord with 'options' and waits until it ends, which it has
    to, with an error."""
    process = bench.ovs.daemon(*options)
    try:
        check(process.wait(pace.seconds(10)),
              "ovs-rmirrord has ended without an error")
    finally:
        end(bench, process)


def log_size(bench):
    path = os.path.join(bench.ovs.logs, "ovs-rmirrord.log")
    return os.path.getsize(path) if os.path.exists(path) else 0


def log_of(bench, since):
    """Returns what ovs-rmirrord has logged after the first 'since' bytes."""
    with open(os.path.join(bench.ovs.logs, "ovs-rmirrord.log"), "rb") as file:
        file.seek(since)
        return file.read().decode()


def ctl(bench, *words):
    """Returns the outcome of ovs-rmirrorctl, whatever it is."""
    return subprocess.run([bench.ovs.programs.rmirrorctl(), *words],
                          env=bench.ovs.environment, text=True,
                          timeout=pace.seconds(20),
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


@case("ovs-appctl gives the daemon the same commands")
def appctl(bench):
    def ask(*words, expect_failure=False):
        return bench.ovs.appctl("-t", "ovs-rmirrord", *words,
                                expect_failure=expect_failure)

    with two_bridges(bench) as (_, paths):
        for bridge in BRIDGES:
            equal(ask("save", bridge),
                  bench.ovs.rmirrorctl("save", "-b", bridge), "save " + bridge)
        equal(ask("save"), bench.ovs.rmirrorctl("save").replace("\n\n", "\n"),
              "save")
        bench.mirror([frames.udp(100, 1000)])
        until(lambda: "[1:100] -A PREROUTING" in ask("save", "-c", "br0"),
              "save -c has to show the counters")
        ask("zero", "br0")
        until(lambda: "[0:0] -A PREROUTING" in ask("save", "-c", "br0"),
              "zero has to set the counters to 0")
        equal([entry["bridge"] for entry in json.loads(ask("list"))],
              list(BRIDGES), "bridges of list")
        equal([entry["good"] for entry in json.loads(ask("status", "--json"))],
              [True, True], "what status --json says")
        check("bridge: br0" in ask("status", "br0"), "status has to show br0")
        explained = ask("explain", "--json", "--output=server",
                        "in_port=client,udp,ip_src=10.0.0.1", "br0")
        equal(json.loads(explained), json.loads(bench.ovs.rmirrorctl(
            "explain", "in_port=client,udp,ip_src=10.0.0.1", "--output",
            "server", "-b", "br0", "--json")), "explain --json")
        check("name one: br0 br-phy2" in ask(
            "explain", "in_port=client,arp", expect_failure=True),
              "explain has to ask for the bridge")
        check("in_port" in ask("explain", "tcp", "br0", expect_failure=True),
              "explain has to ask for the port")
        write(paths[0], rule(3))
        ask("reload")
        mirrors(bench, 3)
        ask("clear", "br0")
        mirrors(bench)
        equal(ask("save", "br0"), bench.ovs.rmirrorctl("save", "-b", "br0"),
              "save without a policy")
        ask("reload", "br9", expect_failure=True)


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


@case("a policy that is no UTF-8 is listed, and refused, like any other")
def no_utf8(bench):
    with folder(bench) as where:
        path = where + "/policy"

        def write_bytes(text):
            with open(path, "wb") as file:
                file.write(b"*rmirror\n" + text + b"\nCOMMIT\n")

        write_bytes(b"-A PREROUTING -m comment --comment \xe4 -j RMIRROR"
                    b" --target %s --key 1" % TARGET.encode())
        with daemon(bench, "--bridge=br0", "--policy=" + path):
            mirrors(bench, 1)
            listed = json.loads(ctl(bench, "list", "--json").stdout)
            check("\ufffd" in listed["chains"][0]["rules"][0]["rule"],
                  "the comment has to be listed: %s", listed)
            write_bytes(b"-A PREROUTING -j \xe4")
            said = ctl(bench, "reload")
            equal(said.returncode, 1, "exit status of reload")
            check("%s:2:18: error" % path in said.stderr,
                  "reload has to say what is wrong: %s", said.stderr)
            check("2:18: error" in status(bench)["policy_error"],
                  "status has to say what is wrong")
            mirrors(bench, 1)


@case("SIGHUP makes the daemon read the policies of all bridges again")
def hangup(bench):
    with two_bridges(bench) as (process, paths):
        write(paths[0], rule(3))
        write(paths[1], rule(4))
        process.send_signal(signal.SIGHUP)
        mirrors(bench, 3)
        mirrors(bench, 4, bridge="br-phy2")


@contextlib.contextmanager
def folder(bench):
    """Yields the name of an empty folder."""
    name = os.path.join(bench.directory, "daemon")
    os.mkdir(name)
    try:
        yield name
    finally:
        shutil.rmtree(name)


@case("with --watch a policy that is renamed into place is loaded")
def watch_rename(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        with daemon(bench, "--bridge=br0", "--policy=" + path, "--watch"):
            mirrors(bench, 1)
            for key in 2, 3:
                os.rename(write(where + "/new", rule(key)), path)
                mirrors(bench, key)
            write(path, rule(4))
            mirrors(bench, 4)
            os.unlink(path)
            until(lambda: status(bench)["policy_error"],
                  "status has to say that the policy is gone")
            mirrors(bench, 4)
            write(path, rule(5))
            mirrors(bench, 5)


@case("with --watch half a policy changes nothing", 30)
def watch_partial(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        with daemon(bench, "--bridge=br0", "--policy=" + path, "--watch"):
            mirrors(bench, 1)
            text = policy_text(rule(2), rule(3, 2000))
            half = text[:text.index("COMMIT")]
            # Who closes half a file gets an error, and nothing changes.
            with open(path, "w", encoding="utf-8") as file:
                file.write(half)
            until(lambda: "ends without COMMIT" in
                  status(bench)["policy_error"],
                  "status has to say that half the policy is missing")
            mirrors(bench, 1)
            # Who is writing is waited for.
            size = log_size(bench)
            with open(path, "w", encoding="utf-8") as file:
                for letter in text:
                    file.write(letter)
                    file.flush()
            mirrors(bench, 2, 3)
            log = log_of(bench, size)
            equal((log.count("reloading"), "ERR" in log), (1, False),
                  "reloads and errors of a policy written letter by letter")


@case("with --watch many changes in a moment are one reload")
def watch_burst(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        sets = os.path.join(where, "sets")
        with open(sets, "w", encoding="utf-8"):
            pass
        with daemon(bench, "--bridge=br0", "--policy=" + path, "--sets=" + sets,
                    "--watch") as process:
            mirrors(bench, 1)
            size = log_size(bench)
            # Nothing that happens while it stands still can be told apart.
            process.send_signal(signal.SIGSTOP)
            for number in range(100):
                with open(sets, "w", encoding="utf-8") as file:
                    file.write("create web hash:ip family inet\n"
                               "add web 10.0.0.%d\n" % number)
                os.rename(write(where + "/new", "-A PREROUTING -m set"
                                " --match-set web src -j RMIRROR --target %s"
                                " --key %d" % (TARGET, 2 + number)), path)
            process.send_signal(signal.SIGCONT)
            mirrors(bench, 101)
            check("nw_src=10.0.0.99" in tap_flows(bench),
                  "the sets have to be read, too")
            equal(log_of(bench, size).count("reloading"), 1, "reloads")


@case("with --watch symbolic links are followed, as Kubernetes swaps them")
def watch_links(bench):
    with folder(bench) as where:
        for key in 1, 2, 3:
            os.mkdir("%s/..%d" % (where, key))
            write("%s/..%d/policy" % (where, key), rule(key))
        os.symlink("..1", where + "/..data")
        os.symlink("..data/policy", where + "/policy")
        with daemon(bench, "--bridge=br0", "--policy=" + where + "/policy",
                    "--watch"):
            mirrors(bench, 1)
            for key in 2, 3:
                os.symlink("..%d" % key, where + "/..data_tmp")
                os.rename(where + "/..data_tmp", where + "/..data")
                shutil.rmtree("%s/..%d" % (where, key - 1))
                mirrors(bench, key)
            equal(status(bench)["policy_error"], "", "policy_error")


@case("a bad policy at the start ends the daemon, if there is no last good one")
def bad_start(bench):
    with folder(bench) as where:
        path = write(where + "/policy", "-A PREROUTING -j NOWHERE")
        options = "--bridge=br0", "--policy=" + path
        refused(bench, *options)
        refused(bench, *options, "--state-dir=" + where + "/state")


@case("with --state-dir the last good policy stands in for a bad one", 30)
def last_good(bench):
    with folder(bench) as where:
        path = where + "/policy"
        sets = where + "/sets"
        write(path, "-A PREROUTING -m set --match-set web src -j RMIRROR"
              " --target %s --key 1" % TARGET)
        with open(sets, "w", encoding="utf-8") as file:
            file.write("create web hash:ip family inet\nadd web 10.0.0.1\n")
        state = where + "/state"
        options = ("--bridge=br0", "--policy=" + path, "--sets=" + sets,
                   "--state-dir=" + state)
        with daemon(bench, *options) as process:
            mirrors(bench, 1)
            until(lambda: os.path.exists(state + "/br0.policy"),
                  "the policy has to be kept")
            equal(os.stat(state + "/br0.policy").st_mode & 0o777, 0o600,
                  "mode of the copy")
            before = tap_flows(bench)
            process.kill()
            process.wait(pace.seconds(5))
            write(path, "-A PREROUTING -j NOWHERE")
            os.unlink(sets)
            size = log_size(bench)
            bench.ovs.ofctl("del-flows", "br0", "table=252")
        with daemon(bench, *options):
            until(lambda: tap_flows(bench) == before,
                  "the last good policy has to be in force")
            log = log_of(bench, size)
            check(re.search(r"\|ERR\|br0: the last good policy is used"
                            r" instead of %s" % re.escape(path), log),
                  "the log has to say so: %s", log)
            said = ctl(bench, "status")
            equal(said.returncode, 1, "exit status of status")
            check(state + "/br0.policy" in said.stdout,
                  "status has to name the copy: %s", said.stdout)
            bench.ovs.rmirrorctl("reload", expect_failure=True)
            equal(tap_flows(bench), before, "flows after a bad reload")

            write(path, rule(2))
            with open(sets, "w", encoding="utf-8"):
                pass
            bench.ovs.rmirrorctl("reload")
            mirrors(bench, 2)
            until(lambda: not ctl(bench, "status").returncode,
                  "all has to be in order")


@case("killed at any moment, the daemon has a good policy to start with", 60)
def killed(bench):
    with folder(bench) as where:
        path = where + "/policy"
        options = ("--bridge=br0", "--policy=" + path,
                   "--state-dir=" + where + "/state", "--watch")
        for number in range(1, 5):
            write(path, rule(number))
            with daemon(bench, *options) as process:
                mirrors(bench, number)
                until(lambda: os.path.exists(where + "/state/br0.policy"),
                      "the first policy has to be kept")
                for change in range(20 * number):
                    write(path, rule(1000 + change))
                    process.send_signal(signal.SIGHUP)
                process.kill()
                process.wait(pace.seconds(5))
            write(path, "-A PREROUTING -j NOWHERE")
            with daemon(bench, *options):
                until(lambda: status(bench)["state"] == "up to date"
                      and len(keys(bench)) == 1,
                      "a policy has to be in force")


@case("a policy that cannot be kept is in force all the same")
def not_kept(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        state = write(where + "/state")     # A file.
        size = log_size(bench)
        with daemon(bench, "--bridge=br0", "--policy=" + path,
                    "--state-dir=" + state):
            mirrors(bench, 1)
            for key in 2, 3:
                write(path, rule(key))
                bench.ovs.rmirrorctl("reload")
                mirrors(bench, key)
            equal(log_of(bench, size).count("not kept for the next start"), 1,
                  "warnings")
            check("Not a directory" in status(bench)["keep_error"],
                  "status has to say why the policy is not kept")
            os.unlink(state)
            write(path, rule(4))
            bench.ovs.rmirrorctl("reload")
            equal(status(bench)["keep_error"], "", "keep_error")


@case("a disk that is full does not hurt the mirror, nor the copy that it has")
def full_disk(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        state = os.path.join(where, "state")
        os.mkdir(state)
        # In a mount namespace of its own, there are 8 kB for the copy.
        with daemon(bench, "--bridge=br0", "--policy=" + path,
                    "--state-dir=" + state, "--watch",
                    through=("unshare", "--mount", "sh", "-c",
                             'mount -t tmpfs -o size=8k none "$0" && exec "$@"',
                             state)) as process:
            mirrors(bench, 1)
            inside = "/proc/%d/root%s/br0.policy" % (process.pid, state)
            until(lambda: os.path.exists(inside), "the policy has to be kept")
            with open(inside, encoding="utf-8") as file:
                before = file.read()
            write(path, rule(2), *("# %s" % ("x" * 80) for _ in range(100)))
            mirrors(bench, 2)
            until(lambda: "No space left" in status(bench)["keep_error"],
                  "status has to say why the policy is not kept")
            with open(inside, encoding="utf-8") as file:
                equal(file.read(), before, "the copy")
            equal(os.listdir(os.path.dirname(inside)), ["br0.policy"],
                  "files in the folder")


def unit_text(bench):
    """Returns the unit of systemd for the programs under test."""
    text = UNIT.read_text(encoding="utf-8")
    for name, folder in (
            ("bindir", os.path.dirname(bench.ovs.programs.rmirrorctl())),
            ("sbindir", os.path.dirname(bench.ovs.programs.rmirrord())),
            ("localstatedir", "/var")):
        text = text.replace("@%s@" % name, os.path.abspath(folder))
    return text


def unit_command(text, name, environment):
    """Returns the command 'name' of the unit 'text', as systemd would make it
    from 'environment'."""
    line = re.search(r"^%s=(.*)$" % name, text.replace("\\\n", " "),
                     re.MULTILINE).group(1)
    command = []
    for word in line.split():
        if word.startswith("$") and not word.startswith("${"):
            command += shlex.split(environment[word[1:]])
        else:
            command.append(re.sub(r"\$\{(\w+)\}",
                                  lambda name: environment[name.group(1)],
                                  word))
    return command


@case("the unit of systemd is right, and leaves the daemon little")
def unit_is_right(bench):
    with folder(bench) as where:
        path = where + "/ovs-rmirrord.service"
        pathlib.Path(path).write_text(unit_text(bench), encoding="utf-8")
        equal(run(["systemd-analyze", "verify", "--man=no", path]), "",
              "what systemd-analyze verify says")
        run(["systemd-analyze", "security", "--no-pager", "--offline=true",
             "--threshold=%d" % EXPOSURE, path])


@case("the commands of the unit start the daemon, reload it and end it")
def unit_works(bench):
    with folder(bench) as where, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = write(where + "/policy", rule(1))
        environment = {"OPTIONS": "--bridge=br0 '--policy=%s'" % path,
                       "STATE_DIRECTORY": where + "/state"}
        manager.bind(where + "/notify")
        manager.settimeout(pace.seconds(10))
        text = unit_text(bench)
        process = bench.ovs.controller(
            "env", "NOTIFY_SOCKET=" + where + "/notify",
            *unit_command(text, "ExecStart", environment))
        try:
            equal(manager.recv(100), b"READY=1", "what systemd gets")
            mirrors(bench, 1)
            until(lambda: os.path.exists(where + "/state/br0.policy"),
                  "the policy has to be kept")
            write(path, rule(2))
            run(unit_command(text, "ExecReload", environment),
                env=bench.ovs.environment)
            mirrors(bench, 2)
            process.terminate()
            equal(process.wait(pace.seconds(10)), -signal.SIGTERM,
                  "exit status")
            mirrors(bench, 2)
        finally:
            end(bench, process)
            clear(bench)
