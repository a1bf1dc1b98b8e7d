# SPDX-License-Identifier: Apache-2.0
"""The list of the end-to-end tests."""

import collections

Case = collections.namedtuple("Case", "name file function timeout")
cases = []


def case(name, timeout=20):
    """Makes a function of a Lab a test that says 'name', which fails by an
    exception and may take 'timeout' seconds."""
    def register(function):
        cases.append(Case(name, function.__module__.rsplit(".", 1)[-1],
                          function, timeout))
        return function
    return register
