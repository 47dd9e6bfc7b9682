# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Replay a profile of a load as a storm with its rate, bursts and record lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from pathlib import Path
from typing import Final

from bench.errors import JournalError, UsageError
from bench.journal import saved
from bench.plan import mix
from bench.questions.watch.profile import FORMAT, Load, Profile
from bench.record.layout import RECORD_BYTES
from workloads.storm import Shape, Storm

MOST_EXITS_PER_S: Final = 2_000.0
"""Most exits per second of a storm; beyond it an exit sends several records."""

_COMMAND: Final = "bufbench watch --output"
_LONGEST_BIN_S: Final = 86_400.0
_MOST_IN_BIN: Final = 10**15
_LONGEST_RECORD: Final = 1 << 32
_MOST_BINS: Final = 2_000  # of the journal's lines
_MOST_RECORDS: Final = 1_000  # an exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Hold a storm that follows a profile, and what each of its exits sends."""

    storm: Storm
    records_per_exit: int
    turns: tuple[int, ...]  # padding of its records, as in bench.plan.mix


def read(path: Path) -> Profile:
    """Return a profile; JournalError for a file that is not one."""
    found = saved.read(path, Profile, number=FORMAT, command=_COMMAND)
    if not all(map(_possible, found.loads)):
        raise JournalError(
            f"{path} has a duration, a count or a record length that no load can have",
            remedy=f"name a file that {_COMMAND} wrote",
        )
    return found


def _possible(load: Load) -> bool:
    lengths = load.buffer.lengths.items()
    return (
        0 < load.bin_s <= _LONGEST_BIN_S
        and all(0 <= each <= _MOST_IN_BIN for each in load.records)
        and all(0 <= length <= _LONGEST_RECORD and count > 0 for length, count in lengths)
    )


def chosen(profile: Profile, buffer: str = "") -> Load:
    """Return the load of a buffer, by its map's number or name or its owner; else the largest.

    UsageError if there is none, or nothing was written to it.
    """
    loads = [each for each in profile.loads if not buffer or buffer in _names(each)]
    load = max(loads, key=lambda each: sum(each.bytes), default=None)
    if load is None:
        raise UsageError(f"the profile has no buffer {buffer[:40]}".rstrip())
    if not sum(load.records):
        raise UsageError("nothing was written to that buffer while it was watched")
    return load


def replay(load: Load, *, workers: int, most_s: float) -> Replay:
    """Return the storm that replays the busiest ``most_s`` of a load by ``workers`` workers.

    If records come faster than processes can exit, each exit sends several; the rest of a bin is
    sent in the next.
    """
    records, bin_s = _busiest(load.records, max(1, round(most_s / load.bin_s))), load.bin_s
    while len(records) > _MOST_BINS:
        records = [sum(records[place : place + 2]) for place in range(0, len(records), 2)]
        bin_s *= 2
    each = min(_MOST_RECORDS, max(1, ceil(max(records) / bin_s / MOST_EXITS_PER_S)))
    schedule, left = [], 0
    for count in records:
        exits, left = divmod(left + count, each)
        schedule.append(exits)
    schedule[-1] += bool(left)
    storm = Storm(
        shape=Shape.REPLAY,
        count=sum(schedule),
        workers=workers,
        schedule=tuple(schedule),
        bin_ms=bin_s * 1e3,
        seconds=2 * len(schedule) * bin_s + 5,
    )
    return Replay(
        storm=storm,
        records_per_exit=each,
        turns=mix.turns(load.buffer.lengths or {RECORD_BYTES: 1}),
    )


def _busiest(records: Sequence[int], bins: int) -> list[int]:
    """Return the ``bins`` consecutive bins with the most records."""
    sums = [0, *accumulate(records)]
    starts = range(max(1, len(records) - bins + 1))
    start = max(starts, key=lambda at: sums[min(at + bins, len(records))] - sums[at])
    return list(records[start : start + bins])


def _names(load: Load) -> set[str]:
    owners = load.buffer.owners
    return {
        str(load.buffer.map),
        load.buffer.name,
        *(each.command for each in owners),
        *(str(each.pid) for each in owners),
    }
