# SPDX-License-Identifier: Apache-2.0
"""The tracepoints of the engine, by way of tracefs."""

import contextlib
import ipaddress
import pathlib
import re

TRACING = pathlib.Path("/sys/kernel/tracing")
EVENTS = TRACING / "events" / "rmirror"


def _write(path, text):
    path.write_text(text, encoding="ascii")


def _read():
    """Returns what has been recorded: for each event a dict with its fields,
    'event', and the line as it is in 'line'."""
    events = []
    for line in (TRACING / "trace").read_text(encoding="ascii").splitlines():
        found = re.search(r" (rmirror_\w+): (.*)$", line)
        if found:
            fields = dict(word.split("=", 1) for word in found[2].split())
            address = ipaddress.ip_address(fields["target"])
            mapped = getattr(address, "ipv4_mapped", None)
            fields["target"] = str(mapped or address)
            events.append({name: int(value) if value.isdigit() else value
                           for name, value in fields.items()}
                          | {"event": found[1], "line": line})
    return events


@contextlib.contextmanager
def recorded():
    """Has the kernel record what the engine does.  Gives a function that
    returns it."""
    _write(TRACING / "trace", "")
    _write(EVENTS / "enable", "1")
    try:
        yield _read
    finally:
        _write(EVENTS / "enable", "0")
        _write(TRACING / "trace", "")
