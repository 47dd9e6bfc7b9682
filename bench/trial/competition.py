# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure competition: CPU time that others used during a trial, and time that tasks waited.

Tasks wait for others, or for their cgroup's next period. While the harness is stopped, frozen or
starved, it reads nothing.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import sqrt
from typing import Final, TypeVar

from bench.host.threads import repeated
from bench.linux import cgroup, procfs

_TICK_S: Final = 0.01  # at most: 100 Hz is the slowest that kernels are built for
_ERRORS: Final = 3.0  # standard errors of sampling
_LOOK_NS: Final = 50_000_000

Amount = TypeVar("Amount", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Competition:
    """Hold the activity of other processes, as rates over a trial's storm and drain."""

    foreign_cpus: float  # CPU seconds a second of tasks that are not the trial's
    foreign_cpus_error: float = 0.0  # in either direction
    stalled: dict[str, float] = field(default_factory=dict)  # share of time, by resource
    throttled_s: float | None = None  # for which a quota stopped tasks; None: not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Hold readings at one moment, in seconds."""

    at_s: float
    working_s: float  # of all tasks, on all CPUs
    own_s: float
    stalled_s: dict[str, float]
    throttled_s: float | None = None


def read(beside: Iterable[int] = ()) -> Accounts:
    """Read the clocks. The trial's own processes are this one, children that ended, and ``beside``.

    ``beside`` are pids of children that are still running.
    """
    own = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Accounts(
        at_s=time.monotonic(),
        working_s=procfs.cpu_times().working_s,
        own_s=sum(use.ru_utime + use.ru_stime for use in own)
        + sum(map(procfs.process_cpu_s, beside)),
        stalled_s=procfs.stalled_s(),
        throttled_s=cgroup.throttled_s(),
    )


def between(before: Accounts, after: Accounts, *, cpus: int) -> Competition:
    """Return what happened on ``cpus`` from one reading to the other.

    The kernel samples the time of all tasks at its ticks, and measures that of a single one
    exactly, so that the difference has the error of a binomial sample: that of a CPU that is busy
    at half of the ticks.
    """
    passed_s = max(after.at_s - before.at_s, 1e-6)
    throttled_s = risen(before.throttled_s, after.throttled_s)
    foreign_s = (after.working_s - before.working_s) - (after.own_s - before.own_s)
    return Competition(
        foreign_cpus=max(0.0, foreign_s / passed_s),
        foreign_cpus_error=_ERRORS * 0.5 * sqrt(cpus * _TICK_S / passed_s),
        stalled={
            name: min(1.0, max(0.0, (now_s - before.stalled_s[name]) / passed_s))
            for name, now_s in after.stalled_s.items()
            if name in before.stalled_s
        },
        throttled_s=None if throttled_s is None else max(0.0, throttled_s),
    )


def risen(before: Amount | None, after: Amount | None) -> Amount | None:
    """Return by how much a reading has risen; None where it is unknown."""
    return None if before is None or after is None else after - before


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """Check the clock 20 times a second, in a separate thread, while the context lasts.

    The yielded function returns the longest time so far, in ns, that the harness did not run.
    """
    last_ns, longest_ns = time.monotonic_ns(), 0

    def away_ns() -> int:
        return max(longest_ns, time.monotonic_ns() - last_ns - _LOOK_NS)

    def look() -> None:
        nonlocal last_ns, longest_ns
        longest_ns, last_ns = away_ns(), time.monotonic_ns()

    with repeated(look, _LOOK_NS / 1e9, name="presence"):
        yield away_ns
