# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a tool's lines: which process each one shows, when it came, and what was said to be lost."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.questions.check.presets import Reading

Chunk = tuple[int, bytes]
"""When bytes came (CLOCK_MONOTONIC, ns), and these."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One process as a line shows it; None: the line does not say."""

    came_ns: int
    pid: int
    parent: int | None = None
    status: int | None = None  # as waitpid(2) gives it


def lines(chunks: Iterable[Chunk]) -> Iterator[tuple[int, str]]:
    """Yield each whole line, and when its end came."""
    rest = b""
    for came_ns, text in chunks:
        *whole, rest = (rest + text).split(b"\n")
        for line in whole:
            yield came_ns, line.decode(errors="replace").rstrip("\r")


def parser(reading: Reading) -> Callable[[int, str], Shown | None]:
    """Return what makes a line a process, or None of a line that shows none."""
    return _by_keys(dict(reading.keys)) if reading.keys else _by_pattern(reading)


def lost_in(reading: Reading, text: str) -> int:
    """Return how many events a line says are lost."""
    found = re.search(reading.lost, text)
    with suppress(ValueError, IndexError, TypeError):
        return int(found[1]) if found else 0
    return 0


def _by_pattern(reading: Reading) -> Callable[[int, str], Shown | None]:
    expression = re.compile(reading.pattern)
    named = set(expression.groupindex)
    ends = bool({"code", "signal"} & named)

    def parse(came_ns: int, line: str) -> Shown | None:
        found = expression.search(line)
        if found is None:
            return None
        groups = found.groupdict()
        pid = _number(groups.get("pid") if "pid" in named else found[1])
        if pid is None:
            return None
        parent, code = _number(groups.get("parent")), _number(groups.get("code"))
        status = _status(code or 0, groups.get("signal")) if ends else None
        return Shown(came_ns, pid, parent, status)

    return parse


def _by_keys(keys: Mapping[str, str]) -> Callable[[int, str], Shown | None]:
    paths = {name: path.strip(".").split(".") for name, path in keys.items()}
    ends = bool({"code", "signal"} & paths.keys())

    def parse(came_ns: int, line: str) -> Shown | None:
        try:
            value = json.loads(line)
        except ValueError:
            return None
        found = {name: _at(value, path) for name, path in paths.items()}
        pid = _number(found["pid"])
        if pid is None:
            return None
        status = _status(_number(found.get("code")) or 0, found.get("signal")) if ends else None
        return Shown(came_ns, pid, _number(found.get("parent")), status)

    return parse


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
