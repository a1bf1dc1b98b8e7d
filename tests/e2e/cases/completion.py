# SPDX-License-Identifier: Apache-2.0
"""Completion of ovs-rmirrorctl in bash."""

import os
import pathlib
import subprocess

from cases.explain import controller
from lab import TARGET, check, equal
from registry import case

SCRIPT = (pathlib.Path(__file__).resolve().parents[3] / "controller"
          / "bash-completion" / "ovs-rmirrorctl")

# Completes the last of its arguments as readline would have bash do it.
COMPLETE = r"""
source "$1"
shift
[[ $(complete -p ovs-rmirrorctl) == *' -F _ovs_rmirrorctl '* ]] || exit 1
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
_ovs_rmirrorctl
printf '%s\n' "${COMPREPLY[@]}"
"""


def completions(bench, *words):
    """Returns what bash offers for the last of 'words'."""
    result = subprocess.run(
        ["bash", "--norc", "-u", "-c", COMPLETE, "bash", str(SCRIPT),
         bench.ovs.programs.rmirrorctl(), *words],
        env=bench.ovs.environment, text=True, capture_output=True, timeout=30,
        check=False)
    equal((result.returncode, result.stderr), (0, ""), "bash")
    return [line for line in result.stdout.splitlines() if line]


@case("bash completes commands, options and values of ovs-rmirrorctl")
def completion(bench):
    commands = completions(bench, "")
    equal(sorted(commands), ["capture", "check", "clear", "compile", "explain",
                             "import", "list", "reload", "save", "status",
                             "top", "zero"],
          "commands")
    equal(completions(bench, "re"), ["reload"], "re")
    equal(completions(bench, "-t", "list", "ze"), ["zero"], "behind -t")
    for command in commands:
        options = completions(bench, command, "-")
        # What capture writes is no text.
        for option in ("--help", "--write" if command == "capture"
                       else "--json"):
            check(option in options, "%s is not offered for %s, but %s", option,
                  command, " ".join(options))
    equal(completions(bench, "compile", "--st"), ["--stage", "--stats"],
          "options of compile")
    check("-c" in completions(bench, "save", "-"), "save -c is not offered")
    equal(completions(bench, "compile", "--stage", "s"), ["stages"],
          "values of --stage")
    equal(completions(bench, "compile", "--stage", "=", "r"), ["rules"],
          "values of --stage=")
    equal(completions(bench, "list", "--format", "=")[:2], ["table", "list"],
          "values of --format=")
    equal(completions(bench, "top", "-s", "m"), ["mirrored"],
          "columns of top")
    check("--targets" in completions(bench, "top", "-b", "--"),
          "options behind top -b are not offered")
    equal(completions(bench, "top", "-n", ""), [], "numbers")
    equal(completions(bench, "capture", "-i", "l"), ["lo"], "devices")
    equal(completions(bench, "list", "-n", "PO"), ["POSTROUTING"], "chains")
    path = os.path.join(bench.directory, "host.policy")
    with open(path, "w", encoding="utf-8"):
        pass
    equal(completions(bench, "check", path[:-3]), [path], "files")
    equal(completions(bench, "capture", "-w", path[:-3]), [path], "files")
    with controller(bench, "-A OUTPUT -j RMIRROR --target " + TARGET,
                    "-A INPUT -j RMIRROR --len 60 --target " + TARGET):
        equal(completions(bench, "capture", "19"), [TARGET], "targets")
