# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge a duet, with the storm as the unit: records of one storm are not independent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import erfc, inf, sqrt
from typing import Final

from bench.journal.schema import Run
from bench.judge.comparison import Compared, Outcome, row_of
from bench.judge.filing import file
from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import METRICS, Group
from bench.judge.samples import ArmSamples, ExperimentSamples, Stretch, uneven, without
from bench.judge.sharing import CarryOver, carry_over
from bench.judge.statistics import Scale
from bench.plan.config import Wake
from bench.plan.experiments import Arm, ArmName, Experiment
from bench.questions.transports.profiles import PERFBUF
from bench.trial.result import TrialResult

NUMBERS: Final = (
    "latency_p50_ns",
    "latency_p99_ns",
    "write_ns",
    "read_ns",
    "consumer_cpu_s_per_million",
)
_CENTRAL: Final = ("latency_p50_ns", "write_ns")
"""The numbers that must reach the precision: a tail needs far more storms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Hold the result of all storms of one duet."""

    storms: int  # that count
    left_out: int  # invalid or reduced
    lossy: int  # in which an arm dropped records: not used for latency
    rows: tuple[Compared, ...]  # those of NUMBERS that were measured
    raised: tuple[float | None, float | None]  # wake-ups per record in the storms of either arm
    apart: tuple[float, float] | None  # the same for each arm's own records; None: not separable
    later_share: float | None  # P(a record of the first arm is later than one of the second)
    p: float | None  # of the ranks of latency, from the assignment alone
    carried: tuple[CarryOver, ...] = ()  # carry-over from the previous window, by number
    equivalence: float = LEAST_MARGIN  # ratios within it are equivalent
    given_up: str = ""  # why no more storms were run; "" if these sufficed

    @property
    def half_width(self) -> float:
        """Return the larger half interval of median latency and write time; inf without either."""
        central = [row.estimate for row in self.rows if row.key in _CENTRAL]
        return max((each.half_width for each in central if each is not None), default=inf)

    @property
    def times_to_settle(self) -> float:
        """Return how many times these storms would settle median latency and write time.

        As different or as equivalent, if their ratios stay as they are. 0 if both are settled,
        inf if no number of storms would suffice.
        """
        return max(map(self._times_to_settle, self.rows), default=0.0)

    def _times_to_settle(self, row: Compared) -> float:
        found = row.estimate
        if row.key not in _CENTRAL or row.outcome is not Outcome.UNDECIDED or found is None:
            return 0.0
        off = abs(found.point - 1)
        gap = max(off, self.equivalence - off) - row.margin
        return (found.half_width / gap) ** 2 if gap > 0 else inf


def recorded(run: Run) -> Iterator[Experiment]:
    """Yield the duets of a run of which both arms have trials, as its plan names them."""
    configs = {(each.experiment, each.arm): each.config for each in run.trials if each.config.duet}
    stages = (stage for plan in run.plans for stage in plan.stages)
    for name, arms in {stage.experiment: stage.arms for stage in stages}.items():
        known = tuple(
            Arm(name=arm, config=configs[name, arm])
            for arm in map(ArmName.parse, arms)
            if (name, arm) in configs
        )
        if len(known) == 2:
            yield Experiment(name=name, title="", arms=known, blocks=0)


def judge(
    duet: Experiment,
    trials: Sequence[TrialResult],
    equivalence: float = LEAST_MARGIN,
    *,
    brief: bool = False,
) -> Duel:
    """Judge the storms of ``duet``; ratios within ``equivalence`` are equivalent.

    ``brief`` leaves out what takes long: tails, which are resampled, and carry-over.
    """
    samples = file([Stretch(trials=trials)]).get(duet.name, ExperimentSamples(name=duet.name))
    left, right = (samples.arms.get(arm.name, ArmSamples(name=arm.name)) for arm in duet.arms)
    apart = {*uneven(left, right), *(left.by_place.keys() ^ right.by_place.keys())}
    every = left, right = without(left, apart), without(right, apart)
    lossy = {
        place
        for arm in every
        for place, each in arm.by_place.items()
        if each.ledger is None or each.ledger.own_dropped
    }
    lossless = without(left, lossy), without(right, lossy)
    ranks = [each.half.ranks for each in lossless[0].trials if each.half and each.half.ranks]
    variance = sum(each.rank_variance for each in ranks)
    deviation = abs(sum(each.rank_sum for each in ranks))
    storms = {trial.block for trial in trials if trial.experiment == duet.name}
    return Duel(
        storms=len(left),
        left_out=len(storms) - len(left),
        lossy=len(lossy),
        rows=tuple(_rows(every, lossless, equivalence, _CENTRAL if brief else NUMBERS)),
        raised=(_raised(left, right), _raised(right, left)),
        apart=_apart(left, right),
        later_share=sum(each.later_share for each in ranks) / len(ranks) if ranks else None,
        p=erfc(deviation / sqrt(2 * variance)) if variance else None,
        equivalence=equivalence,
        carried=() if brief else tuple(carry_over(left, right, lossless)),
    )


def _raised(arm: ArmSamples, other: ArmSamples) -> float | None:
    """Return the wake-ups raised per record in the arm's storms, which it may have shared."""
    if any(each.half is None or each.half.wakeups_raised is None for each in arm.trials):
        return None
    solo = any(each.config.duet and each.config.duet.solo for each in arm.trials)
    counted = arm.trials if solo else (*arm.trials, *other.trials)
    records = sum(each.ledger.attempted for each in counted if each.ledger)
    raised = sum(each.half.wakeups_raised or 0 for each in arm.trials if each.half)
    return raised / records if records else None


def _apart(*arms: ArmSamples) -> tuple[float, float] | None:
    """Return the wake-ups raised per record of each arm, if those of one arm are known.

    A perf event counts to its watermark, whatever its reader does, and raises one; all others in
    the storm are then the other arm's.
    """
    rates = [_raised_by_count(arm) for arm in arms]
    both = _raised(*arms)
    if both is None or rates.count(None) != 1:
        return None
    known = rates.index(None) ^ 1
    written = [sum(each.ledger.delivered for each in arm.trials if each.ledger) for arm in arms]
    tried = sum(each.ledger.attempted for arm in arms for each in arm.trials if each.ledger)
    rate, rest = rates[known] or 0.0, written[known ^ 1]
    if not rest:
        return None
    other = max(0.0, both * tried - rate * written[known]) / rest
    return (other, rate) if known else (rate, other)


def _raised_by_count(arm: ArmSamples) -> float | None:
    """Return one over the number of records that wake its reader; None if they are not counted."""
    if not arm.trials:
        return None
    config, producer = arm.trials[0].config, arm.trials[0].config.producer
    if config.transport != PERFBUF or (config.duet and config.duet.solo):
        return None
    if producer.wake is Wake.WATERMARK:
        return 1 / producer.watermark
    return float(producer.wake in (Wake.ADAPTIVE, Wake.FORCED))


def _rows(
    every: tuple[ArmSamples, ArmSamples],
    lossless: tuple[ArmSamples, ArmSamples],
    equivalence: float,
    keys: Collection[str],
) -> Iterator[Compared]:
    """Compare each number of ``keys`` that both sides have, neither of them 0.

    Latency comes from storms without a drop: an arm that drops looks faster than it is.
    """
    for metric in METRICS:
        if metric.key in keys:
            arms = lossless if metric.group is Group.LATENCY else every
            row = row_of(metric, *arms, equivalence=equivalence)
            if row.estimate is not None and row.estimate.scale is Scale.RATIO:
                yield row
