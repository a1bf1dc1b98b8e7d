# SPDX-License-Identifier: Apache-2.0
"""What copies take by the clock of this machine, whose processor runs the
kernel's code itself: in User-Mode Linux, the flavour "fast" of `scripts/uml`.

Whatever else the machine does shows in each figure. So packets with a mirror
and without take turns, and each ratio is the median of those of such pairs."""

import pathlib
import statistics

import copies
import gso
from results import row

# Frames and lengths of copies.
COPIES = (60, 96), (1500, 96), (1500, "mtu"), (9000, 96)
COUNT, SUPER_PACKETS, PAIRS = 50000, 2000, 21
BYTES, STREAM_PAIRS = 256 << 20, 9


def pairs(options, directory, cases, number, unit, value):
    """Measures each of 'cases', which have a mirror, and the same without one,
    in turns, 'number' times.  Yields a row for each; 'value' tells what is
    shown of a result."""
    directory.mkdir()
    turn = [case for each in cases
            for case in (dict(each, tier="none", targets=0), each)]
    found = [value(result) for result in copies.results(
        *copies.guest(options, directory, turn * number, uml=True), "")]
    for index, case in enumerate(cases):
        plain = found[2 * index::len(turn)]
        mirrored = found[2 * index + 1::len(turn)]
        name = ("iperf3" if case.get("bytes") else
                "super-packets of TCP" if case.get("segments") else "frames")
        yield row("clock", name, unit, mirrored, "without a mirror", plain,
                  tier=case["tier"], frame_bytes=case["frame"],
                  len=case["len"], targets=1,
                  ratio=statistics.median(
                      one / other for one, other in zip(mirrored, plain)))


def run(options, directory):
    directory = pathlib.Path(directory)

    def nanoseconds(result):
        return result["instructions"][0]

    yield from pairs(
        options, directory / "frames",
        [copies.case(tier, frame, length, count=COUNT)
         for frame, length in COPIES for tier in copies.TIERS],
        options.repetitions or PAIRS, "ns/packet", nanoseconds)
    # Composed and stock lose the truncated copies of a super-packet.
    yield from pairs(
        options, directory / "packets",
        [gso.case(tier, gso.STREAM_LEN, 1, SUPER_PACKETS)
         for tier in ("native", "vport")],
        options.repetitions or PAIRS, "ns/wire packet", nanoseconds)
    yield from pairs(
        options, directory / "streams",
        [dict(gso.case(tier, gso.STREAM_LEN, 1), bytes=BYTES)
         for tier in copies.TIERS],
        options.repetitions or STREAM_PAIRS, "Mbit/s",
        lambda result: result["speed"] / 1e6)
