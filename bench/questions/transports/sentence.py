# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What comparisons mean, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.judge.bottleneck import Bottleneck
from bench.judge.comparison import Comparison, Outcome, Row, Side
from bench.judge.floor import LEAST_MARGIN, Floor
from bench.judge.ladder import Ladder
from bench.judge.statistics import FEWEST_BLOCKS, loss_bound
from bench.questions.transports.profiles import RINGBUF
from bench.questions.transports.standing import KEYS, LEAST_PAIRS, Question, Standing
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import completeness, name, place, unfit, waiting
from bench.report.units import clean, interval, number, point, share, size
from bench.tracer.transports import traits

_MOST_PLACES: Final = 3
_ANSWERS: Final = {
    Question.DROPS: ("Drops", "drops less", "drop less"),
    Question.ORDER: ("Order", "keeps order better", "keep order better"),
    Question.MEMORY: ("Memory", "takes less at equal budget", "take less at equal budget"),
    Question.LATENCY: ("Latency", "delivers sooner", "deliver sooner"),
    Question.CPU: ("CPU", "costs its consumer less", "cost their consumer less"),
    Question.WRITE: ("Write", "takes less time", "take less time"),
}
"""Of each question its heading, and what one that is better does, and several."""

_MISSING: Final = {
    Question.ORDER: f" with at least {LEAST_PAIRS:,} causal pairs in every trial",
    Question.LATENCY: " read during the storm in which neither dropped anything",
    Question.CPU: " in which neither dropped anything",
    Question.WRITE: " in which neither dropped anything",
}
_ENOUGH: Final = f"fewer than {FEWEST_BLOCKS} blocks"
_ALIKE: Final = f"within {share(LEAST_MARGIN)}"


def sentence(comparison: Comparison) -> str:
    """Say what one comparison found, in one sentence."""
    last = _write(comparison) if comparison.duet else _memory(comparison)
    parts = (_drops(comparison), _order(comparison), _latency(comparison), last)
    words = "; ".join(filter(None, parts))
    return f"In {place(comparison)}, {words}.{_mend(comparison)}" if words else ""


def _mend(comparison: Comparison) -> str:
    """Say why records were lost, if it is the same on both sides or only one lost any."""
    match tuple({comparison.left.bottleneck, comparison.right.bottleneck} - {Bottleneck.NONE}):
        case (Bottleneck.BUFFER,):
            why = "space, not CPU: the consumer was mostly idle but woke too late"
        case (Bottleneck.CONSUMER,):
            why = "CPU, not space: the consumer never rested"
        case _:
            return ""
    return f" Records were lost for lack of {why}."


def _against(row: Row | None) -> str:
    """Return both numbers; "" unless both are known."""
    if row is None or row.left is None or row.right is None:
        return ""
    return f"{number(row.left, row.unit)} against {number(row.right, row.unit)}"


def _seen(row: Row) -> str:
    """Return the estimate and its interval: what an undecided comparison leaves possible."""
    return f"{point(row.estimate, row.unit)}, {interval(row.estimate, row.unit)}"


def _drops(comparison: Comparison) -> str:
    row = comparison.row("own_dropped_share")
    against = _against(row)
    if row is None or not against:
        return ""
    if comparison.left.own_dropped == comparison.right.own_dropped == 0:
        attempted = (comparison.left.own_attempted, comparison.right.own_attempted)
        return "neither dropped anything (0 of {:,} and 0 of {:,} records)".format(*attempted)
    left, right = name(comparison.left.transport), name(comparison.right.transport)
    found = {
        Outcome.LESS: f"less than {right}, {against}",
        Outcome.MORE: f"more than {right}, {against}",
        Outcome.TOO_FEW: f"{against} of {right} ({_ENOUGH})",
    }
    return f"{left} dropped " + found.get(
        row.outcome, f"{against} of {right}, undecided ({_seen(row)})"
    )


def _order(comparison: Comparison) -> str:
    sides = (comparison.left, comparison.right)
    if min(side.fewest_pairs for side in sides) == 0:
        return ""
    return f"{' against '.join(map(_violations, sides))} were delivered parent first"


def _violations(side: Side) -> str:
    return f"{side.causal_violations:,} of {side.causal_pairs:,} causal pairs"


def _latency(comparison: Comparison) -> str:
    row = comparison.row("latency_p50_ns")
    against = _against(row)
    if row is None or not against:
        return ""
    if comparison.left.own_dropped or comparison.right.own_dropped:
        against += " for what was delivered"  # a transport that drops looks quick
    median = f"(median latency {against})"
    known = {
        Outcome.LESS: f"it delivered sooner {median}",
        Outcome.MORE: f"it delivered later {median}",
        Outcome.TOO_FEW: f"median latency was {against}",
        Outcome.EQUIVALENT: f"both deliver as soon {_ALIKE} {median}",
    }
    undecided = f"which delivers sooner is undecided (median latency {against}, {_seen(row)})"
    return known.get(row.outcome, undecided)


def _write(comparison: Comparison) -> str:
    row = comparison.row("write_ns")
    against = _against(row)
    if row is None or not against:
        return ""
    known = {
        Outcome.LESS: f"it takes less time to write ({against})",
        Outcome.MORE: f"it takes longer to write ({against})",
    }
    return known.get(row.outcome, f"a write takes {against} ({_seen(row)})")


def _memory(comparison: Comparison) -> str:
    left, _, right = _against(comparison.row("physical_bytes")).partition(" against ")
    return left and f"it takes {left} of memory against {right}"


def verdict(summary: Summary) -> tuple[str, ...]:
    """Say the whole in sentences: drops, order, memory, latency, cost, and how sure."""
    load = tuple(unfit(summary))
    said: tuple[str, ...]
    if summary.comparisons:
        said = (
            *map(_stands, summary.standings),
            *map(_minimum, summary.ladders),
            *_sureness(summary),
        )
    else:
        equal = " under equal loads" if load else ""
        said = (
            f"There is nothing to compare: no experiment has trials of both transports{equal}.",
        )
    return (*completeness(summary.coverage), *load, *said)


def _stands(standing: Standing) -> str:
    question, asked = standing.question, standing.asked
    heading, *does = _ANSWERS[question]
    if standing.left != RINGBUF:
        heading += f", {name(standing.left)}"
    if not asked:
        return f"{heading}: not measured; there is no comparison{_MISSING.get(question, '')}."
    if len(standing.too_few) == asked:
        return f"{heading}: no verdict, since there are {_ENOUGH}{_counts(standing)}."
    many = _many(asked)
    wins = [
        f"{name(side)} {does[traits(side).plural]} in {len(won)} of {many} "
        f"({_places(won, question)})"
        for side, won in standing.wins
    ]
    found = ("it depends: " if len(wins) > 1 else "") + ", ".join(wins)
    rest = [_same(standing)] if standing.equal else []
    rest += [
        f"{len(group)} {words}"
        for group, words in (
            (standing.equivalent, f"equivalent {_ALIKE}"),
            (standing.open, "undecided"),
            (standing.too_few, "of too few blocks"),
        )
        if group
    ]
    tail = [", ".join(rest)] if rest else []
    tail += [f"as a whole only {waiting(each)}" for each in standing.directions if each.polls]
    if wins and not standing.directions:
        tail.append("too few to speak for the whole")
    said = "; ".join((found or f"decided in none of {many}", *tail))
    return f"{heading}: {said}{_counts(standing)}."


def _same(standing: Standing) -> str:
    """Return how many comparisons had no block that differs, and how many blocks still may."""
    blocks = min(_blocks(standing.equal, KEYS[standing.question]))
    return (
        f"{len(standing.equal)} the same in every block (0 of {blocks} or more: "
        f"at most {share(loss_bound(0, blocks))} of blocks differ)"
    )


def _blocks(comparisons: Sequence[Comparison], key: str) -> list[int]:
    """Return how many blocks each comparison has of a number, where it has one."""
    rows = [comparison.row(key) for comparison in comparisons]
    return [row.estimate.blocks for row in rows if row is not None and row.estimate is not None]


def _counts(standing: Standing) -> str:
    """Give the raw counts behind the answer on order."""
    if standing.question is not Question.ORDER:
        return ""
    asked = standing.comparisons
    sums = [
        f"{name(sides[0].transport)} {sum(side.causal_violations for side in sides):,} violations "
        f"in {sum(side.causal_pairs for side in sides):,} causal pairs"
        for sides in ([each.left for each in asked], [each.right for each in asked])
    ]
    return f"; {', '.join(sums)}"


def _many(comparisons: int) -> str:
    return "1 comparison" if comparisons == 1 else f"{comparisons} comparisons"


def _places(comparisons: Sequence[Comparison], question: Question) -> str:
    shown = []
    for each in comparisons[:_MOST_PLACES]:
        against = "" if question is Question.ORDER else _against(each.row(KEYS[question]))
        shown.append(f"{place(each)}: {against}" if against else place(each))
    if len(comparisons) > _MOST_PLACES:
        shown.append(f"and {len(comparisons) - _MOST_PLACES} more")
    return ", ".join(shown)


def _minimum(ladder: Ladder) -> str:
    least = ladder.minimum_bytes
    top = ladder.rungs[-1]
    if least is None:
        found = (
            f"above {size(top.budget_bytes)}, where {top.lossy} of {top.trials} storms lost "
            "something."
        )
    else:
        rung = next(rung for rung in ladder.rungs if rung.budget_bytes == least)
        found = (
            f"{size(least)} (0 of {rung.trials} storms lost, so at most {share(rung.bound)} do); "
            f"take {size(ladder.recommended_bytes or least)} for a margin of 2."
        )
    experiment = clean(ladder.experiment)
    return f"Least budget without a loss ({experiment}), {name(ladder.transport)}: {found}"


def _sureness(summary: Summary) -> Iterator[str]:
    blocks = _blocks(summary.comparisons, "own_dropped_share")
    invalid = len(summary.invalid)
    balanced = f"{invalid} invalid and left out" if invalid else "all balanced"
    if summary.reduced:
        balanced += f", {len(summary.reduced)} reduced and left out"
    span = " to ".join(map(str, sorted({min(blocks, default=0), max(blocks, default=0)})))
    duets = " (of duets confidence sequences)" if any(c.duet for c in summary.comparisons) else ""
    yield (
        f"How sure: {summary.trials:,} trials, {balanced}; {span} blocks a comparison, 95 % "
        f"bootstrap intervals{duets}, Holm's correction within each question; "
        f"{_noise(summary.floors)}."
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
