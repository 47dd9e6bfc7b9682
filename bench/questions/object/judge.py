# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the rounds say of each side, and of one against the other within blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from bench.judge.comparison import Outcome, outcome_of
from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import Unit
from bench.judge.statistics import Estimate, paired_difference, paired_ratio
from bench.questions.object.run import Round


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a round, named as those of a trial are: docs/metrics.md."""

    key: str
    label: str
    unit: Unit
    of: Callable[[Round], float | None]
    more_is_better: bool = False


def _over(part: Callable[[Round], float | None], whole: str) -> Callable[[Round], float | None]:
    def of(found: Round) -> float | None:
        above, below = part(found), getattr(found, whole)
        return above / below if above is not None and below else None

    return of


NUMBERS: Final = (
    Number("attempted", "attempted", Unit.COUNT, lambda each: each.attempted),
    Number("dropped_share", "dropped", Unit.SHARE, _over(lambda each: each.lost, "attempted")),
    Number(
        "delivered_per_s",
        "delivered",
        Unit.PER_S,
        _over(lambda each: each.delivered, "seconds"),
        more_is_better=True,
    ),
    Number("latency_p50_ns", "latency p50", Unit.NS, lambda each: each.latency_p50_ns),
    Number("latency_p99_ns", "latency p99", Unit.NS, lambda each: each.latency_p99_ns),
    Number("latency_max_ns", "latency max", Unit.NS, lambda each: each.latency_max_ns),
    Number(
        "kernel_ns_per_run",
        "kernel time per run",
        Unit.NS,
        _over(lambda each: each.kernel_ns, "kernel_runs"),
    ),
    Number(
        "consumer_cpu_s_per_million",
        "consumer CPU per million",
        Unit.SECONDS,
        _over(lambda each: each.consumer_cpu_ns / 1e3, "delivered"),
    ),
    Number(
        "wakeups_taken_per_event",
        "wake-ups taken per event",
        Unit.TIMES,
        _over(lambda each: each.wakeups_taken, "delivered"),
    ),
    Number(
        "wakeups_raised_per_event",
        "wake-ups raised per event",
        Unit.TIMES,
        _over(lambda each: each.wakeups_raised, "attempted"),
    ),
    Number(
        "occupancy_max_share",
        "buffer filled, at most",
        Unit.SHARE,
        _over(lambda each: each.peak_bytes, "data_bytes"),
    ),
    Number("physical_bytes", "memory, true", Unit.BYTES, lambda each: each.physical_bytes),
)
_LOADS: Final = frozenset({"attempted"})  # which say nothing of a transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number: its centre on each side, and the first side over or minus the second."""

    key: str
    label: str
    unit: Unit
    values: dict[str, float | None]
    estimate: Estimate | None
    outcome: Outcome
    more_is_better: bool

    @property
    def better(self) -> str:
        """Return the side that it speaks for; "": neither."""
        if self.outcome not in (Outcome.LESS, Outcome.MORE):
            return ""
        first, second = self.values
        return first if (self.outcome is Outcome.MORE) == self.more_is_better else second


def judge(rounds: Sequence[Round], sides: Sequence[str]) -> tuple[Row, ...]:
    """Return the numbers that at least one side has."""
    found = (_row(each, rounds, sides) for each in NUMBERS)
    return tuple(each for each in found if any(v is not None for v in each.values.values()))


def _row(number: Number, rounds: Sequence[Round], sides: Sequence[str]) -> Row:
    by_side = {
        side: {each.block: number.of(each) for each in rounds if each.side == side}
        for side in sides
    }
    values = {
        side: [value for value in found.values() if value is not None]
        for side, found in by_side.items()
    }
    centre = fmean if number.unit is Unit.SHARE else median
    estimate = None
    if len(sides) > 1 and number.key not in _LOADS:
        estimate = _estimate(number, by_side[sides[0]], by_side[sides[1]])
    return Row(
        key=number.key,
        label=number.label,
        unit=number.unit,
        values={side: centre(found) if found else None for side, found in values.items()},
        estimate=estimate,
        outcome=outcome_of(estimate, 0.0 if number.unit is Unit.SHARE else LEAST_MARGIN),
        more_is_better=number.more_is_better,
    )


def _estimate(
    number: Number, first: dict[int, float | None], second: dict[int, float | None]
) -> Estimate | None:
    pairs = [
        (value, other)
        for block, value in first.items()
        if value is not None and (other := second.get(block)) is not None
    ]
    if not pairs:
        return None
    left, right = ([each[place] for each in pairs] for place in (0, 1))
    if number.unit is Unit.SHARE:
        return paired_difference(left, right, mean=True)
    return paired_ratio(left, right) if min(*left, *right) > 0 else None
