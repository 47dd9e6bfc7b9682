# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge sizes: which rung to try next, and which size the tried rungs suggest.

Loss is random near the edge, so nothing is bisected. A quick scan goes up from the least rung until
two in a row lose nothing; then every rung around that edge gets its full number of storms.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.judge.comparison import Bottleneck, bottleneck
from bench.judge.ladder import Ladder, Rung
from bench.judge.load import state_of
from bench.judge.statistics import loss_bound
from bench.plan.experiments import LADDER_STORMS
from bench.trial.assess import OTHER_EXITS_BOUND
from bench.trial.result import State, TrialResult

SCAN_STORMS: Final = 4
"""Storms of each rung in the scan: enough to see where losses become likely."""

_CLEAN_RUNGS: Final = 2
_RUNGS_BELOW: Final = 2  # the edge: a quarter of the minimum is among them


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedRung(Rung):
    """Hold one budget that was tried, and the share of the storms' records that it lost."""

    own_dropped_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing(Ladder):
    """Hold the need of one transport. ``rungs_bytes``: all budgets that it can have, ascending."""

    rungs: tuple[TriedRung, ...]
    rungs_bytes: tuple[int, ...]
    margin: float
    consumer_bound: bool = False  # the consumer was never idle in most storms that lost something
    disturbed_storms: int = 0  # used, although CPU time was stolen or others' processes ended

    @property
    def recommended_bytes(self) -> int | None:
        """Return the least size of ``margin`` times the minimum or more, or else the largest."""
        if (least := self.minimum_bytes) is None:
            return None
        larger = (size for size in self.rungs_bytes if size >= self.margin * least)
        return next(larger, self.rungs_bytes[-1])

    @property
    def at_least_size(self) -> bool:
        """Return whether there is no size below the minimum."""
        return self.minimum_bytes == self.rungs_bytes[0]

    def tried(self, budget_bytes: int | None) -> TriedRung | None:
        """Return the rung of this budget, if it was tried."""
        return next((r for r in self.rungs if r.budget_bytes == budget_bytes), None)

    @property
    def soft(self) -> TriedRung | None:
        """Return the rung at a quarter of the minimum, if less than half of its storms lost any.

        Then chance decides about losses rather than the load, and the minimum is not sharp.
        """
        quarter = self.tried(self.minimum_bytes and self.minimum_bytes // 4)
        return quarter if quarter is not None and 2 * quarter.lossy < quarter.trials else None


def sizing(
    transport: str,
    trials: Iterable[TrialResult],
    rungs_bytes: Sequence[int],
    *,
    tolerated: float,
    margin: float,
) -> Sizing:
    """Judge ``transport`` by its trials, without invalid and reduced ones.

    Disturbed ones are left out too, if a rung has 20 others. A storm counts as lossy if it lost
    more than the share ``tolerated`` of its records.
    """
    by_budget = defaultdict[int, list[TrialResult]](list)
    for trial in trials:
        counts = state_of(trial) not in (State.INVALID, State.REDUCED)
        if trial.config.transport == transport and counts and trial.ledger is not None:
            by_budget[trial.config.budget_bytes].append(trial)
    rungs = []
    disturbed, limits = 0, Counter[Bottleneck]()
    for budget_bytes, of_rung in sorted(by_budget.items()):
        # Storms are left out by their conditions, never by their losses, and only if 20 remain.
        quiet = [trial for trial in of_rung if not _is_disturbed(trial)]
        counted = quiet if len(quiet) >= LADDER_STORMS else of_rung
        disturbed += len(counted) - len(quiet)
        limits.update(map(bottleneck, counted))
        books = [trial.ledger for trial in counted if trial.ledger is not None]
        lossy = sum(book.own_dropped > tolerated * book.own_attempted for book in books)
        attempted = sum(book.own_attempted for book in books)
        rungs.append(
            TriedRung(
                budget_bytes=budget_bytes,
                trials=len(books),
                lossy=lossy,
                bound=loss_bound(lossy, len(books)),
                own_dropped_share=sum(book.own_dropped for book in books) / max(1, attempted),
            )
        )
    return Sizing(
        experiment="size",
        transport=transport,
        rungs=tuple(rungs),
        rungs_bytes=tuple(rungs_bytes),
        margin=margin,
        consumer_bound=limits[Bottleneck.CONSUMER] > limits[Bottleneck.BUFFER],
        disturbed_storms=disturbed,
    )


def _is_disturbed(trial: TrialResult) -> bool:
    """Return whether others took part of the machine, or of the buffer, beyond the bounds."""
    own = trial.storm.reaped
    return trial.state is State.NOISY or trial.conditions.other_exits > OTHER_EXITS_BOUND * own


def next_to_scan(seen: Sizing) -> int | None:
    """Return the lowest rung that the scan has not tried; None once it is finished."""
    clean = 0
    for budget_bytes in seen.rungs_bytes:
        rung = seen.tried(budget_bytes)
        if rung is None:
            return budget_bytes
        clean = 0 if rung.lossy else clean + 1
        if clean == _CLEAN_RUNGS:
            break
    return None


def around_the_edge(seen: Sizing) -> tuple[int, ...]:
    """Return the rungs that need their full number of storms after the scan."""
    lossy = [r.budget_bytes for r in seen.rungs if r.lossy]
    edge = seen.rungs_bytes.index(lossy[-1]) + 1 if lossy else 0
    return seen.rungs_bytes[max(0, edge - _RUNGS_BELOW) : edge + _CLEAN_RUNGS]


def next_rung(seen: Sizing) -> int | None:
    """Return the rung to fill next; None once there is an answer.

    Upwards as long as there is no minimum. Then the rung below it, if only the scan saw that one
    lose, and the recommended one, so that nothing untried is recommended.
    """
    minimum, wanted = seen.minimum_bytes, seen.recommended_bytes
    if minimum is None or wanted is None:
        highest = seen.rungs[-1].budget_bytes
        return next((size for size in seen.rungs_bytes if size > highest), None)
    below = seen.tried(minimum // 2)
    if below is not None and below.trials < LADDER_STORMS:
        return below.budget_bytes
    return wanted if seen.tried(wanted) is None else None


def exits_per_s(trials: Iterable[TrialResult]) -> float:
    """Return the median rate of the storms' exits; 0 without any."""
    rates = [trial.storm.rate_per_s for trial in trials if trial.state is not State.INVALID]
    return median(rates) if rates else 0.0
