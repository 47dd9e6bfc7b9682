# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read the report of the guest's first process; guest/main.c defines its format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Final

from bench.questions.exact.plan import RUNS

_HEAD: Final = "bufbench-exact 1"
_NUMBER: Final = "([0-9]{1,19})"
_RUN: Final = r"[0-9]{1,19}(?:\*[0-9]{1,4})?"  # a value, and how often in a row
_CALL: Final = re.compile(
    rf"call ([^ ]*) {_NUMBER} {_NUMBER} {_NUMBER} ({_RUN}(?:,{_RUN})*)", re.ASCII
)
_REFUSED: Final = re.compile(rf"refused ([^ ]+) {_NUMBER} ([^ ]*) [^ ]* (.*)", re.ASCII)

_STEPS: Final = {
    "ring": "no such ring buffer",
    "load": "its program is not loaded",
    "run": "its program does not run",
}
"""What the kernel refused, if the first process's own word is not enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Hold each repetition of a call, in order: instructions, the program's own included."""

    name: str
    bytes: int
    begin: int  # bytes in its buffer before
    end: int  # and after
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Name a call that the kernel lacks or does not allow."""

    name: str
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestReport:
    """Hold a whole report."""

    facts: Mapping[str, str]  # release, machine, page, jit, clock
    calls: tuple[Counted | Refused, ...]


def parse(report: bytes) -> GuestReport:
    """Return the report; ValueError, with the reason, if it is incomplete."""
    lines = report.decode("ascii", errors="replace").splitlines()
    if not lines:
        raise ValueError("there is no report")
    if lines[0] != _HEAD or lines[-1] != "end":
        raise ValueError("the report is not whole")
    facts: dict[str, str] = {}
    calls: list[Counted | Refused] = []
    for line in lines[1:-1]:
        word, _, rest = line.partition(" ")
        if call := _CALL.fullmatch(line):
            name, size, begin, end = call[1], *map(int, call.group(2, 3, 4))
            values = tuple(islice(_values(call[5]), RUNS + 1))
            if len(values) != RUNS:
                raise ValueError(f"the report has not {RUNS} counts of {name}")
            calls.append(Counted(name=name, bytes=size, begin=begin, end=end, values=values))
        elif refused := _REFUSED.fullmatch(line):
            reason = f"{_STEPS.get(refused[3], refused[3])}: {refused[4][:200]}"
            calls.append(Refused(name=refused[1], bytes=int(refused[2]), reason=reason))
        elif word in ("call", "refused"):
            raise ValueError(f"the report is garbled: {rest[:80]!r}")
        elif word == "failed":
            raise ValueError(f"the first process failed: {rest[:200]}")
        else:
            facts[word] = rest
    if not re.fullmatch(_NUMBER, facts.get("page", "")) or not int(facts["page"]):
        raise ValueError("the report gives no page size")
    return GuestReport(facts=facts, calls=tuple(calls))


def _values(text: str) -> Iterator[int]:
    for run in text.split(","):
        value, _, times = run.partition("*")
        yield from repeat(int(value), int(times or 1))
