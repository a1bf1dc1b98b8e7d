# SPDX-License-Identifier: Apache-2.0
"""How many instructions a mirrored packet costs the kernel, and in which
functions they are.

`guest` counts them, in a virtual machine whose clock they drive."""

import bisect
import collections
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

import lab
from results import row

VM = pathlib.Path(__file__).resolve().parent.parent / "scripts" / "vm"
TIERS = "native", "vport", "composed", "stock"
FRAMES = 60, 512, 1500, 9000
LENGTHS = 0, 60, 96, 256, "mtu"
TARGETS = 1, 3
MTU, LARGE_MTU = 1500, 9216
PACKETS, REPETITIONS = 2000, 3
PROFILED = 60000                # Of them, as many as fill a log of LOG bytes.
LOG = 80 << 20
LIMIT = 3600                    # Seconds that the guest may take.
PATIENCE = 120                  # Seconds until QEMU has filled a log.
# What a profile counts packets by, and where rows end: instructions.
ONCE = "ovs_execute_actions"
SMALLEST = 5


def case(tier, frame, length=0, targets=1, ipv6=False, mtu=MTU, count=PACKETS):
    return {"tier": tier, "frame": frame, "len": length, "targets": targets,
            "ipv6": ipv6, "mtu": mtu, "count": count, "repetitions": 1}


def mirrored(frames, tiers):
    """Returns the cases with a mirror."""
    return [case(tier, frame, length, targets, ipv6, mtu)
            for tier in tiers for ipv6 in (False, True) for frame in frames
            for targets in TARGETS
            for length, mtu in [(length, MTU) for length in LENGTHS]
            + [(0, LARGE_MTU)]]


def modules(options, uml=False):
    """Returns the folder of the kernel modules, for User-Mode Linux if 'uml'
    says so, which are built first unless the user has named one."""
    if options.modules and not uml:
        return options.modules
    build = str(options.controller_build)
    environment = dict(os.environ, BUILDDIR=build)
    script = VM.with_name("uml") if uml else VM
    flavour = ["fast"] if uml else []
    subprocess.run([str(script), "build", *flavour], env=environment,
                   check=True, stdout=sys.stderr)
    kdir = lab.run([str(script), "kdir", *flavour], env=environment).strip()
    if uml:
        made = options.controller_build / "modules-uml"
        words = ["-C", str(VM.parent.parent / "datapath"), "ARCH=um",
                 "LINUX_SOURCE=%s/source" % kdir, "BUILD=%s" % made]
    else:
        made = options.controller_build / "modules"
        words = ["-C", build, "datapath", "LINUX_SOURCE=installed"]
    subprocess.run(["make", "-s", *words, "KDIR=" + kdir],
                   stdout=subprocess.DEVNULL, check=True)
    return made


def guest(options, directory, cases, *words, icount=True, uml=False,
          program="guest"):
    """Starts a guest that measures 'cases' by 'program'; its clock counts
    instructions if 'icount' says so, and is the machine's in User-Mode Linux,
    which it is if 'uml' says so.  Returns the process and the folder of its
    results."""
    directory = pathlib.Path(directory)
    path = directory / "cases"
    path.write_text(json.dumps(cases), encoding="utf-8")
    out = directory / "out"
    environment = dict(os.environ, BUILDDIR=str(options.controller_build))
    if uml:
        boot = [str(VM.with_name("uml")), "run", "fast"]
    else:
        boot = [str(VM), "run", *(["--icount"] if icount else []),
                "--monitor", str(directory / "monitor")]
    process = subprocess.Popen(
        [*boot, "--modules", str(modules(options, uml)),
         "--ovs", str(options.ovs_build), "--controller",
         str(options.controller_build), "--out", str(out), "--time",
         str(LIMIT), str(VM.parent.parent / "bench" / program), *words,
         str(path)],
        env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process, out


def results(process, out, said):
    """Waits for the guest to end, and returns its results."""
    said += process.stdout.read()
    lab.check(not process.wait(), "the guest failed: %s", said[-2000:])
    return json.loads((out / "results.json").read_text(encoding="utf-8"))


def name(made):
    """Says what of a case is in no field of a row."""
    words = ["IPv6" if made["ipv6"] else "IPv4"]
    if made["mtu"] != MTU:
        words.append("MTU %d" % made["mtu"])
    return ", ".join(words)


def run(options, directory):
    if options.profile:
        yield from profiles(options, directory)
        return
    frames = (60, 1500) if options.smoke else FRAMES
    count = 100 if options.smoke else PACKETS
    repetitions = options.repetitions or REPETITIONS
    plain = [case(tier, frame, targets=0) for tier in ("floor", "none")
             for frame in frames]
    slices = [plain + (
        [case("native", 1500, 96), case("stock", 1500, 96)] if options.smoke
        else mirrored(frames, TIERS[:1]))]
    if not options.smoke:
        slices += [mirrored(frames, [tier]) for tier in TIERS[1:]]
    cases, found = [], []
    for number, part in enumerate(slices):
        for each in part:
            each.update(count=count, repetitions=repetitions)
        own = pathlib.Path(directory) / str(number)
        own.mkdir()
        cases += part
        found += results(*guest(options, own, part), "")
        print("copy: %d of %d guests done" % (number + 1, len(slices)),
              file=sys.stderr, flush=True)

    forward = {}
    extra = {}
    for each, result in zip(cases, found):
        what = tuple(each.values())
        if each["tier"] == "none":
            forward[each["frame"]] = result["instructions"]
        # What does not arrive costs what nobody wants to know: stock tunnels
        # over IPv6 do not take copies that exceed the MTU.
        elif result["sent"] >= (count * repetitions
                                 * each["targets"]):
            extra[what] = result["instructions"]
    for each in cases:
        value = extra.get(tuple(each.values()))
        if each["tier"] == "none":
            yield row("copy", "forward", "instructions/packet",
                      forward[each["frame"]], tier="stock",
                      frame_bytes=each["frame"], targets=0)
        elif each["tier"] == "floor":
            yield row("copy", "send a prebuilt frame", "instructions/packet",
                      value, tier="stock", frame_bytes=each["frame"],
                      targets=0)
        elif value is not None:
            yield made(each, value, extra,
                       statistics.median(forward[each["frame"]]))


def made(each, values, extra, forward):
    """Returns the row of a case with a mirror, which costs 'values', and
    'forward' without it.  'extra' has what all cases cost."""
    stock = None
    if each["tier"] != "stock":
        stock = extra.get(tuple(dict(each, tier="stock").values()))
    return row("copy", name(each), "extra instructions/packet",
               [value - forward for value in values],
               "stock" if stock else None,
               [value - forward for value in stock or []], tier=each["tier"],
               frame_bytes=each["frame"], len=each["len"],
               targets=each["targets"])


# Profiles: QEMU writes down each instruction of the guest for a few seconds.

def command(monitor, words):
    """Gives QEMU a command."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(monitor))
        sock.settimeout(30)
        sock.sendall(words.encode() + b"\n")
        said = b""
        # The first prompt comes before the command, the second behind it.
        while said.count(b"(qemu) ") < 2:
            more = sock.recv(4096)
            lab.check(more, "QEMU's monitor is gone: %s", said)
            said += more


class Symbols:
    """The functions of the guest's kernel."""

    def __init__(self, path):
        found = []
        for line in path.read_text(encoding="ascii").splitlines():
            address, kind, symbol = line.split()[:3]
            if kind in "tTwW":
                found.append((int(address, 16), symbol))
        found.sort()
        self.addresses = [address for address, _ in found]
        self.names = [symbol for _, symbol in found]

    def name(self, address):
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.names[index] if index >= 0 else "?"

    def address(self, wanted):
        return self.addresses[self.names.index(wanted)]


def read_log(path, symbols):
    """Returns how many instructions each function takes for a packet."""
    once = "%016x" % symbols.address(ONCE)
    packets, counts = [], None
    pattern = re.compile(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")
    with open(path, encoding="ascii", errors="replace") as log:
        for line in log:
            found = pattern.match(line)
            if not found:
                continue
            if found[1] == once:
                counts = collections.Counter()
                packets.append(counts)
            if counts is not None:
                counts[found[1]] += 1
    lab.check(len(packets) > 1, "QEMU wrote down too little: no whole packet")
    packets.pop()
    # An interrupt or a page makes some packets longer than others: what is
    # shown is the mean of all but these.
    middle = statistics.median(packet.total() for packet in packets)
    packets = [packet for packet in packets if packet.total() < 1.5 * middle]
    functions = collections.Counter()
    for packet in packets:
        for address, count in packet.items():
            functions[symbols.name(int(address, 16))] += count
    return {function: count / len(packets)
            for function, count in functions.items()}


def record(options, directory, cases):
    """Has QEMU write down what the guest does in each of 'cases', without a
    mirror in the first.  Yields the others, each with the instructions that
    every function takes for a packet beyond those without a mirror."""
    monitor = pathlib.Path(directory) / "monitor"
    process, out = guest(options, directory, cases, "--profile")
    said = ""
    logs = []
    for line in process.stdout:
        said += line
        if line.strip() != "profile":
            continue
        # The guest is about to send, and does so for longer than this.
        time.sleep(0.5)
        log = monitor.with_name("log%d" % len(logs))
        logs.append(log)
        command(monitor, "logfile %s" % log)
        command(monitor, "singlestep on")
        command(monitor, "log exec,nochain")
        lab.until(lambda: log.stat().st_size > LOG,
                  "QEMU has to write down enough", timeout=PATIENCE)
        command(monitor, "log none")
        command(monitor, "singlestep off")
    results(process, out, said)
    symbols = Symbols(out / "symbols")
    plain = read_log(logs[0], symbols)
    for each, log in zip(cases[1:], logs[1:]):
        found = read_log(log, symbols)
        yield each, {function: found.get(function, 0) - plain.get(function, 0)
                     for function in found.keys() | plain.keys()}


def profile_rows(bench, each, extra, unit):
    """Yields the rows of the profile 'extra' of a case."""
    fields = {"tier": each["tier"], "frame_bytes": each["frame"],
              "len": each["len"], "targets": 1}
    for function in sorted(extra, key=extra.get, reverse=True):
        if extra[function] >= SMALLEST:
            yield row(bench, "%s: %s" % (name(each), function), unit,
                      [extra[function]], **fields)
    yield row(bench, name(each) + ": sum", unit, [sum(extra.values())],
              **fields)


def profiles(options, directory):
    """Says for each tier what a mirrored packet spends in each function beyond
    a forwarded one."""
    cases = [case("none", 1500, targets=0, count=PROFILED)]
    for tier in TIERS:
        cases.append(case(tier, 1500, 96, count=PROFILED))
    cases += [case(tier, 1500, "mtu", count=PROFILED)
              for tier in ("native", "vport")]
    for each, extra in record(options, directory, cases):
        yield from profile_rows("copy", each, extra,
                                "extra instructions/packet")
