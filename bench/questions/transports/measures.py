# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Return numbers to track from run to run, and what must hold in each: for programs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import isfinite
from typing import Final

from bench.amounts import counted, size
from bench.campaign.gates import Gate, counts
from bench.errors import clean
from bench.judge.comparison import Comparison
from bench.judge.ladder import Ladder
from bench.judge.metrics import METRICS, Unit
from bench.judge.samples import paired
from bench.judge.statistics import Scale, counted_share
from bench.linux.machine import Machine
from bench.questions.transports.standing import Question, bears
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import few_storms, name, place
from bench.report.document import Check, Labels, Measure, Passing
from bench.tracer.transports import traits

_METRICS: Final = {metric.key: metric for metric in METRICS}
_COUNTED: Final = {
    "own_dropped_share": ("own_dropped", "own_attempted"),
    "causal_violation_share": ("causal_violations", "causal_pairs"),
}
_RATIOS: Final = {
    "own_delivered_per_s": Question.DROPS,
    **{each.key: each for each in (Question.LATENCY, Question.CPU, Question.WRITE)},
}
"""Numbers that are tracked as left over right, if they help to answer the question."""


def origin(machine: Machine | None) -> Labels:
    """Return the labels that distinguish machines."""
    if machine is None:
        return ()
    return ("host", machine.hostname), ("kernel", machine.kernel_release)


def measures(summary: Summary) -> tuple[Measure, ...]:
    """Return the measures of each arm, each comparison and each ladder, one per key."""
    found = (
        *(each for comparison in summary.comparisons for each in _sides(summary, comparison)),
        *(each for comparison in summary.comparisons for each in _ratios(comparison)),
        *(each for ladder in summary.ladders for each in _ladder(ladder)),
    )
    known: dict[str, Measure] = {}
    for each in found:
        known.setdefault(each.key, each)
    return tuple(known.values())


def _sides(summary: Summary, comparison: Comparison) -> Iterator[Measure]:
    """Yield dropped and violating shares, and memory, of either side."""
    sides = (comparison.left, comparison.right)
    known = summary.experiments[comparison.experiment].arms
    physical = comparison.row("physical_bytes")
    for at, side in enumerate(sides):
        measure = partial(
            Measure, labels=(("experiment", comparison.experiment), ("arm", side.arm))
        )
        title = f"{place(comparison)}, {name(side.transport)}"
        for key, (part, whole) in _COUNTED.items():
            metric = _METRICS[key]
            if shares := paired(metric, *(known[each.arm] for each in sides))[at]:
                found = counted_share(shares, getattr(side, part), getattr(side, whole))
                yield measure(
                    number=key,
                    name=f"{title}: {metric.label}",
                    value=found.point,
                    low=found.low,
                    high=found.high,
                    unit=Unit.SHARE,
                )
        if physical and (value := (physical.left, physical.right)[at]) is not None:
            label = f"{title}: {physical.label}"
            value = round(value)  # exact, apart from rounding by the ratio
            yield measure(number=physical.key, name=label, unit=physical.unit, value=value)


def _ratios(comparison: Comparison) -> Iterator[Measure]:
    left, right = comparison.left, comparison.right
    sides = f"{name(left.transport)} over {name(right.transport)}"
    for key, question in _RATIOS.items():
        row = comparison.row(key)
        if row is None or row.estimate is None or not bears(question, comparison):
            continue
        found = row.estimate
        if found.scale is Scale.RATIO:
            bounds = (found.low, found.high)
            low, high = (each if found.blocks > 1 and isfinite(each) else None for each in bounds)
            yield Measure(
                number=f"{key}_ratio",
                labels=(
                    ("experiment", comparison.experiment),
                    ("arm", left.arm),
                    ("against", right.arm),
                ),
                name=f"{place(comparison)}, {sides}: {row.label.strip()}",
                value=found.point,
                low=low,
                high=high,
                unit=Unit.TIMES,
                more_is_better=row.more_is_better,
            )


def _ladder(ladder: Ladder) -> Iterator[Measure]:
    """Yield the least lossless budget; its lower bound is the rung below, which lost something."""
    if (least := ladder.minimum_bytes) is not None:
        below = (rung.budget_bytes for rung in ladder.rungs if rung.budget_bytes < least)
        where = f"{clean(ladder.experiment)}, {name(ladder.transport)}"
        yield Measure(
            number="lossless_budget_bytes",
            labels=(("experiment", ladder.experiment), ("transport", ladder.transport)),
            name=f"{where}: least budget without a loss",
            value=least,
            low=max(below, default=None),
            high=least,
            unit=Unit.BYTES,
        )


def checks(summary: Summary) -> Iterator[Check]:
    """Yield whether trials balance, order holds where it must, and ladders reach an end."""
    invalid = len(summary.invalid)
    yield Check(
        name="trials balance",
        outcome=Passing.FAILED if invalid else Passing.PASSED,
        text=f"{invalid} of {counted(summary.trials, 'trial')} invalid",
    )
    for transport in dict.fromkeys(each.left.transport for each in summary.comparisons):
        if traits(transport).ordered:
            yield _order(summary, Gate("causal", transport))
    for ladder in summary.ladders:
        if ladder.minimum_bytes is None:
            top = ladder.rungs[-1]
            lossy = f"{top.lossy} of {counted(top.trials, 'storm')} lost something"
            above = f"above {size(top.budget_bytes)}, where {lossy}"
            yield Check(
                name=f"least budget without a loss, {ladder.experiment} {ladder.transport}",
                outcome=Passing.SKIPPED,
                text=f"not known: at {few_storms(ladder)}" if ladder.unknown else above,
            )


def _order(summary: Summary, gate: Gate) -> Check:
    transport = gate.transport or ""
    arms = [
        arm
        for each in summary.experiments.values()
        for arm in each.arms.values()
        if arm.config.transport == transport
    ]
    cut = [
        counts(gate.what, each) for each in summary.reduced if each.config.transport == transport
    ]
    happened = sum(arm.total("causal_violations") for arm in arms) + sum(part for part, _ in cut)
    pairs = sum(arm.total("causal_pairs") for arm in arms)
    if failure := gate.explain(happened, {transport: pairs}):
        outcome = Passing.FAILED if happened else Passing.SKIPPED
        return Check(name=str(gate), outcome=outcome, text=failure)
    pairs += sum(whole for _, whole in cut)
    text = f"0 of {pairs:,} causal pairs were delivered parent first"
    return Check(name=str(gate), outcome=Passing.PASSED, text=text)
