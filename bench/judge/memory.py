# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare what instruments report of memory with the formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from bench.record.footprint import MemoryLine
from bench.tracer.transports import traits

FREE_TOLERANCE: Final = 0.10
"""Of the change of free pages, as a share of the formula's bytes."""


class Worth(StrEnum):
    """Classify an instrument's number, against the bytes actually taken."""

    RIGHT = "right"
    WRONG = "wrong"
    NOTHING = "nothing"  # it says 0
    UNKNOWN = "not reported"


class Instrument(NamedTuple):
    """Describe one way to read how much memory buffers take."""

    key: str  # field of MemoryLine
    label: str


INSTRUMENTS: Final = (
    Instrument("mapped_bytes", "mapped"),
    Instrument("rss_bytes", "VmRSS"),
    Instrument("pinned_bytes", "VmPin"),
    Instrument("locked_bytes", "VmLck"),
    Instrument("memlock_bytes", "fdinfo memlock"),
    Instrument("memcg_bytes", "memcg"),
    Instrument("free_bytes", "free pages"),
)
"""In the order of tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMemory:
    """Hold the verdict on each instrument, for one transport at one budget."""

    line: MemoryLine
    worths: Mapping[str, Worth]  # by the key of the instrument


def judge(line: MemoryLine) -> JudgedMemory:
    """Compare every instrument with the formulas."""
    worths = {each.key: _worth(line, each.key) for each in INSTRUMENTS}
    return JudgedMemory(line=line, worths=worths)


def _worth(line: MemoryLine, key: str) -> Worth:
    value: int | None = getattr(line, key)
    truth = line.mapped_formula_bytes if key == "mapped_bytes" else line.physical_bytes
    if value is None or truth is None:
        return Worth.UNKNOWN
    tolerance_bytes = FREE_TOLERANCE * truth
    if key == "mapped_bytes":
        tolerance_bytes = line.page_size_bytes
    elif key == "memlock_bytes":  # the formula leaves out what describes each buffer
        tolerance_bytes = line.page_size_bytes * traits(line.transport).buffers(line.cpus)
    if abs(value - truth) <= tolerance_bytes:
        return Worth.RIGHT
    return Worth.NOTHING if value == 0 else Worth.WRONG


def latest(lines: Iterable[MemoryLine]) -> tuple[JudgedMemory, ...]:
    """Judge each transport and budget once, by its last line; smallest budget first."""
    found = {(line.budget_bytes, line.transport): line for line in lines}
    return tuple(judge(found[key]) for key in sorted(found))
