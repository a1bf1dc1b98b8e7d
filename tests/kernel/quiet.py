# SPDX-License-Identifier: Apache-2.0
"""Whether packets are still on their way in this kernel."""

import contextlib
import os
import pathlib

import lab

POLL = "7"                      # The number of the system call poll().


def _idle(thread):
    """Whether 'thread', a folder of /proc, waits for something to do."""
    try:
        return (thread / "syscall").read_text().split()[0] == POLL
    except FileNotFoundError:   # User-Mode Linux has none.
        return (thread / "stat").read_text().rsplit(") ")[-1][0] == "S"


def backlogs():
    """Returns for each processor how many packets it has taken from its
    backlog, how many it found no room for there, and how many are in it."""
    lines = pathlib.Path("/proc/net/softnet_stat").read_text()
    return [(int(words[0], 16), int(words[1], 16), int(words[11], 16))
            for words in map(str.split, lines.splitlines())]


@contextlib.contextmanager
def processor(number):
    """Keeps this thread on the processor 'number'."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def settle():
    """Waits until the packets that were sent have got to where they go.  Linux
    passes a packet on where it is, from one backlog of that processor to the
    next, and lets no process run there in between."""
    for number in range(len(backlogs())):
        def passed_on(number=number):
            return not backlogs()[number][2]
        with processor(number):
            lab.until(passed_on, "processor %d has to pass packets on" % number)


def _queued(process):
    """Returns how many bytes wait in the generic netlink sockets of the
    network namespace of 'process'."""
    lines = pathlib.Path("/proc/%d/net/netlink" % process).read_text() \
        .splitlines()[1:]
    return sum(int(words[4]) for words in map(str.split, lines)
               if words[1] == "16")


def _handlers(process):
    """Returns how often the threads that handle upcalls for ovs-vswitchd,
    which is 'process', have stopped to run, or None when one of them works
    or ends."""
    switches = []
    try:
        for thread in pathlib.Path("/proc/%d/task" % process).iterdir():
            if not (thread / "comm").read_text().startswith("handler"):
                continue
            if not _idle(thread):
                return None
            switches += [line for line in (thread / "status").read_text()
                         .splitlines() if "ctxt_switches" in line]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return switches


class Watch:
    """Finds out whether ovs-vswitchd, which is 'process', and the kernel have
    done all that there was to do for packets."""

    def __init__(self, process):
        self.process = process
        self.before = None

    def quiet(self):
        """Whether nothing waits, and nothing has moved since the last call."""
        before = self.before
        handlers = _handlers(self.process)
        if handlers is None or _queued(self.process):
            self.before = None
            return False
        self.before = handlers, backlogs()
        return self.before == before and not any(
            waiting for _, _, waiting in self.before[1])
