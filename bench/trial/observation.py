# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold the raw facts of one storm under one transport, before anything is computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.measure.cost import Cost
from bench.measure.late import LateFacts
from bench.record.counters import CpuCounters
from bench.record.footprint import Memory
from bench.record.records import Records
from bench.trial.competition import Competition
from workloads.storm import StormReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Hold a storm that is over, and what happened meanwhile."""

    storm: StormReport
    competition: Competition
    away_ns: int | None = None  # the longest time that the harness did not run; None: not watched
    neighbours: tuple[str, ...] | None = None  # others' programs at this event; None: unknown
    offline: tuple[int, ...] = ()  # CPUs that had gone when the buffers were made
    wakeups_raised: int | None = None  # irq_work interrupts, all CPUs; None: not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Hold all raw facts of one trial. ``records`` shares the capture's memory: use it at once."""

    records: Records
    counters: tuple[CpuCounters, ...]
    passage: Passage
    memory: Memory
    cost: Cost  # without figures from records and counters
    malformed: int  # records that the tracer cannot have sent
    misdated: int  # visits whose last record was dated later than the visit's end
    occupancy: npt.NDArray[np.uint64]  # shape (n, 2): CLOCK_MONOTONIC ns, bytes not yet read
    lost_told: dict[str, int] = field(default_factory=dict)
    late: LateFacts | None = None  # None: not requested, or not by this reader
    skipped_told: int | None = None
    counted: Mapping[int, tuple[int, int]] | None = None  # by CPU, of all and own; None: records
    cpus: tuple[int, ...] = ()  # that had a buffer, where each has one
    overwritten_bytes: int | None = None  # found by the consumer; None: the transport refuses
