# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare what instruments report of memory with the formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bench.record.footprint import MemoryLine
from bench.tracer.transports import traits

FREE_TOLERANCE: Final = 0.10
"""Of the change of free pages, as a share of what the formula says."""


class Worth(StrEnum):
    """Verdict on an instrument's number, beside the bytes that are really taken."""

    RIGHT = "right"
    WRONG = "wrong"
    NOTHING = "nothing"  # it says 0
    UNKNOWN = "not reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One way to ask for the memory of buffers."""

    key: str  # field of MemoryLine
    label: str
    truth: Callable[[MemoryLine], int | None]  # what would be right
    within: Callable[[MemoryLine, int], float]  # bytes that it may be off by


def _physical(line: MemoryLine) -> int | None:
    return line.footprint.physical_bytes if line.footprint is not None else None


def _a_page_each(line: MemoryLine, _: int) -> float:
    """Allow a page for each of the buffers: the formula leaves out what describes them."""
    return line.page_size_bytes * traits(line.transport).buffers(line.cpus)


def _a_tenth(_: MemoryLine, truth: int) -> float:
    return FREE_TOLERANCE * truth


INSTRUMENTS: Final = (
    Instrument(
        key="mapped_bytes",
        label="mapped",
        truth=lambda line: line.mapped_formula_bytes,
        within=lambda line, _: line.page_size_bytes,
    ),
    Instrument(key="rss_bytes", label="VmRSS", truth=_physical, within=_a_tenth),
    Instrument(key="pinned_bytes", label="VmPin", truth=_physical, within=_a_tenth),
    Instrument(key="locked_bytes", label="VmLck", truth=_physical, within=_a_tenth),
    Instrument(key="memlock_bytes", label="fdinfo memlock", truth=_physical, within=_a_page_each),
    Instrument(key="memcg_bytes", label="memcg", truth=_physical, within=_a_tenth),
    Instrument(key="free_bytes", label="free pages", truth=_physical, within=_a_tenth),
)
"""In the order of tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One transport at one budget, and what each instrument made of it."""

    line: MemoryLine
    worths: Mapping[str, Worth]  # by the key of the instrument

    @property
    def physical_bytes(self) -> int | None:
        """Return the true bytes, by formula; None where the kernel gave no such buffers."""
        return _physical(self.line)


def judge(line: MemoryLine) -> Judged:
    """Compare every instrument with the formulas."""
    return Judged(line=line, worths={each.key: worth(line, each) for each in INSTRUMENTS})


def worth(line: MemoryLine, instrument: Instrument) -> Worth:
    """Return whether one instrument is right."""
    value: int | None = getattr(line, instrument.key)
    truth = instrument.truth(line)
    if value is None or truth is None:
        return Worth.UNKNOWN
    if abs(value - truth) <= instrument.within(line, truth):
        return Worth.RIGHT
    return Worth.NOTHING if value == 0 else Worth.WRONG


def latest(lines: Iterable[MemoryLine]) -> tuple[Judged, ...]:
    """Judge each transport and budget once, by its last line; smallest budget first."""
    found = {(line.budget_bytes, line.transport): line for line in lines}
    return tuple(judge(found[key]) for key in sorted(found))
