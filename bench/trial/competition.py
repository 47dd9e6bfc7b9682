# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure competition: CPU time that others used during a trial, and time that tasks waited.

Tasks wait for others, or for their cgroup's next period.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt
from typing import Final

from bench.linux import cgroup, procfs

_TICK_S: Final = 0.01  # at most: 100 Hz is the slowest that kernels are built for
_ERRORS: Final = 3.0  # standard errors that sampling may be off by


@dataclass(frozen=True, slots=True, kw_only=True)
class Competition:
    """What a trial met, as rates over its storm and the drain after it."""

    foreign_cpus: float  # CPU seconds a second of tasks that are not the trial's
    sampling_error_cpus: float = 0.0  # that it may be off by, either way
    stalled: dict[str, float] = field(default_factory=dict)  # share of time, by resource
    throttled_s: float | None = None  # for which a quota stopped tasks; None: not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The accounts at one moment, in seconds."""

    at_s: float
    working_s: float  # of all tasks, on all CPUs
    own_s: float
    stalled_s: dict[str, float]
    throttled_s: float | None = None


def read(beside: Iterable[int] = ()) -> Reading:
    """Read the accounts. The trial's own processes are this one, children that ended, ``beside``.

    ``beside`` are pids of children that still run.
    """
    own = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Reading(
        at_s=time.monotonic(),
        working_s=procfs.cpu_times().working_s,
        own_s=sum(use.ru_utime + use.ru_stime for use in own)
        + sum(map(procfs.process_cpu_s, beside)),
        stalled_s=procfs.stalled_s(),
        throttled_s=cgroup.throttled_s(),
    )


def between(before: Reading, after: Reading, *, cpus: int) -> Competition:
    """Return what happened on ``cpus`` from one reading to the other.

    The kernel samples the time of all tasks at its ticks, and measures that of one exactly, so that
    the difference has the error of a binomial sample: of a CPU that works at half of the ticks.
    """
    passed_s = max(after.at_s - before.at_s, 1e-6)
    foreign_s = (after.working_s - before.working_s) - (after.own_s - before.own_s)
    return Competition(
        foreign_cpus=max(0.0, foreign_s / passed_s),
        sampling_error_cpus=_ERRORS * 0.5 * sqrt(cpus * _TICK_S / passed_s),
        stalled={
            name: min(1.0, max(0.0, (now_s - before.stalled_s[name]) / passed_s))
            for name, now_s in after.stalled_s.items()
            if name in before.stalled_s
        },
        throttled_s=None
        if before.throttled_s is None or after.throttled_s is None
        else max(0.0, after.throttled_s - before.throttled_s),
    )
