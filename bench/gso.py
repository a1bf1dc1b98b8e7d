# SPDX-License-Identifier: Apache-2.0
"""What it costs the kernel to mirror a stream of TCP that travels as
super-packets, and how much of it is mirrored at all.

`guest` counts instructions, as for copies.py, and measures in User-Mode Linux
what is left of the stream's speed."""

import json
import os
import pathlib
import statistics
import subprocess

import copies
import lab
from results import row

UML = copies.VM.with_name("uml")

# A frame with 1448 bytes of payload, as often as 64 KiB hold it.
FRAME, SEGMENTS = 1514, 44
LENGTHS = 96, 256, "mtu"
COUNT, REPETITIONS = 100, 3     # Super-packets.
PROFILED = 3000                 # Of them, as many as there is time for.
# Of iperf3: bytes of a stream, how often each tier takes its turn.
BYTES, STREAM_LEN, PAIRS = 256 << 20, 96, 5
UNIT = "extra instructions/wire packet"


def case(tier, length=0, targets=1, count=COUNT):
    return dict(copies.case(tier, FRAME, length, targets, count=count),
                segments=SEGMENTS)


def counted(options, directory):
    """Yields the rows of what is counted."""
    count = 5 if options.smoke else COUNT
    made = [case("none", targets=0, count=count)]
    made += [case(tier, length, count=count) for tier in copies.TIERS
             for length in (LENGTHS[:1] if options.smoke else LENGTHS)]
    for each in made:
        each["repetitions"] = options.repetitions or REPETITIONS
    found = copies.results(*copies.guest(options, directory, made), "")
    forward = found[0]["instructions"]
    yield row("gso", "forward", "instructions/wire packet", forward,
              tier="stock", frame_bytes=FRAME, targets=0)
    middle = sorted(forward)[len(forward) // 2]
    for each, result in zip(made[1:], found[1:]):
        fields = {"tier": each["tier"], "frame_bytes": FRAME,
                  "len": each["len"], "targets": 1}
        mirrored = result["sent"] / (count * each["repetitions"] * SEGMENTS)
        yield row("gso", "mirrored", "copies/wire packet", [mirrored],
                  **fields)
        # What is not there costs what nobody wants to know.
        if mirrored == 1:
            yield row("gso", "IPv4", UNIT, [value - middle for value
                                            in result["instructions"]],
                      **fields)


def profiles(options, directory):
    """Says what a wire packet takes in each function when it is mirrored."""
    made = [case("none", targets=0, count=PROFILED)]
    made += [case(tier, length, count=PROFILED)
             for tier in ("native", "vport") for length in (96, "mtu")]
    for each, extra in copies.record(options, directory, made):
        yield from copies.profile_rows(
            "gso", each, {function: found / SEGMENTS
                          for function, found in extra.items()}, UNIT)


def uml(options, directory, cases):
    """Returns the results of 'cases' in a guest of User-Mode Linux, which is
    built first."""
    environment = dict(os.environ, BUILDDIR=str(options.controller_build))
    subprocess.run([str(UML), "build", "fast"], env=environment, check=True)
    kdir = lab.run([str(UML), "kdir", "fast"], env=environment).strip()
    modules = options.controller_build / "uml-fast"
    subprocess.run(["make", "-s", "-C", str(UML.parent.parent / "datapath"),
                    "ARCH=um", "KDIR=" + kdir,
                    "LINUX_SOURCE=%s/source" % pathlib.Path(kdir).parent,
                    "BUILD=%s" % modules], stdout=subprocess.DEVNULL,
                   check=True)
    path = pathlib.Path(directory) / "streams"
    path.write_text(json.dumps(cases), encoding="utf-8")
    out = path.with_name("uml")
    lab.run([str(UML), "run", "fast", "--modules", str(modules), "--ovs",
             str(options.ovs_build), "--out", str(out), "--time",
             str(copies.LIMIT), str(UML.parent.parent / "bench" / "guest"),
             str(path)], env=environment, timeout=copies.LIMIT)
    return json.loads((out / "results.json").read_text(encoding="utf-8"))


def streams(options, directory):
    """Yields the rows of iperf3 with and without a mirror, in turns."""
    tiers = [tier for _ in range(options.repetitions or PAIRS)
             for tier in copies.TIERS]
    made = [dict(copies.case(each, FRAME, STREAM_LEN), bytes=BYTES)
            for tier in tiers for each in ("none", tier)]
    found = [result["speed"] / 1e6 for result
             in uml(options, directory, [dict(each, targets=int(
                 each["tier"] != "none")) for each in made])]
    for tier in copies.TIERS:
        pairs = [found[2 * number:2 * number + 2]
                 for number, each in enumerate(tiers) if each == tier]
        yield row("gso", "iperf3, User-Mode Linux", "Mbit/s",
                  [mirrored for _, mirrored in pairs], "without a mirror",
                  [plain for plain, _ in pairs], tier=tier,
                  frame_bytes=FRAME, len=STREAM_LEN, targets=1,
                  ratio=statistics.median(mirrored / plain
                                          for plain, mirrored in pairs))


def run(options, directory):
    if options.profile:
        yield from profiles(options, directory)
        return
    yield from counted(options, directory)
    if not options.smoke:
        yield from streams(options, directory)
