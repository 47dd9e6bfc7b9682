# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The verdict on the first transport compared, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.judge.floor import LEAST_MARGIN
from bench.questions.transports.standing import Question, Standing
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import incomplete, listed, name, unfit, waiting
from bench.report.units import share
from bench.tracer.transports import traits

_DOES: Final = {
    Question.DROPS: ("drops", "drop", "fewer events"),
    Question.ORDER: ("keeps", "keep", "order better"),
    Question.MEMORY: ("takes", "take", "less memory at equal budget"),
    Question.LATENCY: ("delivers", "deliver", "sooner in the median"),
    Question.CPU: ("costs its", "cost their", "consumer less CPU"),
    Question.WRITE: ("takes", "take", "less time to write"),
}
_NOUNS: Final = {
    Question.DROPS: "drops",
    Question.ORDER: "order",
    Question.MEMORY: "memory",
    Question.LATENCY: "latency",
    Question.CPU: "CPU of the consumer",
    Question.WRITE: "time of a write",
}
_WHERE: Final = {
    Question.DROPS: " where any are dropped",
    Question.ORDER: " where any are out of order",
}
"""Added where some comparisons had the same on both sides in every block."""


def headline(summary: Summary) -> str:
    """Return the verdict on the first transport compared, in one sentence, after what was stopped.

    A direction is named only where the comparisons carry it (``Standing.directions``), with the
    ways of waiting that it holds for where it does not hold for all.
    """
    text = "; ".join(_parts(summary.standings))
    said = (f"{text[:1].upper()}{text[1:]}.", *unfit(summary))
    if not summary.standings:
        nothing = "Nothing to compare: no experiment has trials of both transports."
        said = (*unfit(summary), nothing)
    return incomplete(summary.coverage) + " ".join(said)


def _parts(standings: Sequence[Standing]) -> Iterator[str]:
    """Yield what is decided for each side, then for what it depends, is alike or undecided."""
    if not standings:
        return
    left, right = standings[0].left, standings[0].right
    asked = [each for each in standings if (each.left, each.right) == (left, right) and each.asked]
    won = [said for side in (left, right) if (said := _wins(asked, side))]
    yield from won
    groups: dict[str, list[str]] = {
        "it depends on the load for": [],
        "the same in every block:": [],
        f"equivalent within {share(LEAST_MARGIN)}:": [],
        "undecided as a whole:": [],
    }
    mixed, same, alike, undecided = groups.values()
    for each in asked:
        noun = _NOUNS[each.question]
        if each.directions:
            continue
        if len(each.wins) > 1:
            mixed.append(noun)
        elif len(each.equal) == each.asked:
            same.append(noun)
        elif len(each.equal) + len(each.equivalent) == each.asked:
            alike.append(noun)
        else:
            undecided.append(noun + _beside(each))
    yield from (f"{words} {listed(nouns)}" for words, nouns in groups.items() if nouns)
    if not won and not any(groups.values()):
        yield "nothing could be decided from these trials"


def _wins(standings: Sequence[Standing], side: str) -> str:
    found = []
    for each in standings:
        one, many, what = _DOES[each.question]
        where = _WHERE.get(each.question, "") if each.equal else ""
        for direction in each.directions:
            if direction.winner == side:
                held = waiting(direction)
                does = many if traits(side).plural else one
                found.append(f"{does} {what}{where}" + (f" ({held})" if held else ""))
    return f"{name(side)} {listed(found)}" if found else ""


def _beside(standing: Standing) -> str:
    """Return how many comparisons were decided for a side, though not enough."""
    return "".join(
        f" ({len(won)} of {standing.asked} comparisons for {name(side)})"
        for side, won in standing.wins
    )
