# SPDX-License-Identifier: Apache-2.0
"""What it costs the kernel to mirror a stream of TCP that travels as
super-packets, and how much of it is mirrored at all.

`guest` counts instructions, as for copies.py; by the same clock, iperf3 tells
what is left of the speed of a stream."""

import pathlib
import statistics

import copies
from results import row

# A frame with 1448 bytes of payload, as often as 64 KiB hold it.
FRAME, SEGMENTS = 1514, 44
LENGTHS = 96, 256, "mtu"
COUNT, REPETITIONS = 100, 3     # Super-packets.
PROFILED = 3000                 # Of them, as many as there is time for.
# Of iperf3: bytes of a stream, how often each tier takes its turn.
BYTES, STREAM_LEN, PAIRS = 8 << 20, 96, 3
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


def streams(options, directory):
    """Yields the rows of iperf3 with and without a mirror, in turns."""
    pairs = 1 if options.smoke else options.repetitions or PAIRS
    tiers = copies.TIERS * pairs
    made = []
    for tier in tiers:
        for each in "none", tier:
            made.append(dict(case(each, STREAM_LEN, each != "none"),
                             bytes=BYTES // (16 if options.smoke else 1)))
    found = [result["speed"] / 1e6 for result in
             copies.results(*copies.guest(options, directory, made), "")]
    for tier in copies.TIERS:
        turns = [found[2 * number:2 * number + 2]
                 for number, each in enumerate(tiers) if each == tier]
        yield row("gso", "iperf3", "Mbit/s at 1 instruction/ns",
                  [mirrored for _, mirrored in turns], "without a mirror",
                  [plain for plain, _ in turns], tier=tier,
                  frame_bytes=FRAME, len=STREAM_LEN, targets=1,
                  ratio=statistics.median(mirrored / plain
                                          for plain, mirrored in turns))


def run(options, directory):
    if options.profile:
        yield from profiles(options, directory)
        return
    yield from counted(options, directory)
    own = pathlib.Path(directory) / "streams"
    own.mkdir()
    yield from streams(options, own)
