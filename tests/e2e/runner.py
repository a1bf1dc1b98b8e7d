# SPDX-License-Identifier: Apache-2.0
"""Runs tests of the registry one after the other and says what comes of them."""

import os
import signal
import sys
import time
import traceback

import lab


class TimedOut(BaseException):
    """A test took longer than it may."""


def _out_of_time(_signal, _frame):
    raise TimedOut()


def _run_case(case, bench):
    """Returns None, or the reason why 'case' failed."""
    signal.alarm(case.timeout)
    try:
        bench.reset()
        case.function(bench)
        bench.ovs.alive()
    except (lab.Failure, TimeoutError, OverflowError) as error:
        return str(error) or type(error).__name__
    except TimedOut:
        return "not done within %d s" % case.timeout
    except Exception as error:      # pylint: disable=broad-except
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "%s: %s (%s:%d)" % (type(error).__name__, error,
                                   os.path.basename(where.filename),
                                   where.lineno)
    finally:
        signal.alarm(0)
    return None


def run(cases, make_lab, logs=None, times=False):
    """Runs 'cases' in a lab that 'make_lab' makes, in a new one after each
    failure.  Prints a line for each, "ok NAME" or "not ok NAME - reason", and
    at the end "N passed, N failed".  Returns the exit status."""
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed = failed = 0
    bench = None
    try:
        for case in cases:
            began = time.monotonic()
            bench = bench or make_lab()
            reason = _run_case(case, bench)
            suffix = " (%.1f s)" % (time.monotonic() - began) if times else ""
            if reason is None:
                passed += 1
                notes = ": " + ", ".join(bench.notes) if bench.notes else ""
                print("ok %s%s%s" % (case.name, notes, suffix), flush=True)
                continue
            failed += 1
            print("not ok %s - %s%s" % (case.name, " ".join(reason.split()),
                                        suffix), flush=True)
            if logs:
                bench.ovs.save_state(case.name)
            # What the failure left behind is no other test's business.
            bench.close()
            bench = None
    finally:
        if bench:
            bench.close()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0
