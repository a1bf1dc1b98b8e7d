# SPDX-License-Identifier: Apache-2.0
"""The kernel's packet generator, told what to send by files of
/proc/net/pktgen, which each network namespace has for itself."""

import pathlib
import re
import sys
import time

FOLDER = pathlib.Path("/proc/net/pktgen")
PATIENCE = 60                   # Seconds that a thread may be late.


def tell(name, *words):
    for word in words:
        (FOLDER / name).write_text(word + "\n", encoding="ascii")


def give(device, thread):
    """Gives 'device', and no other one, to the thread of pktgen for the
    processor 'thread'."""
    if (FOLDER / device).exists():
        return
    name = "kpktgend_%d" % thread
    tell(name, "rem_device_all")
    # The thread does it when it comes to it.
    while re.search(r"(Running|Stopped): *\w", (FOLDER / name).read_text()):
        time.sleep(0.01)
    tell(name, "add_device " + device)


def send(devices, count, *words):
    """Lets pktgen send 'count' frames, which 'words' tell it of, into each of
    'devices', each from a processor of its own.  Returns the nanoseconds for
    each frame."""
    for thread, device in enumerate(devices):
        give(device, thread)
        tell(device, "count %d" % count, "delay 0", *words)
    tell("pgctrl", "start")
    return 1000 / sum(count / sent(device, count) for device in devices)


def sent(device, count):
    """Waits until pktgen has sent 'count' frames into 'device'.  Returns the
    microseconds that they took."""
    # A thread that is late to begin is not waited for by "start".
    deadline = time.monotonic() + PATIENCE
    while True:
        result = (FOLDER / device).read_text(encoding="ascii")
        found = re.search(r"OK: (\d+)\(.*\) usec, (\d+) ", result)
        if found:
            break
        if time.monotonic() > deadline:
            sys.exit("pktgen does not end: " + result)
        time.sleep(0.01)
    if int(found[2]) != count:
        sys.exit("pktgen sent less than it has to: " + result)
    return int(found[1])
