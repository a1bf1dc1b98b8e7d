# SPDX-License-Identifier: Apache-2.0
"""How long policies take to load, next to iptables-restore.

A switch and its controller run in a network namespace of their own;
iptables-restore loads the same rules in another one.  Repetitions alternate,
so that all see the same machine."""

import contextlib
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

import lab
import policies
from results import row

RULES = [100, 1000, 10000, 65000, 100000]
LARGEST = 65000                 # Rules that ovs-rmirrord takes.
REPETITIONS = 7
TIMEOUT = 300                   # Seconds that a command may take.

# iptables' own mirror, which makes a copy in the local network; and for a
# kernel that lacks it, a rule that only counts.
JUMPS = ["-j TEE --gateway %s", ""]


def command(*words, environment=None, refusal=None):
    """Runs a command, which has to refuse what it is to do with the words
    'refusal' if there are any.  Returns the milliseconds that passed, those of
    processor time that it took, and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(words, env=environment, text=True, timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    passed = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lab.check(refusal in done.stderr if refusal else not done.returncode,
              "%s: exit status %d: %s", " ".join(words), done.returncode,
              done.stderr.strip())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return passed * 1000, cpu * 1000, done.stdout


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def wait_for_controller(ovs):
    """Waits until the controller answers and the switch is as it should be."""
    def is_up_to_date():
        try:
            return "state: up to date" in ovs.rmirrorctl("status")
        except lab.Failure:
            return False
    lab.until(is_up_to_date, "the controller has to come up", 60)


class Iptables:
    """One of the two iptables, in a namespace of its own."""

    def __init__(self, kind, directory):
        self.restore = "iptables-%s-restore" % kind
        self.directory = directory
        self.namespace = lab.Namespace()
        self.empty = self._policy(0, "")
        self.jump = next((jump for jump in JUMPS if self._works(jump)), None)
        self.name = None if self.jump is None else self.restore + (
            ", -j TEE" if self.jump else ", no target")

    def _policy(self, count, jump, changed=None):
        name = "%s.%d%s" % (self.restore, count, "" if changed is None
                            else ".changed")
        return write(self.directory / name,
                     policies.iptables_policy(count, jump, changed))

    def _works(self, jump):
        try:
            self._run(self._policy(4, jump))
        except (lab.Failure, FileNotFoundError):
            return False
        return True

    def _run(self, *words):
        with self.namespace.entered():
            return command(self.restore, *map(str, words))

    def prepare(self, count):
        self.full = self._policy(count, self.jump)
        self.changed = self._policy(count, self.jump, changed=count // 2)

    def load(self):
        """Returns milliseconds: those that pass, and processor time."""
        self._run(self.empty)
        return self._run(self.full)[:2]

    def change(self):
        return self._run(self.changed)

    def check(self):
        return self._run("--test", self.full)


class Mirror:
    """A switch and its controller, in a namespace of their own."""

    vswitchd_options = ["--disable-system"]

    def __init__(self, programs, directory):
        self.switch = lab.Namespace()
        self.directory = directory
        run = directory / "run"
        run.mkdir()
        self.ovs = lab.Switch(self, programs, str(run), str(run))

    def __enter__(self):
        self.ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0",
                       "datapath_type=netdev", "fail-mode=secure")
        return self

    def __exit__(self, *_):
        self.ovs.end()
        self.switch.close()

    def start(self, count):
        """Starts a controller for policies of 'count' rules."""
        self.empty = policies.mirror_policy(0)
        self.full = policies.mirror_policy(count)
        self.changed = policies.mirror_policy(count, changed=count // 2)
        self.policy = write(self.directory / "policy", self.empty)
        self.controller = self.ovs.rmirrord(str(self.policy))
        wait_for_controller(self.ovs)

    def stop(self):
        self.controller.terminate()
        self.controller.wait(10)
        self.ovs.controllers.remove(self.controller)

    def _command(self, *words, refusal=None):
        return command(self.ovs.programs.rmirrorctl(), *words,
                       environment=self.ovs.environment, refusal=refusal)

    def _processor_time(self):
        """Milliseconds that the controller and the switch took so far."""
        times = []
        for process in self.controller, self.ovs.vswitchd:
            tasks = pathlib.Path("/proc/%d/task" % process.pid)
            times.append(sum(int(path.read_text().split()[0])
                             for path in tasks.glob("*/schedstat")) / 1e6)
        return times

    def _reload(self, policy):
        write(self.policy, policy)
        return self._command("reload")

    def load(self):
        """Returns milliseconds: those that pass, the processor time of all
        together, and that of the controller and of the switch."""
        self._reload(self.empty)
        before = self._processor_time()
        passed, cpu, _ = self._reload(self.full)
        parts = [b - a for a, b in zip(before, self._processor_time())]
        return [passed, cpu + sum(parts), *parts]

    def change(self):
        """Returns milliseconds, and the number of flows that were changed."""
        passed, _, said = self._reload(self.changed)
        numbers = re.findall(r"(\d+) (?:added|modified|deleted)", said)
        lab.check(numbers, "the controller does not say what it changed: %s",
                  said)
        return passed, sum(map(int, numbers))

    def check(self):
        path = write(self.directory / "checked", self.full)
        return self._command("check", str(path))[1]

    def refuse(self):
        """Returns the milliseconds until a policy that is too large has been
        refused."""
        write(self.policy, self.full)
        return self._command(
            "reload", refusal="a policy holds at most %d rules" % LARGEST)[0]

    def peak_memory(self):
        """Megabytes that the controller took at most."""
        status = pathlib.Path("/proc/%d/status" % self.controller.pid)
        return int(re.search(r"VmHWM:\s*(\d+) kB",
                             status.read_text()).group(1)) * 1024 / 1e6


def iptables_of(directory):
    """Returns those iptables that work here."""
    found = []
    for kind in "legacy", "nft":
        iptables = Iptables(kind, directory) \
            if shutil.which("iptables-%s-restore" % kind) else None
        if iptables and iptables.name:
            found.append(iptables)
        else:
            print("iptables-%s-restore does not work here" % kind,
                  file=sys.stderr)
    return found


def measure(mirror, iptables, count, repetitions):
    """Yields the rows of policies of 'count' rules."""
    mirror.start(count)
    for each in iptables:
        each.prepare(count)
    mirrored, changed, checked = [], [], []
    restored = {each: [] for each in iptables}
    # What is loaded first finds cold caches and pages to be allocated: all get
    # a turn that does not count.
    for repetition in range(-1, repetitions):
        load, change, check = mirror.load(), mirror.change(), mirror.check()
        times = [(*each.load(), each.change()[0], each.check()[1])
                 for each in iptables]
        if repetition < 0 < repetitions - 1:
            continue
        mirrored.append(load)
        changed.append(change)
        checked.append(check)
        for each, its in zip(iptables, times):
            restored[each].append(its)
    memory = mirror.peak_memory()
    mirror.stop()

    def rows(case, unit, values, column=None):
        common = dict(rules=count, len=policies.LEN,
                      targets=len(policies.COLLECTORS))
        if column is None or not iptables:
            yield row("control", case, unit, values, **common)
            return
        for each in iptables:
            yield row("control", case, unit, values, each.name,
                      [its[column] for its in restored[each]], **common)

    passed, cpu, controller, switch = zip(*mirrored)
    yield from rows("load", "ms", passed, 0)
    yield from rows("load, processor time", "ms", cpu, 1)
    yield from rows("load, processor time of ovs-rmirrord", "ms", controller)
    yield from rows("load, processor time of ovs-vswitchd", "ms", switch)
    yield from rows("change one rule", "ms", [c[0] for c in changed], 2)
    yield from rows("change one rule", "flows", [c[1] for c in changed])
    yield from rows("check, processor time", "ms", checked, 3)
    yield from rows("peak memory of ovs-rmirrord", "MB", [memory])


def measure_refusal(mirror, iptables, count, repetitions):
    """Yields the rows of policies that only iptables takes."""
    mirror.start(count)
    refused = []
    restored = {each: [] for each in iptables}
    for each in iptables:
        each.prepare(count)
    for _ in range(repetitions):
        refused.append(mirror.refuse())
        for each in iptables:
            restored[each].append(each.load()[0])
    mirror.stop()
    for each in iptables or [None]:
        yield row("control", "refuse: more than %d rules" % LARGEST, "ms",
                  refused, each and each.name + ", which takes them",
                  restored.get(each), rules=count, len=policies.LEN,
                  targets=len(policies.COLLECTORS))


def run(options, directory):
    directory = pathlib.Path(directory)
    with contextlib.ExitStack() as stack:
        mirror = stack.enter_context(Mirror(options.programs, directory))
        iptables = iptables_of(directory)
        for each in iptables:
            stack.callback(each.namespace.close)
        for count in options.rules or RULES:
            how = measure if count <= LARGEST else measure_refusal
            yield from how(mirror, iptables, count,
                           options.repetitions or REPETITIONS)
