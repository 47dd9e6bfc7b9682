# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Summarise the rounds of each side, and compare the sides within blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean, median
from typing import Final

from bench.judge.comparison import Outcome, outcome_of
from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import METRICS, Unit
from bench.judge.statistics import Estimate, paired_difference, paired_ratio
from bench.questions.object.run import Round
from bench.report.document import pick


@dataclass(frozen=True, slots=True)
class Number:
    """Define a number of a round, named like those of a trial: docs/metrics.md."""

    key: str
    label: str
    unit: Unit
    of: Callable[[Round], float | None]
    more_is_better: bool = False


def _over(part: str, whole: str, scale: float = 1.0) -> Callable[[Round], float | None]:
    def of(found: Round) -> float | None:
        above, below = getattr(found, part), getattr(found, whole)
        return scale * above / below if above is not None and below else None

    return of


def _of_trials(key: str, of: Callable[[Round], float | None] | None = None) -> Number:
    """Return a number that trials also have, under its label; by default the round's own field."""
    metric = next(each for each in METRICS if each.key == key)
    return Number(key, metric.label, metric.unit, of or attrgetter(key))


NUMBERS: Final = (
    Number("attempted", "attempted", Unit.COUNT, attrgetter("attempted")),
    Number("dropped_share", "dropped", Unit.SHARE, _over("lost", "attempted")),
    Number("delivered_per_s", "delivered", Unit.PER_S, _over("delivered", "seconds"), True),
    _of_trials("latency_p50_ns"),
    _of_trials("latency_p99_ns"),
    _of_trials("latency_max_ns"),
    Number("kernel_ns_per_run", "kernel time per run", Unit.NS, _over("kernel_ns", "kernel_runs")),
    _of_trials("consumer_cpu_s_per_million", _over("consumer_cpu_ns", "delivered", 1e-3)),
    _of_trials("wakeups_taken_per_event", _over("wakeups_taken", "delivered")),
    _of_trials("wakeups_raised_per_event", _over("wakeups_raised", "attempted")),
    _of_trials("occupancy_max_share", _over("peak_bytes", "data_bytes")),
    _of_trials("physical_bytes"),
)
_LOADS: Final = frozenset({"attempted"})  # not a property of the transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one number: its centre on each side, and the first side over, or minus, the second."""

    key: str
    label: str
    unit: Unit
    values: dict[str, float | None]
    estimate: Estimate | None
    outcome: Outcome
    more_is_better: bool

    @property
    def better(self) -> str:
        """Return the side that does better; "" if neither does."""
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
        side: {
            each.block: value
            for each in rounds
            if each.side == side and (value := number.of(each)) is not None
        }
        for side in sides
    }
    centre = fmean if number.unit is Unit.SHARE else median
    estimate = None
    if len(sides) > 1 and number.key not in _LOADS:
        estimate = _estimate(number, by_side[sides[0]], by_side[sides[1]])
    return pick(
        Row,
        number,
        values={side: centre(found.values()) if found else None for side, found in by_side.items()},
        estimate=estimate,
        outcome=outcome_of(estimate, 0.0 if number.unit is Unit.SHARE else LEAST_MARGIN),
    )


def _estimate(number: Number, first: dict[int, float], second: dict[int, float]) -> Estimate | None:
    blocks = [block for block in first if block in second]
    left, right = ([side[block] for block in blocks] for side in (first, second))
    if not blocks:
        return None
    if number.unit is Unit.SHARE:
        return paired_difference(left, right, mean=True)
    return paired_ratio(left, right) if min(*left, *right) > 0 else None
