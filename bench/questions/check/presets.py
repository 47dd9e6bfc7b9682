# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How to read the lines of known tools; a new tool is an entry here."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read a tool's lines: by a pattern, or by keys of JSON.

    Groups of the pattern are ``pid``, ``parent``, ``code`` and ``signal``; without a group of that
    name the first one is the PID. Keys are paths such as ".process.pid".
    """

    name: str = ""
    pattern: str = ""
    keys: tuple[tuple[str, str], ...] = ()  # of the same names
    lost: str = r"(?i)\blost (\d+)"  # how the tool reports losses, on either stream
    execs: bool = False  # the tool shows execs, not exits
    programs: tuple[str, ...] = ()  # that print such lines


_ENDED: Final = r"(?:code (?P<code>\d+)|signal (?P<signal>\d+).*|0)\s*$"
PRESETS: Final = (
    Reading(
        name="exitsnoop",
        pattern=r"(?P<pid>\d+)\s+(?P<parent>\d+)\s+\d+\s+[\d.]+\s+" + _ENDED,
        programs=("exitsnoop", "exitsnoop-bpfcc", "exitsnoop.bt"),
    ),
    Reading(
        name="execsnoop",
        pattern=r"^(?:[\d:.]+\s+)?.{1,16}\s+(?P<pid>\d+)\s+(?P<parent>\d+)\s+-?\d+\s",
        execs=True,
        programs=("execsnoop", "execsnoop-bpfcc"),
    ),
    Reading(name="bpftrace", pattern=r"(?<![\w.])(?P<pid>\d+)(?![\w.])", programs=("bpftrace",)),
    Reading(
        name="tetragon",
        keys=(
            ("pid", ".process_exit.process.pid"),
            ("parent", ".process_exit.parent.pid"),
            ("code", ".process_exit.status"),
            ("signal", ".process_exit.signal"),
        ),
        programs=("tetra", "tetragon"),
    ),
    Reading(
        name="tracee",
        keys=(("pid", ".hostProcessId"), ("parent", ".hostParentProcessId")),
        programs=("tracee",),
    ),
)
_NAMES: Final = ", ".join(each.name for each in PRESETS)


def find(name: str) -> Reading:
    """Return the preset of this name; UsageError, with all names, for another."""
    for each in PRESETS:
        if each.name == name:
            return each
    raise UsageError(f"no preset {name[:40]}", remedy=f"choose from {_NAMES}")


def of_program(program: str) -> Reading | None:
    """Return the preset for a program's name."""
    name = Path(program).name
    return next((each for each in PRESETS if name in each.programs), None)


def own(
    *, pattern: str | None, key: str | None, lost: str | None, execs: bool, base: Reading | None
) -> Reading:
    """Return a reading by the user's own pattern or key; UsageError for one that cannot work."""
    if pattern is not None and key is not None:
        raise UsageError("--pid-pattern contradicts --pid-key", remedy="leave one out")
    for option, text in (("--pid-pattern", pattern), ("--lost-pattern", lost)):
        try:
            groups = text is None or re.compile(text).groups
        except re.error as error:
            raise UsageError(f"{option} is not a regular expression: {error}") from error
        if not groups:
            raise UsageError(
                f"{option} has no group", remedy="put the number in parentheses: (\\d+)"
            )
    if key is not None and not re.fullmatch(r"(?:\.[A-Za-z_]\w*)+", key):
        raise UsageError(f"--pid-key {key[:40]} is not a path", remedy="write it like .process.pid")
    if pattern is None and key is None and base is None:
        raise UsageError(
            "it is not known how to read this tool's lines",
            remedy=f"give --pid-pattern, --pid-key, or --preset {_NAMES}",
        )
    found = base or Reading()
    if pattern is not None or key is not None:
        keys = (("pid", key),) if key else ()
        found = replace(found, name="", pattern=pattern or "", keys=keys)
    return replace(found, lost=lost or found.lost, execs=execs or found.execs)
