# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The answer of a duet as a document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.judge.comparison import Outcome
from bench.plan.config import Duet
from bench.questions.duet.judge import Duel, Judged
from bench.report.document import (
    Cell,
    Column,
    Document,
    Evidence,
    Mark,
    Note,
    Part,
    Row,
    Sentence,
    Table,
)
from bench.report.units import number, share, time

FORMAT: Final = 1
_MARKS: Final = {Outcome.UNDECIDED: Mark.OPEN, Outcome.EQUIVALENT: Mark.SOFT}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberData:
    """One number, the first arm's over the second's."""

    key: str
    first: float
    second: float
    ratio: float
    low: float
    high: float
    verdict: Outcome
    resolvable: float  # the smallest difference that could have been seen, as a share
    storms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetData:
    """What JSON has; ``format`` goes up when a key changes its meaning."""

    format: int
    first: str
    second: str
    workload: str
    assign: str
    storms: int
    left_out: int
    lossy: int
    margin: float
    later_share: float | None
    p: float | None
    journal: str
    numbers: tuple[NumberData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A duet that was run."""

    first: str  # names of the arms
    second: str
    workload: str
    rule: Duet
    margin: float
    duel: Duel
    journal: str

    @property
    def assign(self) -> str:
        """The rule by which exits are shared out, as it is written on the command line."""
        window_ns = self.rule.window_ns
        return f"{window_ns / 1e6:g}ms" if window_ns else "record"


def document(played: Played) -> Document:
    """Return the answer: a sentence for each number, and the table behind it."""
    duel = played.duel
    return Document(
        title=f"{played.first} against {played.second}, within the same storms",
        subject=(
            f"{duel.storms} storms ({played.workload}), assigned by {_words(played.rule)}; "
            f"equivalent means within {share(played.margin)}"
        ),
        parts=tuple(_parts(played)),
        data=DuetData(
            format=FORMAT,
            first=played.first,
            second=played.second,
            workload=played.workload,
            assign=played.assign,
            storms=duel.storms,
            left_out=duel.left_out,
            lossy=duel.lossy,
            margin=played.margin,
            later_share=duel.later_share,
            p=duel.p,
            journal=played.journal,
            numbers=tuple(
                NumberData(
                    key=each.compared.key,
                    first=each.first,
                    second=each.second,
                    ratio=each.estimate.point,
                    low=each.estimate.low,
                    high=each.estimate.high,
                    verdict=each.verdict,
                    resolvable=each.estimate.resolvable,
                    storms=each.estimate.blocks,
                )
                for each in duel.judged
            ),
        ),
    )


def _words(rule: Duet) -> str:
    if not rule.window_ns:
        return "process"
    return f"window of {time(rule.window_ns)}, the first {time(rule.washout_ns)} of each left out"


def _parts(played: Played) -> Iterator[Part]:
    duel = played.duel
    for each in duel.judged:
        yield Sentence(
            lead=each.compared.label.capitalize(),
            text=_sentence(played, each),
            evidence=Evidence(low=each.estimate.low, high=each.estimate.high),
        )
    yield _table(played)
    if duel.later_share is not None and duel.p is not None:
        yield Note(
            text=(
                f"A record of {played.first} was later than one of {played.second} in "
                f"{share(duel.later_share)} of all pairs within a storm; by chance alone ranks "
                f"would differ so much with p = {duel.p:.2g} (the assignment was random)."
            )
        )
    if duel.lossy:
        yield Note(
            text=f"{duel.lossy} storms dropped records and say nothing of latency.", mark=Mark.OPEN
        )
    if duel.left_out:
        yield Note(
            text=f"{duel.left_out} storms were invalid or reduced and are left out.", mark=Mark.BAD
        )


def _sentence(played: Played, judged: Judged) -> str:
    found = judged.estimate
    interval = f"{found.point:.3f} times, {found.low:.3f} to {found.high:.3f}"
    match judged.verdict:
        case Outcome.EQUIVALENT:
            return f"equivalent within {share(played.margin)} ({interval})."
        case Outcome.UNDECIDED:
            return (
                f"undecided ({interval}): a difference of less than {share(found.resolvable)} "
                "could not have been seen."
            )
    return (
        f"{judged.verdict} for {played.first} ({interval}); differences from "
        f"{share(found.resolvable)} on could be seen."
    )


def _table(played: Played) -> Table:
    headings = (played.first, played.second, "ratio", "95 % interval", "resolvable")
    return Table(
        key="numbers",
        title="First arm against second, each storm a pair",
        corner="number",
        columns=(*(Column(heading=each) for each in headings), Column(heading="", numeric=False)),
        rows=tuple(
            Row(
                heading=Cell(text=each.compared.label),
                cells=(
                    Cell(text=number(each.first, each.unit), value=each.first),
                    Cell(text=number(each.second, each.unit), value=each.second),
                    Cell(text=f"{each.estimate.point:.3f}", value=each.estimate.point),
                    Cell(text=f"{each.estimate.low:.3f} .. {each.estimate.high:.3f}"),
                    Cell(text=share(each.estimate.resolvable), value=each.estimate.resolvable),
                    Cell(text=each.verdict, mark=_MARKS.get(each.verdict, Mark.GOOD)),
                ),
                evidence=Evidence(low=each.estimate.low, high=each.estimate.high),
            )
            for each in played.duel.judged
        ),
    )
