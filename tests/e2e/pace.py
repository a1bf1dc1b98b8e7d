# SPDX-License-Identifier: Apache-2.0
"""How long the tests wait for something that has to happen."""

# How many times slower this machine is than the tests expect.
slower = 1


def seconds(expected):
    """Returns for how many seconds to wait for what takes at most 'expected'
    seconds on a machine that is as fast as expected."""
    return expected * slower
