# SPDX-License-Identifier: Apache-2.0
"""How much random input the tests make, from which seed, and for how long the
test under load sends.

A test with random input makes it in rounds, each from a generator of its own.
"run --times N" has N times as many rounds; the same "--seed" makes the same
ones again."""

import random

times = 1
seed = 1
seconds = 8
# The round that is being made, or None.
current = None


def rounds(number):
    """Gives a random generator for each of the rounds of a test that has
    'number' of them unless told otherwise."""
    global current              # pylint: disable=global-statement
    for current in range(number * times):
        yield random.Random("%d/%d" % (seed, current))
    current = None


def where():
    """Returns the words that say which round failed, if one did."""
    if current is None:
        return ""
    return " (in round %d with --seed %d)" % (current, seed)
