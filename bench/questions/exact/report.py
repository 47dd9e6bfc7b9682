# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read what the guest's first process reported; guest/main.c says how it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from bench.questions.exact.plan import RUNS

_HEAD: Final = "bufbench-exact 1"
_VALUES: Final = re.compile(r"[0-9]{1,19}(\*[0-9]{1,4})?(,[0-9]{1,19}(\*[0-9]{1,4})?)*", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)

_STEPS: Final = {
    "ring": "no such ring buffer",
    "load": "its program is not loaded",
    "run": "its program does not run",
}
"""What the kernel refused, where the first process's own word is not enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Hold what a call took each time, in order: instructions, the program's own included."""

    name: str
    bytes: int
    begin: int  # bytes in its buffer before
    end: int  # and after
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Name a call that the kernel does not know, or does not allow."""

    name: str
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestReport:
    """Hold a whole report."""

    facts: Mapping[str, str]  # release, machine, page, jit, clock
    calls: tuple[Counted | Refused, ...]


def parse(report: bytes) -> GuestReport:
    """Return the report; ValueError, with words, if it is not whole."""
    lines = report.decode("ascii", errors="replace").splitlines()
    if not lines:
        raise ValueError("there is no report")
    if lines[0] != _HEAD or lines[-1] != "end":
        raise ValueError("the report is not whole")
    facts: dict[str, str] = {}
    calls: list[Counted | Refused] = []
    for line in lines[1:-1]:
        word, _, rest = line.partition(" ")
        match word:
            case "call":
                calls.append(_counted(rest))
            case "refused":
                calls.append(_refused(rest))
            case "failed":
                raise ValueError(f"the first process failed: {rest[:200]}")
            case _:
                facts[word] = rest
    if not _NUMBER.fullmatch(facts.get("page", "")) or not int(facts["page"]):
        raise ValueError("the report names no size of a page")
    return GuestReport(facts=facts, calls=tuple(calls))


def _counted(text: str) -> Counted:
    name, *numbers, values = text.split(" ") if text.count(" ") == 4 else ("", "")
    if not all(map(_NUMBER.fullmatch, numbers)) or not _VALUES.fullmatch(values):
        raise ValueError(f"the report is garbled: {text[:80]!r}")
    found = tuple(islice(_values(values), RUNS + 1))
    if len(found) != RUNS:
        raise ValueError(f"the report has not {RUNS} counts of {name}")
    size, begin, end = map(int, numbers)
    return Counted(name=name, bytes=size, begin=begin, end=end, values=found)


def _values(text: str) -> Iterator[int]:
    for run in text.split(","):
        value, _, times = run.partition("*")
        yield from (int(value) for _ in range(int(times or 1)))


def _refused(text: str) -> Refused:
    name, size, step, _, reason = (text.split(" ", 4) + [""] * 5)[:5]
    if not name or not _NUMBER.fullmatch(size):
        raise ValueError(f"the report is garbled: {text[:80]!r}")
    words = _STEPS.get(step, step)
    return Refused(name=name, bytes=int(size), reason=f"{words}: {reason[:200]}")
