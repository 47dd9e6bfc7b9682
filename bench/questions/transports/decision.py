# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The decision: which side to take, and a sentence on each question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from bench.amounts import counted
from bench.judge.floor import LEAST_MARGIN
from bench.judge.ladder import Ladder
from bench.judge.statistics import FEWEST_BLOCKS, Scale
from bench.questions.transports.profiles import RINGBUF
from bench.questions.transports.quality import quality
from bench.questions.transports.restored import sentence as restored
from bench.questions.transports.standing import (
    KEYS,
    LEAST_PAIRS,
    Direction,
    Question,
    Standing,
    saving,
)
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import (
    completeness,
    incomplete,
    listed,
    name,
    place,
    unfit,
    waiting,
)
from bench.report.document import Level, Sentence
from bench.report.units import budget, clean, resolvable, share, size
from bench.tracer.transports import traits

_CORRECT: Final = (Question.DROPS, Question.ORDER)
"""The questions that come first: what is lost, and in which order records arrive."""

WORDS: Final = {
    Question.DROPS: ("drops", "fewer drops", "drops fewer", "drop fewer"),
    Question.ORDER: ("order", "better order", "keeps order better", "keep order better"),
    Question.MEMORY: ("memory", "less memory", "takes less", "take less"),
    Question.LATENCY: ("latency", "sooner delivery", "delivers sooner", "deliver sooner"),
    Question.CPU: ("CPU", "less CPU", "costs its consumer less", "cost their consumer less"),
    Question.WRITE: ("write time", "faster writes", "writes faster", "write faster"),
}
"""For each question its noun, the gain of the better side, and a verb, singular and plural."""

_MISSING: Final = {
    Question.ORDER: f" with at least {LEAST_PAIRS:,} causal pairs in every trial",
    Question.LATENCY: " read during the storm in which neither dropped anything",
    Question.CPU: " in which neither dropped anything",
    Question.WRITE: " in which neither dropped anything",
}


def headline(summary: Summary) -> str:
    """Return which side of the first pair to use, and the reasons against it.

    A direction counts only where the comparisons carry it (``Standing.directions``). Drops and
    order come first: the rest decides where neither does.
    """
    left_out = tuple(unfit(summary))
    if len(left_out) > 1:
        left_out = (f"Parts could not be compared, for {len(left_out)} reasons given below.",)
    if summary.standings:
        said = (_advice(first_pair(summary)), *left_out)
    else:
        nothing = "Nothing to compare: no experiment has trials of both transports."
        said = (*left_out, nothing)
    return incomplete(summary.coverage) + " ".join(said)


def first_pair(summary: Summary) -> list[Standing]:
    """Return the standings of the first pair of transports."""
    sides = [(each.left, each.right) for each in summary.standings]
    return [each for each, pair in zip(summary.standings, sides, strict=True) if pair == sides[0]]


def _advice(standings: Sequence[Standing]) -> str:
    sides = (standings[0].left, standings[0].right)
    won = {side: [each for each in standings if _won(each, side)] for side in sides}
    correct = [side for side in sides if any(each.question in _CORRECT for each in won[side])]
    best = correct or [side for side in sides if won[side]]
    gains = {side: listed([*map(_gain, won[side])]) for side in best}
    if len(best) > 1:
        return f"It depends: {'; '.join(f'{name(side)} for {gains[side]}' for side in best)}."
    if not best:
        nouns = defaultdict[str, list[str]](list)
        for each in standings:
            if each.asked:
                nouns[state(each)].append(WORDS[each.question][0])
        states = ", ".join(f"{listed(of)} {word}" for word, of in nouns.items())
        return f"No side is better: {states or 'nothing was measured of both'}."
    (side,) = best
    against = [each for each in standings if _won(each, ({*sides} - {side}).pop())]
    unless = [f"Not for {WORDS[each.question][0]}: {_usual_loss(each, side)}." for each in against]
    return " ".join((f"Use {name(side)}: {gains[side]}.", *unless))


def state(standing: Standing) -> str:
    """Return why neither side won, in a word or two."""
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
    ordered = sorted(decided, key=partial(saving, standing.question))
    middle = ordered[len(ordered) // 2]
    where = place(middle)
    if standing.question is Question.MEMORY:  # whatever the storm
        where = budget(middle.budget)
    found = middle.row(KEYS[standing.question])
    if found is None or found.estimate is None or found.estimate.scale is not Scale.RATIO:
        return where
    ratio = found.estimate.point if side == standing.left else 1 / found.estimate.point
    return f"{100 * (ratio - 1):+.0f} % at {where}" if ratio > 1 else where


def verdict(summary: Summary) -> tuple[str, ...]:
    """Return the decision on each question, the budget to use, and the quality of the run."""
    before = (*completeness(summary.coverage), *(load := tuple(unfit(summary))))
    if not summary.comparisons:
        equal = " under equal loads" if load else ""
        nothing = "There is nothing to compare: no experiment has trials of both transports"
        return (*before, f"{nothing}{equal}.")
    said = (line for each in summary.standings for line in _decided(summary, each))
    return (*before, *said, *_budgets(summary.ladders), *quality(summary))


def sentences(summary: Summary) -> Iterator[Sentence]:
    """Yield the verdict; that on a second pair of transports is evidence, not a decision."""
    second = {f"{_lead(each)}: " for each in summary.standings if each.left != RINGBUF}
    for line in verdict(summary):
        lead, colon, text = line.partition(": ")
        level = Level.EVIDENCE if lead + colon in second else Level.DECISION
        yield Sentence(lead=lead if colon else "", text=text or lead, level=level)


def _lead(standing: Standing) -> str:
    noun = WORDS[standing.question][0]
    of = "" if standing.left == RINGBUF else f", {name(standing.left)}"
    return f"{noun[0].upper()}{noun[1:]}{of}"


def _decided(summary: Summary, standing: Standing) -> Iterator[str]:
    yield f"{_lead(standing)}: {_answer(standing)}{_violations(standing)}."
    if standing.question is Question.ORDER and standing in first_pair(summary):
        yield from restored(summary)


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
        return f"{few}: {', '.join(better)} of {counted(asked, 'comparison')}"
    match state(standing):
        case "the same":
            return f"the same in every block of {counted(asked, 'comparison')}"
        case "equivalent":
            return f"equivalent within {share(LEAST_MARGIN)}"
    rows = [each.row(KEYS[standing.question]) for each in standing.open]
    seen = [
        (row.resolvable, row.estimate.scale, row.unit)
        for row in rows
        if row is not None and row.estimate is not None and row.resolvable is not None
    ]
    if not seen:
        return "undecided"
    least = f"; the sharpest could have detected a difference of {resolvable(*min(seen))}"
    return f"undecided in {len(standing.open)} of {counted(asked, 'comparison')}{least}"


def _carried(standing: Standing, direction: Direction) -> str:
    """Describe a direction: who, in how many comparisons, under what condition, by how much."""
    side, question = direction.winner, standing.question
    does = WORDS[question][3 if traits(side).plural else 2]
    held = f" {waiting(direction)}" if direction.polls else ""
    of = counted(standing.asked, "comparison")
    said = f"{name(side)} {does}{held}, in {len(direction.decided)} of {of}"
    by = "" if question is Question.ORDER else amount(standing, direction)
    return f"{said} {by}".rstrip()


def amount(standing: Standing, direction: Direction) -> str:
    """Return what the better side saves, least to most: "by 3 to 20 %"; "" if that is not known."""
    effects = [saving(standing.question, each) for each in direction.decided]
    known = sorted(effect for effect in effects if effect)
    if not known:
        return ""
    words = [f"{100 * each:.2g}" for each in (known[0], known[-1])]
    unit = "points" if standing.question in _CORRECT else "%"
    return f"by {' to '.join(dict.fromkeys(words))} {unit}"


def _violations(standing: Standing) -> str:
    """Return the raw counts behind the answer on order."""
    if standing.question is not Question.ORDER or not standing.asked:
        return ""
    asked = standing.comparisons
    left, right = (
        f"{sum(side.causal_violations for side in sides):,} violations in "
        f"{sum(side.causal_pairs for side in sides):,} causal pairs"
        for sides in ([each.left for each in asked], [each.right for each in asked])
    )
    return f": {left} against {right}"


def _budgets(ladders: Sequence[Ladder]) -> Iterator[str]:
    """Yield the sentence on the budget to use; transports with the same answer share a clause."""
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
            f"{counted(top.trials, 'storm')} ({where}) lost something"
        )
    rung = next(rung for rung in ladder.rungs if rung.budget_bytes == least)
    return (
        f"take {size(ladder.recommended_bytes or least)} for {{}}: at {size(least)} none of "
        f"{counted(rung.trials, 'storm')} ({where}) lost anything, so at most "
        f"{share(rung.bound)} do"
    )
