# SPDX-License-Identifier: Apache-2.0
"""What a mirrored packet costs the kernel with many sessions, and with many
targets for each packet; and what a second processor brings."""

import pathlib
import statistics

import copies
from results import row

SESSIONS = 1, 16, 256, 4096
TARGETS = 1, 2, 4, 8, 16
FRAME, LEN = 1500, 96
SMOKE = 2                       # Sessions or targets.
REPETITIONS = 3
CLOCKED = 20000                 # Packets where the clock counts.
CLOCKED_REPETITIONS = 5


def cases(tiers, sizes, field):
    """Returns the cases of all 'sizes', which 'field' has."""
    return [dict(copies.case(tier, FRAME, LEN), **{field: size})
            for size in sizes for tier in tiers]


def rows(case_name, field, made, found):
    """Yields the rows of the cases 'made', for which 'found' was measured."""
    by_case = {(case[field], case["tier"]): result["instructions"]
               for case, result in zip(made, found)}
    for case in made:
        tier, size = case["tier"], case[field]
        # Without a mirror, the number of targets does not matter.
        forward = statistics.median(by_case.get((size, "none"))
                                    or by_case[0, "none"])
        if tier == "none":
            continue
        stock = None
        if tier != "stock":
            stock = [value - forward for value in by_case[size, "stock"]]
        yield row("scale", case_name, "extra instructions/packet",
                  [value - forward for value in by_case[size, tier]],
                  "stock" if stock else None, stock, tier=tier,
                  frame_bytes=FRAME, len=LEN, targets=size)


def processors(options, directory):
    """Yields the rows of one and of two processors, in turns."""
    made = []
    for _ in range(options.repetitions or CLOCKED_REPETITIONS):
        for tier in "none", "native", "vport", "stock":
            for number in 1, 2:
                made.append(dict(
                    copies.case(tier, FRAME, LEN), processors=number,
                    count=100 if options.smoke else CLOCKED))
    found = copies.results(*copies.guest(options, directory, made,
                                         icount=False), "")
    rates = {}
    for case, result in zip(made, found):
        rates.setdefault(case["tier"], ([], []))[case["processors"] - 1].append(
            1e9 / result["instructions"][0])
    for tier, (one, two) in rates.items():
        yield row("scale", "2 processors" + (
            ", forward" if tier == "none" else ""), "packets/s", two,
            "1 processor", one, tier="stock" if tier == "none" else tier,
            frame_bytes=FRAME, len=None if tier == "none" else LEN,
            targets=0 if tier == "none" else 1)


def run(options, directory):
    directory = pathlib.Path(directory)
    targets = cases(copies.TIERS, [SMOKE] if options.smoke else TARGETS,
                    "targets")
    targets.append(copies.case("none", FRAME, targets=0))
    sessions = cases(["none", "native", "vport", "stock"],
                     [SMOKE] if options.smoke else SESSIONS, "sessions")
    everything = targets + sessions
    for case in everything:
        case["repetitions"] = options.repetitions or REPETITIONS
        case["count"] = 100 if options.smoke else max(
            copies.PACKETS, case.get("sessions", 0))
    found = copies.results(*copies.guest(options, directory, everything), "")
    yield from rows("targets of each packet", "targets", targets,
                    found[:len(targets)])
    yield from rows("sessions, one for each flow", "sessions", sessions,
                    found[len(targets):])
    own = directory / "processors"
    own.mkdir()
    yield from processors(options, own)
