# SPDX-License-Identifier: Apache-2.0
"""docs/is-it-working.md and docs/tracepoints.md name what there is."""

import pathlib
import re

from cases.daemon import ctl
from lab import check, equal
from registry import case

TOP = pathlib.Path(__file__).resolve().parents[3]
GUIDE = TOP / "docs" / "is-it-working.md"
TRACEPOINTS = TOP / "docs" / "tracepoints.md"
# Reasons of the kernel's engine alone, as tests/e2e/cases/breaks.py has them.
KERNEL = {"link_down", "xmit", "no_memory", "malformed"}


def read(path):
    return path.read_text(encoding="utf-8")


def reasons():
    """Returns the reasons to drop a copy."""
    return set(re.findall(r'RMIRROR_COUNTER\(DROP_\w+,\s*"(\w+)"\)',
                          read(TOP / "include" / "rmirror" / "netlink.h")))


@case("the guide explains each reason to drop a copy, and where it is counted")
def every_reason(_bench):
    section = read(GUIDE).split("\n## Every reason to drop a copy\n")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in section.splitlines() if line.startswith("| `")]
    equal({row[0].strip("`") for row in rows}, reasons() | {"no_session"},
          "reasons in the table")
    for name, kernel, userspace, meaning, remedy in rows:
        equal((kernel, userspace), ("x", "" if name.strip("`") in KERNEL
                                    else "x"), "who counts " + name)
        check(meaning and remedy, "%s has to be explained", name)


@case("the guides name commands that there are", 40)
def commands(bench):
    text = read(GUIDE) + read(TRACEPOINTS)
    known = set(re.findall(r"^  ([a-z]\S*)", bench.ovs.appctl("list-commands"),
                           re.MULTILINE))
    named = set(re.findall(r"ovs-appctl ([a-z][\w/-]+)", text))
    check(named, "the guides name no command of ovs-vswitchd")
    equal(named - known, set(), "commands that ovs-vswitchd does not have")
    named = set(re.findall(r"ovs-rmirrorctl ([a-z]\w+)", text))
    check(named, "the guides name no command of ovs-rmirrorctl")
    for name in sorted(named):
        equal(ctl(bench, name, "--help").returncode, 0,
              "exit status of ovs-rmirrorctl %s --help" % name)


@case("the guides name files and headings that there are")
def links(_bench):
    for page in GUIDE, TRACEPOINTS:
        for path, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)",
                                        read(page)):
            target = (page.parent / path).resolve() if path else page
            check(target.exists(), "%s links to %s", page.name, path)
            if heading:
                anchors = {re.sub(r"[^\w -]", "", words).lower().replace(
                    " ", "-") for words in re.findall(r"^#+ (.*)$",
                                                      read(target),
                                                      re.MULTILINE)}
                check(heading in anchors, "%s links to #%s, %s has %s",
                      page.name, heading, target.name, sorted(anchors))
        for path in re.findall(r"`((?:tests|scripts|bench|docs)/[\w./-]+)",
                               read(page)):
            check((TOP / path).exists(), "%s names %s", page.name, path)
