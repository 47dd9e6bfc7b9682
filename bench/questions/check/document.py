# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show a check as a document."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.amounts import counted, seconds, share, time
from bench.judge.metrics import Unit
from bench.questions.check.judge import Order, Rung, Verdict
from bench.questions.check.lines import Reading
from bench.report import document as doc
from bench.report.document import NONE, Cell, Document, Mark, Note, Sentence, pick
from bench.report.table import Value, columns, quantity, row

FORMAT: Final = 1
_LONGEST: Final = 60  # of a command in the title
_COLUMNS: Final = (
    *("processes", "seen", "twice", "missing, reported", "missing, not reported", "wrong"),
    *("delay p50", "p99", "CPU", "memory"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckData:
    """Hold the JSON output; ``format`` is raised when a key changes its meaning."""

    format: int
    command: tuple[str, ...]
    preset: str  # "": the user's own pattern or key
    shows: str  # exits or execs
    attached_s: float
    ended: str  # why no more storms were run; "": all were
    whole_to_per_s: float | None  # fastest storm up to which it showed all; null: none
    loses_from_per_s: float | None  # slowest storm of which it did not show all; null: none
    rungs: tuple[Rung, ...]
    order: Order | None


def document(command: Sequence[str], reading: Reading, verdict: Verdict) -> Document:
    """Return the rate up to which the tool shows everything, and what is missing beyond it."""
    whole, loses = verdict.whole_to, verdict.loses_from
    data = pick(
        CheckData,
        verdict,
        format=FORMAT,
        command=tuple(command),
        preset=reading.name,
        shows="execs" if reading.execs else "exits",
        whole_to_per_s=whole.rate_per_s if whole else None,
        loses_from_per_s=loses.rate_per_s if loses else None,
    )
    tool = shlex.join(command)
    tool = tool if len(tool) <= _LONGEST else f"{tool[: _LONGEST - 3]}..."
    return Document(
        title=f"Does {tool} see every {data.shows.removesuffix('s')}?",
        subject=f"attached after {seconds(data.attached_s)}; {counted(len(data.rungs), 'storm')}",
        parts=tuple(_parts(data, whole, loses)),
        data=data,
        journals=False,
    )


def _parts(data: CheckData, whole: Rung | None, loses: Rung | None) -> Iterator[doc.Part]:
    yield Sentence(lead="Complete", text=_complete(data, whole, loses))
    yield Sentence(lead="Order", text=_ordered(data))
    yield Sentence(lead="Correct", text=_correct(data))
    yield doc.Table(
        key="rungs",
        title="Storms of rising rates",
        corner="a second",
        columns=columns(*_COLUMNS),
        rows=tuple(
            row(f"{each.rate_per_s:,.0f}{'' if each.settled else ', behind'}", *_cells(each))
            for each in data.rungs
        ),
    )
    if data.ended:
        yield Note(text=f"No more storms: {data.ended}.", mark=Mark.BAD)
    if any(not each.settled for each in data.rungs):
        yield Note(
            text="Behind: within the time allowed, it did not show a process made after the storm; "
            "lines that came later count as missing.",
            mark=Mark.OPEN,
        )
    yield Note(
        text="Delay is the time from the reaping of a process to its line. CPU is that of the tool "
        "alone, as a share of one CPU; its BPF programs run in the processes that they observe."
    )


def _complete(data: CheckData, whole: Rung | None, loses: Rung | None) -> str:
    if loses is None:
        top = max(data.rungs, key=lambda each: each.rate_per_s)
        return f"every process was shown, up to the highest rate, {top.rate_per_s:,.0f} a second."
    lost, reported = loses.missing / loses.processes, sum(each.reported for each in data.rungs)
    missing = sum(each.missing for each in data.rungs)
    begins = f"all were shown up to {whole.rate_per_s:,.0f} a second; " if whole else ""
    return (
        f"{begins}at {loses.rate_per_s:,.0f} a second {share(lost)} are missing; over all storms "
        f"it reported {reported:,} of {counted(missing, 'missing process', 'missing processes')}."
    )


def _ordered(data: CheckData) -> str:
    found = data.order
    if found is None:
        if any(each.whole and each.settled for each in data.rungs):
            return "not checked: the tool ended before."
        return "not checked: at no rate were all processes shown in time."
    if not found.pairs:
        return "no pair of a parent and its child was shown."
    of = f"of {counted(found.pairs, 'pair')} at {found.rate_per_s:,.0f} a second"
    if not found.reversed:
        return f"each child was shown before the parent that reaped it, {of}."
    early = counted(found.reversed, "parent was", "parents were")
    return f"{early} shown before a child, {of}."


def _correct(data: CheckData) -> str:
    counts = (
        (sum(each.wrong_pid for each in data.rungs), "wrong PID"),
        (sum(each.wrong_parent for each in data.rungs), "wrong parent"),
        (sum(each.wrong_status for each in data.rungs), "wrong code or signal"),
        (sum(each.twice for each in data.rungs), "shown again"),
    )
    wrong = [f"{count:,} {words}" for count, words in counts if count]
    return f"{', '.join(wrong)}." if wrong else "nothing was wrong or shown again."


def _cells(rung: Rung) -> Iterator[Value]:
    yield from (rung.processes, rung.seen, rung.twice, rung.reported)
    for bad in (rung.silent, rung.wrong):
        yield quantity(bad, mark=Mark.BAD if bad else Mark.NONE)
    for delay_ms in (rung.delay_p50_ms, rung.delay_p99_ms):
        yield Cell(text=NONE if delay_ms is None else time(delay_ms * 1e6), value=delay_ms)
    yield quantity(rung.cpu_share, Unit.SHARE)
    yield quantity(rung.rss_bytes, Unit.BYTES)
