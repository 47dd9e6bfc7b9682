# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write the decision: which side to use, a sentence on each question, and the table behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Final

from bench.amounts import bound, brief, counted, excess, share, size
from bench.errors import clean
from bench.judge.comparison import Comparison, Outcome
from bench.judge.floor import LEAST_MARGIN
from bench.judge.ladder import Ladder
from bench.judge.statistics import FEWEST_BLOCKS, Scale
from bench.questions.transports.completeness import completeness, incomplete, pooled
from bench.questions.transports.quality import quality, unfit
from bench.questions.transports.restored import sentence as restored
from bench.questions.transports.standing import (
    LEAST_PAIRS,
    Direction,
    Question,
    Standing,
    lost,
    saving,
)
from bench.questions.transports.summary import Summary
from bench.questions.transports.tables import compared_columns, compared_row
from bench.questions.transports.words import few_storms, listed, name, opening, place, waiting
from bench.report.document import NONE, Level, Row, Sentence, Table
from bench.report.table import row
from bench.report.units import budget, interval, resolvable
from bench.tracer.transports import traits

_MOST_ROWS: Final = 3  # per question
_CORRECT: Final = (Question.DROPS, Question.ORDER)
"""The questions that come first: what is lost, and in which order records arrive."""

Words = Mapping[Question, tuple[str, str, str, str]]
"""For each question its noun, the gain of the better side, and a verb, singular and plural."""

WORDS: Final[Words] = {
    Question.DROPS: ("drops", "fewer drops", "drops fewer", "drop fewer"),
    Question.ORDER: ("order", "better order", "keeps order better", "keep order better"),
    Question.MEMORY: ("memory", "less memory", "takes less", "take less"),
    Question.LATENCY: ("latency", "sooner delivery", "delivers sooner", "deliver sooner"),
    Question.CPU: ("CPU", "less CPU", "costs its consumer less", "cost their consumer less"),
    Question.WRITE: ("write time", "faster writes", "writes faster", "write faster"),
}
COUNTED: Final[Words] = {
    **WORDS,
    Question.LATENCY: (
        *("latency", "delivery after fewer instructions"),
        *("delivers after fewer instructions", "deliver after fewer instructions"),
    ),
    Question.CPU: (
        *("CPU", "fewer instructions in its consumer"),
        *("costs its consumer fewer instructions", "cost their consumer fewer instructions"),
    ),
    Question.WRITE: (
        *("write time", "writes with fewer instructions"),
        *("writes with fewer instructions", "write with fewer instructions"),
    ),
}
"""Where instructions are counted: fewer are not quicker."""

_MISSING: Final = {
    Question.DROPS: " outside duets",
    Question.MEMORY: " outside duets",
    Question.ORDER: f" with at least {LEAST_PAIRS:,} causal pairs in every trial",
    Question.LATENCY: " read during the storm in which neither dropped anything",
    Question.CPU: " in which neither dropped anything",
    Question.WRITE: " in which neither dropped anything",
}


def _words(summary: Summary) -> Words:
    return COUNTED if summary.counted else WORDS


def headline(summary: Summary) -> str:
    """Return which side of the first pair to use, and the reasons against it.

    A direction counts only if the comparisons support it (``Standing.directions``). Drops and
    order come first: the rest decides if neither does.
    """
    said = tuple(map(str, unfit(summary)))
    if len(said) > 1:
        said = (f"Parts could not be compared, for {len(said)} reasons given below.",)
    if summary.standings:
        said = (_advice(first_pair(summary), _words(summary)), *said)
    else:
        said = (*said, "Nothing to compare: no experiment has trials of both transports.")
    return incomplete(summary.coverage) + " ".join(said)


def first_pair(summary: Summary) -> list[Standing]:
    """Return the standings of the first transport that was compared with the perf buffers."""
    return [each for each in summary.standings if each.left == summary.standings[0].left]


def _advice(standings: Sequence[Standing], words: Words) -> str:
    won: dict[str, list[Standing]] = {standings[0].left: [], standings[0].right: []}
    for each in standings:
        for side in dict.fromkeys(direction.winner for direction in each.directions):
            won[side].append(each)
    correct = [side for side in won if any(each.question in _CORRECT for each in won[side])]
    match correct or [side for side in won if won[side]]:
        case []:
            nouns = defaultdict[str, list[str]](list)
            for each in standings:
                if each.considered:
                    nouns[state(each)].append(WORDS[each.question][0])
            states = ", ".join(f"{listed(of)} {word}" for word, of in nouns.items())
            return f"No side is better: {states or 'nothing was measured of both'}."
        case [side]:
            unless = [
                f"Not for {WORDS[each.question][0]}: {_usual_loss(each, side)}."
                for other in won.keys() - {side}
                for each in won[other]
            ]
            return " ".join((f"Use {name(side)}: {_gains(won[side], words)}.", *unless))
    return (
        f"It depends: {'; '.join(f'{name(side)} for {_gains(won[side], words)}' for side in won)}."
    )


def state(standing: Standing) -> str:
    """Return why neither side won, in a word or two."""
    if len(standing.too_few) == standing.considered:
        return "not decided (few blocks)"
    if len(standing.wins) > 1:
        return "depends on the load"
    if len(standing.equal) == standing.considered:
        return "the same"
    alike = len(standing.equal) + len(standing.equivalent) == standing.considered
    return "equivalent" if alike else "undecided"


def _gains(standings: Iterable[Standing], words: Words) -> str:
    """Name the better side's gains and, for cost and latency, their condition."""
    gains = []
    for each in standings:
        held = "" if each.question in _CORRECT else waiting(each.directions[0])
        gains.append(f"{words[each.question][1]} {held}".rstrip())
    return listed(gains)


def _usual_loss(standing: Standing, side: str) -> str:
    """Return what ``side`` loses in the median of the comparisons decided against it."""
    ordered = _decided(standing)
    middle = ordered[len(ordered) // 2]
    where, row = _where(standing, middle), middle.row(standing.question.key)
    if row is None or row.estimate is None or row.estimate.scale is not Scale.RATIO:
        return where
    ratio = row.estimate.point if side == standing.left else 1 / row.estimate.point
    return f"{excess(ratio)} at {where}" if ratio > 1 else where


def _decided(standing: Standing) -> list[Comparison]:
    """Return the decided comparisons; only those that support a direction, if any does.

    Those that differ most come last.
    """
    decided = [each for found in standing.directions for each in found.decided]
    decided = decided or [each for _, won in standing.wins for each in won]
    return sorted(decided, key=partial(saving, standing.question))


def _where(standing: Standing, comparison: Comparison) -> str:
    """Name where a comparison was made; for memory, the budget, whatever the storm."""
    memory = standing.question is Question.MEMORY
    return budget(comparison.budget) if memory else place(comparison)


def verdict(summary: Summary) -> tuple[str, ...]:
    """Return the sentences of the decision as text."""
    return tuple(map(str, sentences(summary)))


def sentences(summary: Summary) -> Iterator[Sentence]:
    """Yield the decision on each question, the budget to use, and the quality of the run."""
    load = tuple(unfit(summary))
    yield from (*pooled(summary.coverage), *completeness(summary.coverage), *load)
    if summary.comparisons:
        for each in summary.standings:
            yield from _answers(summary, each)
        yield from _budgets(summary.ladders)
        yield from quality(summary)
    else:
        equal = " under equal loads" if load else ""
        text = f"no experiment has trials of both transports{equal}."
        yield Sentence(lead="There is nothing to compare", text=text)


def _answers(summary: Summary, standing: Standing) -> Iterator[Sentence]:
    """Yield the answer; that on a second pair of transports is evidence, not a decision."""
    noun, first = WORDS[standing.question][0], standing in first_pair(summary)
    yield Sentence(
        lead=opening(noun) + ("" if first else f", {name(standing.left)}"),
        text=f"{_answer(standing, _words(summary))}{_violations(standing)}.",
        level=Level.DECISION if first else Level.EVIDENCE,
    )
    if standing.question is Question.ORDER and first:
        yield from restored(summary)


def _answer(standing: Standing, words: Words) -> str:
    number = standing.considered
    if not number:
        return f"not measured; there is no comparison{_MISSING.get(standing.question, '')}"
    if len(standing.too_few) == number:
        return f"no verdict, since there are fewer than {FEWEST_BLOCKS} blocks"
    if standing.directions:
        return "; ".join(_carried(standing, each, words) for each in standing.directions)
    if standing.wins:
        better = [f"{name(side)} better in {len(won)}" for side, won in standing.wins]
        few = "too few to speak for the whole" if len(better) == 1 else "it depends on the load"
        return f"{few}: {', '.join(better)} of {counted(number, 'comparison')}"
    match state(standing):
        case "the same":
            return f"the same in every block of {counted(number, 'comparison')}"
        case "equivalent":
            return f"equivalent within {bound(LEAST_MARGIN)}"
    seen = [
        (row.resolvable, row.estimate.scale, row.unit)
        for each in standing.open
        if (row := each.row(standing.question.key)) and row.estimate and row.resolvable is not None
    ]
    if not seen:
        alike = len(standing.equal) + len(standing.equivalent)
        few = f"fewer than {FEWEST_BLOCKS} blocks in the others"
        return f"no difference in {alike} of {counted(number, 'comparison')}, {few}"
    least = f"; the sharpest could have detected a difference of {resolvable(*min(seen))}"
    return f"undecided in {len(standing.open)} of {counted(number, 'comparison')}{least}"


def _carried(standing: Standing, direction: Direction, words: Words) -> str:
    """Describe a direction: who, in how many comparisons, under what condition, by how much."""
    side, question = direction.winner, standing.question
    does = words[question][3 if traits(side).plural else 2]
    held = f" {waiting(direction)}" if direction.polls else ""
    of = counted(standing.considered, "comparison")
    said = f"{name(side)} {does}{held}, in {len(direction.decided)} of {of}"
    by = "" if question is Question.ORDER else amount(standing, direction)
    return f"{said} {by}".rstrip()


def amount(standing: Standing, direction: Direction) -> str:
    """Return what the better side saves, least to most: "by 3 to 20 %"; "" if unknown."""
    effects = [saving(standing.question, each) for each in direction.decided]
    known = sorted(effect for effect in effects if effect)
    if not known:
        return ""
    words = [brief(100 * each) for each in (known[0], known[-1])]
    unit = "points" if standing.question in _CORRECT else "%"
    return f"by {' to '.join(dict.fromkeys(words))} {unit}"


def _violations(standing: Standing) -> str:
    """Return the raw counts behind the answer on order."""
    if standing.question is not Question.ORDER or not standing.considered:
        return ""
    (violations, pairs), (others, of) = (
        (sum(side.causal_violations for side in sides), sum(side.causal_pairs for side in sides))
        for sides in zip(*((each.left, each.right) for each in standing.comparisons), strict=True)
    )
    against = f"{others:,}" if of == pairs else f"{others:,} in {of:,}"
    return f": {counted(violations, 'violation')} in {pairs:,} causal pairs against {against}"


def _budgets(ladders: Sequence[Ladder]) -> Iterator[Sentence]:
    """Yield the sentence on the budget to use; transports with the same answer share a clause."""
    found = defaultdict[tuple[str, str], list[str]](list)
    for ladder in ladders:
        found[_budget(ladder)].append(name(ladder.transport))
    if found:
        said = (f"{take} for {listed(of)}: {why}" for (take, why), of in found.items())
        yield Sentence(lead="Budget", text=f"{'; '.join(said)}.")


def _budget(ladder: Ladder) -> tuple[str, str]:
    """Return the budget to use, and why."""
    least, where = ladder.minimum_bytes, clean(ladder.experiment)
    if least is None:
        top = ladder.rungs[-1]
        if ladder.unknown:
            return "not known", f"at {few_storms(ladder)}"
        storms = f"{top.lossy} of {counted(top.trials, 'storm')} ({where})"
        return f"above {size(top.budget_bytes)}", f"there {storms} lost something"
    rung = next(rung for rung in ladder.rungs if rung.budget_bytes == least)
    lossless = f"at {size(least)} none of {counted(rung.trials, 'storm')} ({where}) lost anything"
    take = f"take {size(ladder.recommended_bytes or least)}"
    return take, f"{lossless}, so at most {share(rung.bound)} do"


def decision_table(summary: Summary) -> Table:
    """Tabulate the numbers behind the decision: for each question the largest differences first."""
    standings = first_pair(summary)
    sides = (standings[0].left, standings[0].right)
    return Table(
        key="decision",
        title="The numbers behind it, where the sides differ most",
        corner="",
        columns=compared_columns(sides, "95 % interval"),
        rows=(
            *(row for each in standings if each.considered for row in _rows(each)),
            *_least_budgets(summary.ladders, *sides),
        ),
        hint="Interval: of the ratio, left over right, or of the difference in points (with a "
        "sign). ≈ undecided, with the smallest difference that could have been detected.",
    )


def _rows(standing: Standing) -> Iterator[Row]:
    """Yield the most informative comparisons; if none was decided, the closest one."""
    telling = {_where(standing, each): each for each in _decided(standing)}
    noun = "CPU a million" if standing.question is Question.CPU else WORDS[standing.question][0]
    shown = [*telling.values()][: -_MOST_ROWS - 1 : -1] or [_undecided(standing)]
    for at, each in enumerate(shown):
        where = _where(standing, each)
        yield from _row(each, standing.question.key, f" {where}" if at else f"{noun}, {where}")
        if standing.question is Question.LATENCY and not at:
            yield from _row(each, "latency_p99_ns", " 99th percentile")


def _row(comparison: Comparison, key: str, label: str) -> Iterator[Row]:
    if (row := comparison.row(key)) is not None:
        between = interval(row.estimate, row.unit).removesuffix(" pt")
        yield compared_row(comparison, row, label, between)


def _undecided(standing: Standing) -> Comparison:
    """Return the closest comparison, as undecided even if its interval alone names a side."""
    found = _closest(standing)
    rows = (
        replace(row, outcome=Outcome.UNDECIDED)
        if row.better and row.key == standing.question.key
        else row
        for row in found.rows
    )
    return replace(found, rows=tuple(rows))


def _closest(standing: Standing) -> Comparison:
    """Return the comparison that came closest to a decision if none was decided."""

    def worth(each: Comparison) -> float:
        match standing.question:
            case Question.DROPS:  # if nothing or everything was lost the sides cannot differ
                return min(lost(each), 2 - lost(each))
            case Question.ORDER:
                return each.left.causal_violations + each.right.causal_violations
        row = each.row(standing.question.key)
        return -row.resolvable if row is not None and row.resolvable is not None else -inf

    return max(standing.open or standing.comparisons, key=worth)


def _least_budgets(ladders: Sequence[Ladder], *sides: str) -> Iterator[Row]:
    for experiment in dict.fromkeys(ladder.experiment for ladder in ladders):
        least = {
            each.transport: NONE
            if each.unknown
            else f"above {size(each.rungs[-1].budget_bytes)}"
            if each.minimum_bytes is None
            else size(each.minimum_bytes)
            for each in ladders
            if each.experiment == experiment
        }
        if least.keys() >= {*sides}:
            heading = f"lossless budget, {clean(experiment)}"
            yield row(heading, *map(least.__getitem__, sides), "", "")
