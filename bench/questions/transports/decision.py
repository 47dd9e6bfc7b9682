# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The decision: which side to take, a sentence on each question, the numbers behind them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import Final

from bench.amounts import counted
from bench.judge.comparison import Comparison, Row
from bench.judge.floor import LEAST_MARGIN, Floor
from bench.judge.ladder import Ladder
from bench.judge.load import state_of
from bench.judge.metrics import Unit
from bench.judge.statistics import FEWEST_BLOCKS, Scale
from bench.questions.transports.profiles import RINGBUF
from bench.questions.transports.standing import (
    KEYS,
    LEAST_PAIRS,
    Direction,
    Question,
    Standing,
    lost,
)
from bench.questions.transports.summary import Summary
from bench.questions.transports.tables import better, cells, columns
from bench.questions.transports.words import (
    completeness,
    incomplete,
    listed,
    name,
    place,
    unfit,
    waiting,
)
from bench.report.document import Cell, Column, Evidence, Level, Sentence, Table
from bench.report.document import Row as Shown
from bench.report.units import budget, clean, interval, number, resolvable, share, size
from bench.tracer.transports import traits
from bench.trial.result import State

_CORRECT: Final = (Question.DROPS, Question.ORDER)
"""What a tracer is chosen by first: what it loses, and in which order it delivers."""

_MOST_ROWS: Final = 3  # a question, in the table
_MOST_REASONS: Final = 3
WORDS: Final = {
    Question.DROPS: ("drops", "fewer drops", "drops fewer", "drop fewer"),
    Question.ORDER: ("order", "better order", "keeps order better", "keep order better"),
    Question.MEMORY: ("memory", "less memory", "takes less", "take less"),
    Question.LATENCY: ("latency", "sooner delivery", "delivers sooner", "deliver sooner"),
    Question.CPU: ("CPU", "less CPU", "costs its consumer less", "cost their consumer less"),
    Question.WRITE: ("write time", "faster writes", "writes faster", "write faster"),
}
"""Of each question its noun, the gain of the better side, and what that does, one or several."""

_MISSING: Final = {
    Question.ORDER: f" with at least {LEAST_PAIRS:,} causal pairs in every trial",
    Question.LATENCY: " read during the storm in which neither dropped anything",
    Question.CPU: " in which neither dropped anything",
    Question.WRITE: " in which neither dropped anything",
}


def headline(summary: Summary) -> str:
    """Return which side of the first pair to take, and what speaks against it.

    A direction counts only where the comparisons carry it (``Standing.directions``). Drops and
    order come first: the rest decides where neither does.
    """
    said = (_advice(_first(summary)), *unfit(summary))
    if not summary.standings:
        nothing = "Nothing to compare: no experiment has trials of both transports."
        said = (*unfit(summary), nothing)
    return incomplete(summary.coverage) + " ".join(said)


def _first(summary: Summary) -> list[Standing]:
    """Return the standings of the first pair of transports."""
    sides = {(each.left, each.right): None for each in summary.standings}
    return [each for each in summary.standings if (each.left, each.right) == next(iter(sides))]


def _advice(standings: Sequence[Standing]) -> str:
    if not standings:
        return ""
    sides = (standings[0].left, standings[0].right)
    won = {side: [each for each in standings if _won(each, side)] for side in sides}
    correct = [side for side in sides if any(each.question in _CORRECT for each in won[side])]
    best = correct or [side for side in sides if won[side]]
    gains = {side: listed([*map(_gain, won[side])]) for side in best}
    if len(best) > 1:
        return f"It depends: {'; '.join(f'{name(side)} for {gains[side]}' for side in best)}."
    if not best:
        states = [f"{WORDS[each.question][0]} {state(each)}" for each in standings if each.asked]
        return f"No side is better: {', '.join(states) or 'nothing was measured of both'}."
    (side,) = best
    against = [each for each in standings if _won(each, ({*sides} - {side}).pop())]
    unless = [f"Not for {WORDS[each.question][0]}: {_usual_loss(each, side)}." for each in against]
    return " ".join((f"Use {name(side)}: {gains[side]}.", *unless))


def state(standing: Standing) -> str:
    """Return in a word or two why neither side won."""
    if len(standing.too_few) == standing.asked:
        return "not decided (few blocks)"
    if len(standing.wins) > 1:
        return "depends on the load"
    if len(standing.equal) == standing.asked:
        return "the same"
    alike = len(standing.equal) + len(standing.equivalent) == standing.asked
    return "equivalent" if alike else "undecided"


def _gain(standing: Standing) -> str:
    """Name what the better side brings, and for cost and latency the condition."""
    gain = WORDS[standing.question][1]
    held = "" if standing.question in _CORRECT else waiting(standing.directions[0])
    return f"{gain} {held}".rstrip()


def _won(standing: Standing, side: str) -> bool:
    return any(direction.winner == side for direction in standing.directions)


def _usual_loss(standing: Standing, side: str) -> str:
    """Return what ``side`` loses in the middle one of the comparisons decided against it."""
    decided = [each for found in standing.directions for each in found.decided]
    rows = {id(each): each.row(KEYS[standing.question]) for each in decided}
    ordered = sorted(decided, key=lambda each: _effect(rows[id(each)]))
    middle = ordered[len(ordered) // 2]
    where = place(middle)
    if standing.question is Question.MEMORY:  # whatever the storm
        where = budget(middle.budget)
    found = rows[id(middle)]
    if found is None or found.estimate is None or found.estimate.scale is not Scale.RATIO:
        return where
    ratio = found.estimate.point if side == standing.left else 1 / found.estimate.point
    return f"{100 * (ratio - 1):+.0f} % at {where}" if ratio > 1 else where


def verdict(summary: Summary) -> tuple[str, ...]:
    """Say the decision on each question, the budget to take, and how sure all this is."""
    load = tuple(unfit(summary))
    said: Iterable[str]
    if summary.comparisons:
        said = (
            *map(_decision, summary.standings),
            *_budgets(summary.ladders),
            *_quality(summary),
        )
    else:
        equal = " under equal loads" if load else ""
        said = (
            f"There is nothing to compare: no experiment has trials of both transports{equal}.",
        )
    return (*completeness(summary.coverage), *load, *said)


def sentences(summary: Summary) -> Iterator[Sentence]:
    """Yield the verdict; of a second pair of transports it is evidence, no decision."""
    second = {f"{_lead(each)}: " for each in summary.standings if each.left != RINGBUF}
    for line in verdict(summary):
        lead, colon, text = line.partition(": ")
        level = Level.EVIDENCE if lead + colon in second else Level.DECISION
        yield Sentence(lead=lead if colon else "", text=text or lead, level=level)


def _lead(standing: Standing) -> str:
    noun = WORDS[standing.question][0]
    of = "" if standing.left == RINGBUF else f", {name(standing.left)}"
    return f"{noun[0].upper()}{noun[1:]}{of}"


def _decision(standing: Standing) -> str:
    return f"{_lead(standing)}: {_answer(standing)}{_violations(standing)}."


def _answer(standing: Standing) -> str:
    asked = standing.asked
    if not asked:
        return f"not measured; there is no comparison{_MISSING.get(standing.question, '')}"
    if len(standing.too_few) == asked:
        return f"no verdict, since there are fewer than {FEWEST_BLOCKS} blocks"
    if standing.directions:
        return "; ".join(_carried(standing, each) for each in standing.directions)
    if standing.wins:
        better = [f"{name(side)} better in {len(won)}" for side, won in standing.wins]
        few = "too few to speak for the whole" if len(better) == 1 else "it depends on the load"
        return f"{few}: {', '.join(better)} of {_many(asked)}"
    match state(standing):
        case "the same":
            return f"the same in every block of {_many(asked)}"
        case "equivalent":
            return f"equivalent within {share(LEAST_MARGIN)}"
    rows = [each.row(KEYS[standing.question]) for each in standing.open]
    seen = [(row.estimate, row.unit) for row in rows if row is not None and row.estimate]
    if not seen:
        return "undecided"
    sharpest = min(seen, key=lambda each: each[0].resolvable)
    least = f", of which the sharpest could have seen {resolvable(*sharpest)}"
    return f"undecided in {len(standing.open)} of {_many(asked)}{least}"


def _carried(standing: Standing, direction: Direction) -> str:
    """Say a direction: who, in how many comparisons, under what condition, by how much."""
    side, question = direction.winner, standing.question
    does = WORDS[question][3 if traits(side).plural else 2]
    held = f" {waiting(direction)}" if direction.polls else ""
    said = f"{name(side)} {does}{held}, in {len(direction.decided)} of {_many(standing.asked)}"
    by = "" if question is Question.ORDER else amount(standing, direction)
    return f"{said} {by}".rstrip()


def amount(standing: Standing, direction: Direction) -> str:
    """Return what the better side saves, least to most: "by 3 to 20 %"; "" if that is not known."""
    effects = [_effect(each.row(KEYS[standing.question])) for each in direction.decided]
    known = sorted(effect for effect in effects if effect)
    if not known:
        return ""
    words = [f"{100 * each:.2g}" for each in (known[0], known[-1])]
    unit = "points" if standing.question in _CORRECT else "%"
    return f"by {' to '.join(dict.fromkeys(words))} {unit}"


def _effect(row: Row | None) -> float:
    """Return how much the better side saves: of a ratio as a share of the other, else as such."""
    if row is None or row.estimate is None:
        return 0.0
    found = row.estimate.point
    if row.estimate.scale is not Scale.RATIO:
        return abs(found) if row.unit is Unit.SHARE else 0.0
    return 1 - min(found, 1 / found)


def _violations(standing: Standing) -> str:
    """Give the raw counts behind the answer on order."""
    if standing.question is not Question.ORDER or not standing.asked:
        return ""
    asked = standing.comparisons
    left, right = (
        f"{sum(side.causal_violations for side in sides):,} violations in "
        f"{sum(side.causal_pairs for side in sides):,} causal pairs"
        for sides in ([each.left for each in asked], [each.right for each in asked])
    )
    return f": {left} against {right}"


def _many(comparisons: int) -> str:
    return counted(comparisons, "comparison")


def _budgets(ladders: Sequence[Ladder]) -> Iterator[str]:
    """Yield the sentence on the budget to take; transports of which the same is true together."""
    found: dict[str, list[str]] = {}
    for ladder in ladders:
        found.setdefault(_budget(ladder), []).append(name(ladder.transport))
    if found:
        said = (what.format(listed(transports)) for what, transports in found.items())
        yield f"Budget: {'; '.join(said)}."


def _budget(ladder: Ladder) -> str:
    least, top = ladder.minimum_bytes, ladder.rungs[-1]
    where = clean(ladder.experiment).replace("{", "").replace("}", "")
    if least is None:
        return (
            f"above {size(top.budget_bytes)} for {{}}: there {top.lossy} of "
            f"{counted(top.trials, 'storm')} of {where} lost something"
        )
    rung = next(rung for rung in ladder.rungs if rung.budget_bytes == least)
    return (
        f"take {size(ladder.recommended_bytes or least)} for {{}}: at {size(least)} 0 of "
        f"{counted(rung.trials, 'storm')} of {where} lost something, so at most "
        f"{share(rung.bound)} do"
    )


def _quality(summary: Summary) -> Iterator[str]:
    rows = [each.row("own_dropped_share") for each in summary.comparisons]
    blocks = [row.estimate.blocks for row in rows if row is not None and row.estimate is not None]
    invalid = len(summary.invalid)
    balanced = f"{invalid} invalid and left out" if invalid else "all balanced"
    if summary.reduced:
        balanced += f", {len(summary.reduced)} reduced and left out"
    span = " to ".join(map(str, sorted({min(blocks, default=0), max(blocks, default=0)})))
    yield (
        f"Quality: {counted(summary.trials, 'trial')}, {balanced}; {span} blocks a comparison; "
        f"{_noise(summary.floors)}; {_noisy(summary)}."
    )
    if summary.machine is not None and summary.machine.emulated:
        yield "This machine was emulated: counts, order and memory hold, times only within it."


def _noise(floors: Sequence[Floor]) -> str:
    noise = []
    for key, words in (
        ("storm_ns_per_process", "storm time"),
        ("latency_p50_ns", "median latency"),
        ("own_dropped_share", "drops"),
    ):
        sizes = [floor.size for floor in floors if floor.metric == key]
        if sizes:
            most = max(sizes)
            points = f"{100 * most:.1f} points"
            noise.append(f"{words} {points if key == 'own_dropped_share' else share(most)}")
    if not noise:
        return "no A/A comparison was run, so that the noise is not known"
    return f"A/A noise (identical configurations), up to: {', '.join(noise)}"


def _noisy(summary: Summary) -> str:
    """Say how many trials the machine disturbed, and by what most often."""
    noisy = [
        trial
        for samples in summary.experiments.values()
        for arm in samples.arms.values()
        for trial in arm.trials
        if state_of(trial) is State.NOISY
    ]
    if not noisy:
        return "no trial was noisy"
    kinds = Counter(_kind(reason) for trial in noisy for reason in dict.fromkeys(trial.reasons))
    why = ", ".join(f"{clean(kind)}: {count}" for kind, count in kinds.most_common(_MOST_REASONS))
    return f"{share(len(noisy) / summary.trials)} of the trials were noisy ({why})"


def _kind(reason: str) -> str:
    """Return a trial's reason without its figures: "CPU time was stolen"."""
    words = re.sub(r"[\d.,]+ ?%?", "", re.split(r": | \(", reason)[0])
    return " ".join(words.split()).removeprefix("of ").removesuffix(" seconds a second")


def decision_table(summary: Summary) -> Table:
    """Tabulate the numbers behind the decision, of each question the largest differences first."""
    standings = _first(summary)
    sides = (standings[0].left, standings[0].right)
    return Table(
        key="decision",
        title="The numbers behind it, where the sides differ most",
        corner="",
        columns=(
            *(Column(heading=side, transport=side) for side in sides),
            *columns("95 % interval"),
            Column(heading="better", numeric=False, verdict=True),
        ),
        rows=(
            *(row for each in standings if each.asked for row in _rows(each)),
            *_least_budgets(summary.ladders, *sides),
        ),
        hint="Interval: of the ratio, left over right, or of the difference in points (with a "
        "sign). ≈ undecided, with the least difference that could have been seen.",
    )


def _rows(standing: Standing) -> Iterator[Shown]:
    """Yield the comparisons that tell most; where none was decided, one that might have."""
    key = KEYS[standing.question]
    decided = [each for found in standing.directions for each in found.decided]
    decided = decided or [each for _, won in standing.wins for each in won]
    telling = {
        each.budget if standing.question is Question.MEMORY else place(each): each
        for each in sorted(decided, key=lambda each: _effect(each.row(key)))
    }
    shown = [*telling.values()][: -_MOST_ROWS - 1 : -1] or [_closest(standing)]
    noun = "CPU a million" if standing.question is Question.CPU else WORDS[standing.question][0]
    for at, each in enumerate(shown):
        row = each.row(key)
        if row is not None:
            where = budget(each.budget) if standing.question is Question.MEMORY else place(each)
            label = where if at else f"{noun}, {where}"
            yield replace(_row(each, row, label), begins=not at, under=bool(at))
        tail = each.row("latency_p99_ns")
        if standing.question is Question.LATENCY and not at and tail is not None:
            yield replace(_row(each, tail, "99th percentile"), under=True)


def _row(comparison: Comparison, row: Row, label: str) -> Shown:
    found = row.estimate
    return Shown(
        heading=Cell(text=label),
        cells=(
            Cell(text=number(row.left, row.unit), value=row.left),
            Cell(text=number(row.right, row.unit), value=row.right),
            Cell(text=interval(found, row.unit).removesuffix(" pt")),
            better(comparison, row),
        ),
        evidence=Evidence(low=found.low, high=found.high) if found is not None else None,
    )


def _closest(standing: Standing) -> Comparison:
    """Return the comparison that came closest to a decision where none was decided."""

    def worth(each: Comparison) -> float:
        match standing.question:
            case Question.DROPS:  # where none or all was lost no side can differ
                return min(lost(each), 2 - lost(each))
            case Question.ORDER:
                return each.left.causal_violations + each.right.causal_violations
        row = each.row(KEYS[standing.question])
        return -row.estimate.resolvable if row is not None and row.estimate is not None else -inf

    return max(standing.open or standing.comparisons, key=worth)


def _least_budgets(ladders: Sequence[Ladder], *sides: str) -> Iterator[Shown]:
    for experiment in dict.fromkeys(ladder.experiment for ladder in ladders):
        of_side = {each.transport: each for each in ladders if each.experiment == experiment}
        if of_side.keys() >= {*sides}:
            texts = (
                size(each.minimum_bytes)
                if each.minimum_bytes is not None
                else f"above {size(each.rungs[-1].budget_bytes)}"
                for each in map(of_side.__getitem__, sides)
            )
            yield Shown(
                heading=Cell(text=f"lossless budget, {clean(experiment)}"),
                cells=cells(*texts, "", ""),
                begins=True,
            )
