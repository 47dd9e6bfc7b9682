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
from bench.plan.config import Poll
from bench.questions.transports.completeness import completeness
from bench.questions.transports.profiles import RINGBUF
from bench.questions.transports.standing import KEYS, LEAST_PAIRS, Direction, Question, Standing
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import reduced, unequal
from bench.report.units import budget, clean, interval, number, point, share, size
from bench.tracer.transports import traits

_MOST_PLACES: Final = 3


def name(transport: str) -> str:
    """Return a transport as sentences call it."""
    return clean(traits(transport).title)


def listed(parts: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


_WAITING: Final = {
    Poll.EPOLL: "waiting on epoll",
    Poll.BUSY: "busy polling",
    Poll.TIMED: "draining by a timer",
    Poll.STOPPED: "reading only after the storm",
}


def waiting(direction: Direction) -> str:
    """Return what a direction depends on: "when busy polling"; "" where it holds throughout."""
    words = [_WAITING[poll] for poll in direction.polls]
    return f"when {listed(words)}" if words else ""


def place(comparison: Comparison) -> str:
    """Name where a comparison was made: "storm at 64 KiB"."""
    where = f"{clean(comparison.experiment)} at {budget(comparison.budget)}"
    if comparison.left.budget_bytes != comparison.right.budget_bytes:
        where += f" (perf {size(comparison.right.budget_bytes)})"
    return where


def sentence(comparison: Comparison) -> str:
    """Say what one comparison found, in one sentence."""
    parts = [_drops(comparison), _order(comparison), _latency(comparison)]
    parts.append(_write(comparison) if comparison.duet else _memory(comparison))
    words = "; ".join(part for part in parts if part)
    return f"In {place(comparison)}, {words}.{_mend(comparison)}" if words else ""


def _mend(comparison: Comparison) -> str:
    """Say why records were lost, if it is the same on both sides or only one lost any."""
    short = {comparison.left.bottleneck, comparison.right.bottleneck} - {Bottleneck.NONE}
    match tuple(short):
        case (Bottleneck.BUFFER,):
            return " What was lost wanted room: its consumer had time to spare, but came too late."
        case (Bottleneck.CONSUMER,):
            return " What was lost wanted a faster consumer: it never rested, and room runs out."
        case _:
            return ""


def _drops(comparison: Comparison) -> str:
    row = comparison.row("own_dropped_share")
    if row is None or row.left is None or row.right is None:
        return ""
    if comparison.left.own_dropped == comparison.right.own_dropped == 0:
        attempted = (comparison.left.own_attempted, comparison.right.own_attempted)
        return "neither dropped anything (0 of {:,} and 0 of {:,} records)".format(*attempted)
    left, right = name(comparison.left.transport), name(comparison.right.transport)
    against = f"{share(row.left)} against {share(row.right)}"
    match row.outcome:
        case Outcome.LESS:
            return f"{left} dropped less than {right}, {against}"
        case Outcome.MORE:
            return f"{left} dropped more than {right}, {against}"
        case Outcome.TOO_FEW:
            return f"{left} dropped {against} of {right} (fewer than {FEWEST_BLOCKS} blocks)"
        case _:
            return f"{left} dropped {against} of {right}, undecided ({_seen(row)})"


def _seen(row: Row) -> str:
    """Return the estimate and its interval: what an undecided comparison leaves possible."""
    return f"{point(row.estimate, row.unit)}, {interval(row.estimate, row.unit)}"


def _order(comparison: Comparison) -> str:
    left, right = comparison.left, comparison.right
    if min(left.fewest_pairs, right.fewest_pairs) == 0:
        return ""
    return f"{_violations(left)} against {_violations(right)} were delivered parent first"


def _violations(side: Side) -> str:
    return f"{side.causal_violations:,} of {side.causal_pairs:,} causal pairs"


def _latency(comparison: Comparison) -> str:
    row = comparison.row("latency_p50_ns")
    if row is None or row.left is None or row.right is None:
        return ""
    against = f"{number(row.left, row.unit)} against {number(row.right, row.unit)}"
    if comparison.left.own_dropped or comparison.right.own_dropped:
        against += " for what was delivered"  # a transport that drops looks quick
    known = {
        Outcome.LESS: f"it delivered sooner (median latency {against})",
        Outcome.MORE: f"it delivered later (median latency {against})",
        Outcome.TOO_FEW: f"median latency was {against}",
        Outcome.EQUIVALENT: f"both deliver as soon within {share(LEAST_MARGIN)} "
        f"(median latency {against})",
    }
    return known.get(
        row.outcome, f"which delivers sooner is undecided (median latency {against}, {_seen(row)})"
    )


def _write(comparison: Comparison) -> str:
    row = comparison.row("write_ns")
    if row is None or row.left is None or row.right is None:
        return ""
    against = f"{number(row.left, row.unit)} against {number(row.right, row.unit)}"
    known = {Outcome.LESS: "it takes less time to write", Outcome.MORE: "it takes longer to write"}
    words = known.get(row.outcome)
    return f"{words} ({against})" if words else f"a write takes {against} ({_seen(row)})"


def _memory(comparison: Comparison) -> str:
    row = comparison.row("physical_bytes")
    if row is None or row.left is None or row.right is None:
        return ""
    return f"it takes {size(row.left)} of memory against {size(row.right)}"


def verdict(summary: Summary) -> tuple[str, ...]:
    """Say the whole in sentences: drops, order, memory, latency, cost, and how sure."""
    load = (*reduced(summary), *unequal(summary))
    if not summary.comparisons:
        why = "no experiment has trials of both transports"
        if load:
            why += " under equal loads"
        return (
            *completeness(summary.coverage),
            *load,
            f"There is nothing to compare: {why}.",
        )
    return (
        *completeness(summary.coverage),
        *load,
        *(_stands(standing) for standing in summary.standings),
        *_minimum(summary.ladders),
        *_sureness(summary),
    )


_ANSWERS: Final = {
    Question.DROPS: ("Drops", "drops less", "drop less"),
    Question.ORDER: ("Order", "keeps order better", "keep order better"),
    Question.MEMORY: ("Memory", "takes less at equal budget", "take less at equal budget"),
    Question.LATENCY: ("Latency", "delivers sooner", "deliver sooner"),
    Question.CPU: ("CPU", "costs its consumer less", "cost their consumer less"),
    Question.WRITE: ("Write", "takes less time", "take less time"),
}
_MISSING: Final = {
    Question.ORDER: f" with at least {LEAST_PAIRS:,} causal pairs in every trial",
    Question.LATENCY: " read during the storm in which neither dropped anything",
    Question.CPU: " in which neither dropped anything",
    Question.WRITE: " in which neither dropped anything",
}


def _does(transport: str, question: Question) -> str:
    _, one, many = _ANSWERS[question]
    return f"{name(transport)} {many if traits(transport).plural else one}"


def _stands(standing: Standing) -> str:
    question = standing.question
    whose = "" if standing.left == RINGBUF else f", {name(standing.left)}"
    heading = f"{_ANSWERS[question][0]}{whose}: "
    asked = standing.asked
    if not asked:
        return f"{heading}not measured; there is no comparison{_MISSING.get(question, '')}."
    if len(standing.too_few) == asked:
        return (
            f"{heading}no verdict, since there are fewer than {FEWEST_BLOCKS} blocks"
            f"{_counts(standing)}."
        )
    wins = [
        f"{_does(transport, question)} in {len(won)} of {_many(asked)} ({_places(won, question)})"
        for transport, won in (
            (standing.left, standing.for_left),
            (standing.right, standing.for_right),
        )
        if won
    ]
    if not wins:
        found = f"decided in none of {_many(asked)}"
    elif len(wins) == 1:
        found = wins[0]
    else:
        found = f"it depends: {wins[0]}, {wins[1]}"
    rest = [_same(standing)] if standing.equal else []
    rest += [
        f"{count} {words}"
        for count, words in (
            (len(standing.equivalent), f"equivalent within {share(LEAST_MARGIN)}"),
            (len(standing.open), "undecided"),
            (len(standing.too_few), "of too few blocks"),
        )
        if count
    ]
    tail = f"; {', '.join(rest)}" if rest else ""
    tail += "".join(
        f"; as a whole only {waiting(each)}" for each in standing.directions if each.polls
    )
    if wins and not standing.directions:
        tail += "; too few to speak for the whole"
    return f"{heading}{found}{tail}{_counts(standing)}."


def _same(standing: Standing) -> str:
    """Return how many comparisons had no block that differs, and how many blocks still may."""
    blocks = min(
        row.estimate.blocks
        for each in standing.equal
        if (row := each.row(KEYS[standing.question])) is not None and row.estimate is not None
    )
    return (
        f"{len(standing.equal)} the same in every block (0 of {blocks} or more: "
        f"at most {share(loss_bound(0, blocks))} of blocks differ)"
    )


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
    shown = [f"{place(each)}{_figures(each, question)}" for each in comparisons[:_MOST_PLACES]]
    if len(comparisons) > _MOST_PLACES:
        shown.append(f"and {len(comparisons) - _MOST_PLACES} more")
    return ", ".join(shown)


def _figures(comparison: Comparison, question: Question) -> str:
    row = comparison.row(KEYS[question])
    if row is None or row.left is None or row.right is None or question is Question.ORDER:
        return ""
    return f": {number(row.left, row.unit)} against {number(row.right, row.unit)}"


def _minimum(ladders: Sequence[Ladder]) -> Iterator[str]:
    for ladder in ladders:
        least = ladder.minimum_bytes
        heading = f"Least budget without a loss ({clean(ladder.experiment)}), "
        if least is None:
            top = ladder.rungs[-1]
            yield (
                f"{heading}{name(ladder.transport)}: above {size(top.budget_bytes)}, where "
                f"{top.lossy} of {top.trials} storms lost something."
            )
            continue
        rung = next(rung for rung in ladder.rungs if rung.budget_bytes == least)
        yield (
            f"{heading}{name(ladder.transport)}: {size(least)} (0 of {rung.trials} storms lost, "
            f"so at most {share(rung.bound)} do); take {size(ladder.recommended_bytes or least)} "
            "for a margin of 2."
        )


def _sureness(summary: Summary) -> Iterator[str]:
    blocks = [
        row.estimate.blocks
        for comparison in summary.comparisons
        if (row := comparison.row("own_dropped_share")) is not None and row.estimate is not None
    ]
    invalid = len(summary.invalid)
    balanced = "all balanced" if not invalid else f"{invalid} invalid and left out"
    if summary.reduced:
        balanced += f", {len(summary.reduced)} reduced and left out"
    least, most = min(blocks, default=0), max(blocks, default=0)
    span = f"{least} to {most}" if least != most else f"{least}"
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
            points = " points" if key == "own_dropped_share" else ""
            text = f"{100 * max(sizes):.1f}" if points else share(max(sizes))
            noise.append(f"{words} {text}{points}")
    if not noise:
        return "no A/A comparison was run, so that the noise is not known"
    return f"the same against itself (A/A) differs by up to: {', '.join(noise)}"
