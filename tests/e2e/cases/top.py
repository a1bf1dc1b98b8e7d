# SPDX-License-Identifier: Apache-2.0
"""ovs-rmirrorctl top, in a real terminal (tmux) and as plain text."""

import contextlib
import itertools
import json
import os
import re
import subprocess
import threading

import frames
from cases.explain import controller
from lab import TARGET, TARGET_B, check, equal, run, until
from registry import case

SIZE = 1000
RULES = (
    "-A PREROUTING -p tcp --dport 9 -j RMIRROR --target %s" % TARGET_B,
    "-A PREROUTING -p udp --dport 4001 -j RMIRROR --target %s --len 60 --key 7"
    % TARGET,
    "-A PREROUTING -p udp --dport 4000:4001 -j RMIRROR --target %s --len 100"
    % TARGET,
)

_numbers = itertools.count()


@contextlib.contextmanager
def traffic(bench):
    """Sends frames in the background: each time two to port 4000, and one to
    4001, which the second and the third rule mirror."""
    stop = threading.Event()
    burst = [frames.udp(SIZE, 4000), frames.udp(SIZE, 4001),
             frames.udp(SIZE, 4000)]

    def send():
        while not stop.wait(0.05):
            bench.send(bench.client, burst)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        bench.drain()


class Tmux:
    """A terminal of 'width' columns and 'height' lines in which a shell
    runs."""

    def __init__(self, bench, width=100, height=12):
        self.bench = bench
        self.socket = os.path.join(bench.directory, "tmux%d" % next(_numbers))
        # No daemon: it ends with this process, and what runs in it with it.
        self.server = bench.ovs.controller(
            "env", "TERM=xterm", "LC_ALL=C.UTF-8", "PS1=$ ", "tmux", "-S",
            self.socket, "-f", "/dev/null", "-D")
        until(lambda: os.path.exists(self.socket), "tmux has to start")
        self.tmux("set-option", "-g", "default-shell", "/bin/sh", ";",
                  "set-option", "-g", "status", "off", ";",
                  "new-session", "-d", "-x", str(width), "-y", str(height),
                  "/bin/sh")
        self.tmux("set-option", "-g", "window-size", "manual")

    def close(self):
        self.server.terminate()
        self.server.wait(10)
        self.bench.ovs.controllers.remove(self.server)

    def tmux(self, *words):
        return run(["tmux", "-N", "-S", self.socket, *words])

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def screen(self):
        return self.tmux("capture-pane", "-p").split("\n")

    def shows(self, pattern, what):
        """Waits until a line matches 'pattern', and returns the screen."""
        def seen():
            lines = self.screen()
            return any(re.search(pattern, line) for line in lines) and lines
        try:
            return until(seen, what, 30)
        except Exception as error:
            raise type(error)("%s; the screen: %s"
                              % (error, "\n".join(self.screen()))) from error

    def state(self):
        """Returns whether the alternate screen is on, whether the cursor is
        shown, and whether the keypad sends its own codes."""
        return self.tmux("display-message", "-p", "#{alternate_on} "
                         "#{cursor_flag} #{keypad_cursor_flag} "
                         "#{keypad_flag}").strip()


@contextlib.contextmanager
def terminal(bench, **size):
    tmux = Tmux(bench, **size)
    try:
        yield tmux
    finally:
        tmux.close()


def rules_shown(lines):
    """Returns the numbers of the rules on a screen, in order."""
    return [int(found.group(1)) for found in
            (re.search(r"PREROUTING +(\d+) ", line) for line in lines)
            if found]


@case("top shows the rates of rules and targets in a terminal", timeout=60)
def on_screen(bench):
    program = bench.ovs.programs.rmirrorctl()
    with controller(bench, *RULES), terminal(bench) as tmux, traffic(bench):
        tmux.shows(r"\$", "a prompt")
        before = tmux.state()
        tmux.type("stty -g > %s/before" % bench.directory, "Enter")
        tmux.type("%s top -d 0.5" % program, "Enter")
        # Four in five bytes are those of the third rule.
        tmux.shows(r"^ *[1-9][\d.]* +[\d.]+K +[\d.]+K? +\d+ +PREROUTING +3 ",
                   "the rate of the third rule")
        equal(rules_shown(tmux.screen()), [3, 2, 1], "rules by bits")
        lines = tmux.screen()
        check(re.match("ovs-rmirrorctl top - .* rules: 3, dormant: 0, by bits",
                       lines[0]), "heading: %s", lines[0])
        check(re.match("mirrored: [1-9]", lines[1]), "sum: %s", lines[1])

        tmux.type("r")
        equal(rules_shown(tmux.shows("by policy", "the policy's order")),
              [1, 2, 3], "rules by policy")
        tmux.type("p")
        equal(rules_shown(tmux.shows("by packets", "order by packets")),
              [3, 2, 1], "rules by packets")
        tmux.type("t")
        lines = tmux.shows("RULES  TARGET", "targets")
        equal([line.split()[5:] for line in lines if "192.0.2." in line],
              [[TARGET], [TARGET, "--key", "7"], [TARGET_B]], "targets")
        tmux.type("t")
        tmux.shows("CHAIN", "rules again")

        tmux.tmux("resize-window", "-x", "30", "-y", "6")
        lines = tmux.shows(r"^ovs-rmirrorctl top - [\d:]{8}, ?$", "less room")
        until(lambda: len(tmux.screen()[4:]) == 3, "two rules")
        tmux.tmux("resize-window", "-x", "150", "-y", "30")
        tmux.shows("PREROUTING +2 .*--key 7$", "more room")

        tmux.type("q")
        until(lambda: tmux.state() == before, "the screen of before")
        tmux.type("stty -g > %s/after; echo rc=$?" % bench.directory, "Enter")
        tmux.shows(r"^(\$ )?rc=0", "the shell")
        restored(bench)


def restored(bench):
    states = []
    for name in "before", "after":
        with open(os.path.join(bench.directory, name), encoding="utf-8") as file:
            states.append(file.read())
    check(states[0], "stty said nothing")
    equal(states[1], states[0], "the terminal's settings")


@case("top restores the terminal however it ends", timeout=60)
def restores(bench):
    program = bench.ovs.programs.rmirrorctl()
    pidfile = os.path.join(bench.directory, "top.pid")
    with controller(bench, *RULES), terminal(bench) as tmux:
        tmux.shows(r"\$", "a prompt")
        before = tmux.state()
        tmux.type("stty -g > %s/before" % bench.directory, "Enter")
        ways = [("C-c", lambda: tmux.type("C-c")),
                ("C-\\", lambda: tmux.type("C-\\"))]
        for signal in "TERM", "HUP", "ABRT":
            def kill(signal=signal):
                with open(pidfile, encoding="utf-8") as file:
                    run(["kill", "-" + signal, file.read().strip()])
            ways.append((signal, kill))
        for i, (name, end) in enumerate(ways):
            tmux.type("clear", "Enter")
            tmux.type("sh -c 'echo $$ > %s; exec %s top -d 0.5'"
                      % (pidfile, program), "Enter")
            tmux.shows("PREROUTING +3 ", "the rules")
            check(tmux.state() != before, "top does not use the screen")
            end()
            until(lambda: tmux.state() == before, "the screen of before, " + name)
            tmux.type("stty -g > %s/after; echo ended=%d" % (bench.directory, i),
                      "Enter")
            tmux.shows(r"^(\$ )?ended=%d" % i, "the shell")
            restored(bench)
        # With -n, it ends by itself.
        tmux.type("clear; %s top -d 0.1 -n 3; echo by itself: $?" % program,
                  "Enter")
        tmux.shows("^by itself: 0", "the shell")
        equal(tmux.state(), before, "state")
        tmux.type("clear; TERM=none-such %s top; echo no terminal: $?" % program,
                  "Enter")
        lines = tmux.shows("^no terminal: 2", "the shell")
        check(any("TERM=none-such" in line and "--batch" in line
                  for line in lines), "%s", "\n".join(lines))


@case("top goes on when the daemon is away for a while", timeout=60)
def daemon_away(bench):
    with terminal(bench) as tmux:
        tmux.shows(r"\$", "a prompt")
        with controller(bench, *RULES):
            tmux.type("%s top -d 0.3" % bench.ovs.programs.rmirrorctl(),
                      "Enter")
            tmux.shows("PREROUTING +3 ", "the rules")
        lines = tmux.shows("ovs-rmirrord.pid: ", "what is wrong")
        equal(sorted(rules_shown(lines)), [1, 2, 3], "rules of before")
        with controller(bench, *RULES[:2]):
            lines = tmux.shows("rules: 2,", "the new rules")
            equal(sorted(rules_shown(lines)), [1, 2], "rules")
            tmux.type("q")
            tmux.shows(r"\$ ", "the shell")


@case("top works with 1,000 rules", timeout=60)
def many(bench):
    rules = ["-A PREROUTING -p udp --dport %d -j RMIRROR --target %s --len 60"
             % (3001 + i, TARGET) for i in range(1000)]
    with controller(bench, *rules), terminal(bench) as tmux, traffic(bench):
        tmux.shows(r"\$", "a prompt")
        tmux.type("%s top -d 0.5" % bench.ovs.programs.rmirrorctl(), "Enter")
        lines = tmux.shows(r"^ *[1-9].* PREROUTING +1000 ", "the busiest rule")
        equal(rules_shown(lines)[:2], [1000, 1], "rules by bits")
        tmux.type("r")
        equal(rules_shown(tmux.shows("by policy", "order")),
              list(range(1, 9)), "rules at the top")
        for key, first in (("Down", 2), ("Up", 1), ("NPage", 9), ("End", 993),
                           ("PPage", 985), ("Home", 1)):
            tmux.type(key)
            until(lambda first=first: rules_shown(tmux.screen())
                  == list(range(first, first + 8)),
                  "rules from %d on, by %s" % (first, key))
        tmux.type("q")
        tmux.shows(r"\$ ", "the shell")


@case("top -b prints the rates that the switch has counted", timeout=60)
def batch(bench):
    program = bench.ovs.programs.rmirrorctl()

    def top(*words):
        return subprocess.run([program, "top", *words], timeout=60, text=True,
                              env=bench.ovs.environment, capture_output=True,
                              stdin=subprocess.DEVNULL, check=False)

    with controller(bench, *RULES):
        with traffic(bench):
            until(lambda: bench.ovs.counter(TARGET, "copies"), "copies")
            text = top("-b", "-n", "2", "-d", "1.5", "-s", "packets")
            done = top("--json", "-n", "3", "-d", "1.5", "-s", "policy")
            targets = top("--json", "--targets", "-n", "1", "-d", "1.5")
        equal((text.returncode, text.stderr), (0, ""), "top -b")
        tables = text.stdout.split("\n\novs-rmirrorctl top")
        equal(len(tables), 2, "tables in: %s" % text.stdout)
        for table in tables:
            equal(rules_shown(table.split("\n")), [3, 2, 1], table)
        looks = [json.loads(line) for line in done.stdout.splitlines()]
        equal([len(look) for look in looks], [3, 3, 3], "rules as JSON")
        for look, previous in zip(looks[1:], looks):
            equal([rule["number"] for rule in look], [1, 2, 3], "order")
            equal([rule["rule"].split()[-1] for rule in look],
                  [TARGET_B, "7", "100"], "rules")
            equal(look[0]["packets_per_second"], 0, "rate of the first rule")
            seconds = []
            for rule, before, size in zip(look[1:], previous[1:], (60, 100)):
                packets = rule["packets_per_second"]
                check(packets > 0, "%s", rule)
                near(rule["bits_per_second"], 8 * SIZE * packets, "bits")
                near(rule["mirrored_bits_per_second"], 8 * size * packets,
                     "bits mirrored")
                seconds.append((rule["packets"] - before["packets"]) / packets)
            near(seconds[0], seconds[1], "the time between two looks")
        by_target = {row["target"]: row for row in
                     json.loads(targets.stdout)}
        equal(by_target[TARGET + " --key 7"]["rules"], 1, "rules of a target")
        check(by_target[TARGET]["packets_per_second"] > 0, "%s", by_target)

        failed = top("-n", "1")
        equal(failed.returncode, 2, "status without a terminal")
        check("--batch" in failed.stderr, "%s", failed.stderr)
        equal(top("-s", "size").returncode, 2, "status of a wrong column")
    failed = top("-b", "-n", "1")
    equal(failed.returncode, 3, "status without a daemon")
    check("ovs-rmirrord.pid" in failed.stderr, "%s", failed.stderr)


def near(found, wanted, what):
    check(abs(found - wanted) <= 1e-6 * abs(wanted), "%s: found %s, expected %s",
          what, found, wanted)
