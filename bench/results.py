# SPDX-License-Identifier: Apache-2.0
"""Rows of results: their form, as JSON and as text."""

import json
import statistics

# What each row says, and of which types.  None: does not apply.
FIELDS = {
    "bench": str,
    "case": str,
    "tier": str,                        # The datapath that was used.
    "frame_bytes": (int, type(None)),
    "len": (int, str, type(None)),      # Of the copies, as in a rule.
    "targets": (int, type(None)),       # Collectors in the policy.
    "rules": int,
    "unit": str,
    "value": (int, float),              # The median.
    "lowest": (int, float),
    "highest": (int, float),
    "repetitions": int,
    "reference_name": (str, type(None)),
    "reference": (int, float, type(None)),
    "ratio": (int, float, type(None)),  # value / reference
}
# What is the same in each run of a benchmark.
KEY = ("bench", "case", "tier", "frame_bytes", "len", "targets", "rules",
       "unit", "reference_name")


def row(bench, case, unit, values, reference_name=None, references=None,
        **other):
    """Returns a row.  'values' and 'references' are what was measured, once
    for each repetition."""
    value = statistics.median(values)
    reference = statistics.median(references) if references else None
    made = dict(bench=bench, case=case, tier="userspace", frame_bytes=None,
                len=None, targets=None, rules=0, unit=unit, value=value,
                lowest=min(values), highest=max(values),
                repetitions=len(values), reference_name=reference_name,
                reference=reference,
                ratio=value / reference if reference else None)
    made.update(other)
    return {name: round(made[name], 4) if isinstance(made[name], float)
            else made[name] for name in FIELDS}


def validate(bench, rows):
    """Raises ValueError unless 'rows' are results of 'bench'."""
    if not rows:
        raise ValueError("%s gives no results" % bench)
    for made in rows:
        if list(made) != list(FIELDS):
            raise ValueError("fields of a row: found %s, expected %s"
                             % (list(made), list(FIELDS)))
        for name, types in FIELDS.items():
            if not isinstance(made[name], types):
                raise ValueError("%s of a row is %r" % (name, made[name]))
        if made["bench"] != bench or made["value"] < 0:
            raise ValueError("not a result of %s: %r" % (bench, made))


def write(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")


def read(path):
    """Returns the rows in the file 'path'.  Raises ValueError unless there are
    any, all as validate() wants them and none twice."""
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)
    if not isinstance(rows, list) or not all(isinstance(made, dict)
                                             for made in rows):
        raise ValueError("%s is no array of objects" % path)
    try:
        for bench in {made.get("bench") for made in rows} or {None}:
            validate(bench, [made for made in rows
                             if made.get("bench") == bench])
    except ValueError as error:
        raise ValueError("%s: %s" % (path, error)) from error
    seen = set()
    for made in rows:
        if key(made) in seen:
            raise ValueError("%s: two rows for %s" % (path, key(made)))
        seen.add(key(made))
    return rows


def key(made):
    """Returns what tells a row from all others of one run."""
    return tuple(made[name] for name in KEY)


def columns(lines):
    """Returns 'lines', each of as many words, as text in columns."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "".join("  ".join(word.ljust(width) for word, width
                             in zip(line, widths)).rstrip() + "\n"
                   for line in lines)


def number(value):
    """Returns a figure as tables show it."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return "%.0f" % value if value >= 1000 else "%.3g" % value


def table(rows):
    """Returns 'rows' as text, in columns."""
    lines = [("bench", "case", "tier", "frame", "len", "targets", "rules",
              "unit", "median", "lowest", "highest", "reference", "median",
              "ratio")]
    for r in rows:
        lines.append((r["bench"], r["case"], r["tier"],
                      *("-" if r[name] is None else str(r[name])
                        for name in ("frame_bytes", "len", "targets")),
                      str(r["rules"]), r["unit"],
                      *(number(r[name])
                        for name in ("value", "lowest", "highest")),
                      r["reference_name"] or "-", number(r["reference"]),
                      number(r["ratio"])))
    return columns(lines)
