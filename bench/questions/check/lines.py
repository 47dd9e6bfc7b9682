# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a tool's lines: the process that each shows, its time, and losses that it reports.

PRESETS defines how to read lines of known tools; a new tool is an entry there.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from math import inf
from pathlib import Path
from typing import Any, Final

from bench.errors import UsageError

Chunk = tuple[int, bytes]
"""The time at which bytes arrived (CLOCK_MONOTONIC, ns), and the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Define how to read a tool's lines: by a pattern, or by keys of JSON.

    Groups of the pattern are ``pid``, ``parent``, ``code`` and ``signal``; without a group of that
    name the first one is the PID. Keys are paths such as ".process.pid", in which a number is an
    index of a list. If a name has several keys, the first one in a line is used.
    """

    name: str = ""
    pattern: str = ""
    keys: tuple[tuple[str, str], ...] = ()  # of the same names
    events: tuple[str, ...] = ()  # keys, one of which names the event
    exit: str = ""  # their value for an exit
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
        keys=(
            ("pid", ".hostProcessId"),
            ("parent", ".hostParentProcessId"),
            # tracee.v1beta1.Event, which newer versions print.
            ("pid", ".workload.process.host_pid"),
            ("parent", ".workload.process.ancestors.0.host_pid"),
        ),
        events=(".eventName", ".name"),
        exit="sched_process_exit",
        programs=("tracee",),
    ),
)
_NAMES: Final = ", ".join(each.name for each in PRESETS)


@dataclass(frozen=True, slots=True)
class Shown:
    """Hold one process as a line shows it; None: not in the line."""

    came_ns: int
    pid: int
    parent: int | None = None
    status: int | None = None  # as waitpid(2) gives it


def preset(name: str) -> Reading:
    """Return the preset of this name; UsageError, with all names, for another."""
    if (found := next((each for each in PRESETS if each.name == name), None)) is None:
        raise UsageError(f"no preset {name[:40]}", remedy=f"choose from {_NAMES}")
    return found


def preset_of(program: str) -> Reading | None:
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
        except (re.error, OverflowError, RecursionError) as error:
            raise UsageError(f"{option} is not a regular expression: {error}") from error
        if not groups:
            raise UsageError(
                f"{option} has no group", remedy="put the number in parentheses: (\\d+)"
            )
    if key is not None and not re.fullmatch(r"(?:\.[A-Za-z_]\w*)+", key):
        raise UsageError(f"--pid-key {key[:40]} is not a path", remedy="write it like .process.pid")
    if pattern is None and key is None and base is None:
        raise UsageError(
            "bufbench does not know how to read this tool's lines",
            remedy=f"give --pid-pattern, --pid-key, or --preset {_NAMES}",
        )
    found = base or Reading()
    if pattern is not None or key is not None:
        keys = (("pid", key),) if key else ()
        found = replace(found, name="", pattern=pattern or "", keys=keys, events=())
    return replace(found, lost=lost or found.lost, execs=execs or found.execs)


def lines(
    chunks: Iterable[Chunk], begin_ns: int = 0, end_ns: float = inf
) -> Iterator[tuple[int, str]]:
    """Yield each complete line that ended within these times, with the time at which it did."""
    rest = b""
    for came_ns, text in chunks:
        *whole, rest = (rest + text).split(b"\n")
        if begin_ns <= came_ns < end_ns:
            for line in whole:
                yield came_ns, line.decode(errors="replace").rstrip("\r")


def parser(reading: Reading) -> Callable[[int, str], Shown | None]:
    """Return a function that reads a process from a line, or None if it shows none."""
    expression = re.compile(reading.pattern)
    paths = [(name, _path(key)) for name, key in reading.keys]
    events = [*map(_path, reading.events)]

    def fields(line: str) -> Mapping[str, Any]:
        """Return ``pid``, ``parent``, ``code`` and ``signal``, as far as the line has them."""
        if not paths:
            match = expression.search(line)
            return {"pid": match[1], **match.groupdict()} if match else {}
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return {}
        if events and reading.exit not in (reduce(_member, path, value) for path in events):
            return {}
        found = dict[str, Any]()
        for name, path in paths:
            if found.get(name) is None:
                found[name] = reduce(_member, path, value)
        return found

    def parse(came_ns: int, line: str) -> Shown | None:
        found = fields(line)
        pid = _number(found.get("pid"))
        if pid is None:
            return None
        status = None
        if "code" in found or "signal" in found:
            status = _status(_number(found.get("code")) or 0, found.get("signal"))
        return Shown(came_ns, pid, _number(found.get("parent")), status)

    return parse


def lost_in(reading: Reading, text: str) -> int:
    """Return how many events a line reports as lost."""
    found = re.search(reading.lost, text)
    with suppress(ValueError, IndexError, TypeError):
        return max(0, int(found[1])) if found else 0
    return 0


def _path(key: str) -> list[str]:
    return key.strip(".").split(".")


def _member(value: Any, name: str) -> Any:
    if isinstance(value, list) and name.isdecimal():
        return value[int(name)] if int(name) < len(value) else None
    return value.get(name) if isinstance(value, dict) else None


def _number(value: Any) -> int | None:
    with suppress(ValueError, TypeError, OverflowError):  # JSON may have 1e999
        return int(value)
    return None


def _status(code: int, killed_by: Any) -> int:
    """Return a wait status; a signal is a number, or a name such as SIGKILL."""
    if killed_by in (None, "", 0, "0"):
        return code << 8
    number = _number(killed_by)
    if number is None:
        with suppress(KeyError):
            number = signal.Signals[str(killed_by)]
    return number or 0
