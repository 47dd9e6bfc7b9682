# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a tool's lines: which process each one shows, when it came, and how many it reports lost."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any

from bench.questions.check.presets import Reading

Chunk = tuple[int, bytes]
"""The time at which bytes came (CLOCK_MONOTONIC, ns), and the bytes."""

Fields = Callable[[str], Mapping[str, Any]]
"""Return a line's ``pid``, ``parent``, ``code`` and ``signal``, as far as it has them."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One process as a line shows it; None: not in the line."""

    came_ns: int
    pid: int
    parent: int | None = None
    status: int | None = None  # as waitpid(2) gives it


def lines(
    chunks: Iterable[Chunk], begin_ns: int = 0, end_ns: float = inf
) -> Iterator[tuple[int, str]]:
    """Yield each whole line with the time at which its end came, of those that came within."""
    rest = b""
    for came_ns, text in chunks:
        *whole, rest = (rest + text).split(b"\n")
        if begin_ns <= came_ns < end_ns:
            for line in whole:
                yield came_ns, line.decode(errors="replace").rstrip("\r")


def parser(reading: Reading) -> Callable[[int, str], Shown | None]:
    """Return a function that reads a process from a line, or None if it shows none."""
    fields = _by_keys(dict(reading.keys)) if reading.keys else _by_pattern(reading.pattern)

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
        return int(found[1]) if found else 0
    return 0


def _by_pattern(pattern: str) -> Fields:
    expression = re.compile(pattern)
    named = "pid" in expression.groupindex

    def fields(line: str) -> Mapping[str, Any]:
        found = expression.search(line)
        if found is None:
            return {}
        return found.groupdict() if named else {"pid": found[1], **found.groupdict()}

    return fields


def _by_keys(keys: Mapping[str, str]) -> Fields:
    paths = {name: path.strip(".").split(".") for name, path in keys.items()}

    def fields(line: str) -> Mapping[str, Any]:
        try:
            value = json.loads(line)
        except ValueError:
            return {}
        return {name: _at(value, path) for name, path in paths.items()}

    return fields


def _at(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: Any) -> int | None:
    with suppress(ValueError, TypeError):
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
