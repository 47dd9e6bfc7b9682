# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer each question on each kernel, mark changed answers, and sum up over all kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from bench.amounts import counted, share
from bench.errors import clean
from bench.questions.claims.claim import Verdict
from bench.questions.claims.words import SPOKEN
from bench.questions.kernels.matrix import ClaimRow, Matrix, Missed
from bench.questions.kernels.rows import Result
from bench.questions.transports.decision import COUNTED, WORDS, amount, state
from bench.questions.transports.profiles import RINGBUF
from bench.questions.transports.standing import Question
from bench.questions.transports.words import listed, waiting
from bench.tracer.transports import traits

_RING: Final = {
    Question.DROPS: ("drops fewer events", "drops more events"),
    Question.ORDER: ("keeps order better", "keeps order worse"),
    Question.MEMORY: ("takes less memory", "takes more memory"),
    Question.LATENCY: ("delivers sooner", "delivers later"),
    Question.WRITE: ("writes faster", "writes slower"),
    Question.CPU: ("costs its consumer less CPU", "costs its consumer more CPU"),
}
"""What the ring does if it is better, and if perf buffers are, in the order of columns."""
_COUNTING: Final = _RING | {
    question: (does, does.replace("fewer", "more"))
    for question, (_, _, does, _) in COUNTED.items()
    if does != WORDS[question][2]
}
"""The same where instructions are counted: fewer are not quicker."""
TOO_FEW_PAIRS: Final = "too few pairs"  # standing.LEAST_PAIRS in every trial are needed
_NOT_LOSSLESS: Final = "no load without drops"
_LACKING: Final = {
    Question.ORDER: TOO_FEW_PAIRS,
    Question.LATENCY: _NOT_LOSSLESS,
    Question.WRITE: _NOT_LOSSLESS,
    Question.CPU: _NOT_LOSSLESS,
}
"""Why no comparison answers a question."""
_ALIKE: Final = {"the same", "equivalent"}
_UNMEASURED: Final = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold one kernel's answer to one question."""

    kernel: str
    words: str
    gist: str = ""  # what the ring does, else the words; "" if there is nothing to compare
    better: str = ""  # transport; "" if neither is, or it depends
    partly: bool = False  # whether it is better only with some ways of waiting
    why: str = ""  # the evidence for the words
    changed: str = ""  # the previous kernel, if its answer differs; else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Hold the answers of all measured kernels to one question, in the order of versions."""

    question: str
    heading: str
    answers: tuple[Answer, ...]


_SOME_WAITING: Final = " with some ways of waiting"
IN_PART: Final = "in part"
"""Marks an answer that holds only with some ways of waiting."""

Found = tuple[Answer, object]
"""An answer, and what it is compared by between kernels; None if nothing is settled."""


def answers(matrix: Matrix) -> tuple[Answers, ...]:
    """Return the answers on both transports, then those on claims and on skipped exits."""
    results = {row.label: result for row, result in matrix.measured}
    places = {row.label: at for at, row in enumerate(matrix.rows)}
    found = {
        (question.value, WORDS[question][0]): [
            _compared(question, *each) for each in results.items()
        ]
        for question in _RING
    }
    found["claims", "claims"] = [_claimed(matrix.claims, places[k], k) for k in results]
    found[matrix.skipped.question, "skipped"] = [_skipped(each) for each in matrix.missed]
    lines = [row.line for row, _ in matrix.measured]
    return tuple(
        Answers(question=question, heading=heading, answers=tuple(_marked(each, lines)))
        for (question, heading), each in found.items()
    )


def _marked(found: Sequence[Found], lines: Sequence[tuple[str, str]]) -> Iterator[Answer]:
    """Mark each answer that differs from the last one of its flavour, or of the usual kernels.

    Kernels of two architectures are not compared.
    """
    last: dict[tuple[str, str], tuple[str, object]] = {}
    for (answer, settled), line in zip(found, lines, strict=True):
        kernel, before = last.get(line) or last.get((line[0], ""), ("", None))
        differs = settled is not None and before is not None and _differ(before, settled)
        if settled is not None:
            last[line] = answer.kernel, settled
        yield replace(answer, changed=kernel) if differs else answer


def _differ(before: object, now: object) -> bool:
    """Return whether verdicts turned, intervals of skipped exits are disjoint, or another wins."""
    if isinstance(before, Missed) and isinstance(now, Missed):
        pairs = ((each, now.known.get(when)) for when, each in before.known.items())
        return any(two and (one.high < two.low or two.high < one.low) for one, two in pairs)
    if isinstance(before, dict) and isinstance(now, dict):
        return any(before[name] is not now[name] for name in before.keys() & now.keys())
    return before != now


def _compared(question: Question, kernel: str, result: Result) -> Found:
    """Return which of the two is better, and by how much, or why that is undecided."""
    standings = {(each.question, each.left): each for each in result.summary.standings}
    standing = standings.get((question, RINGBUF))
    if standing is None or not standing.considered:
        known = any(each.row(question.key) for each in result.summary.comparisons)
        words = _LACKING.get(question, _UNMEASURED) if known else _UNMEASURED
        return Answer(kernel=kernel, words=words, gist=words), None
    words, of = state(standing), f"of {counted(standing.considered, 'comparison')}"
    if not standing.directions:
        settled = "alike" if words in _ALIKE else None
        return Answer(kernel=kernel, words=words, gist=words, why=f"none {of} decided"), settled
    found = standing.directions
    partly = any(each.polls for each in found)
    does = _COUNTING if result.machine.counts_instructions else _RING
    saved = [f"{traits(each.winner).short} {amount(standing, each)}".strip() for each in found]
    winners = frozenset(each.winner for each in found)
    decided = f"{sum(len(each.decided) for each in found)} {of} decided"
    answer = Answer(
        kernel=kernel,
        words="; ".join(saved) + f" {IN_PART}" * partly,
        gist=" but ".join(does[question][each.winner != RINGBUF] for each in found),
        better=next(iter(winners)) if len(winners) == 1 else "",
        partly=partly,
        why=" ".join(filter(None, (decided, *map(waiting, found)))),
    )
    # Two kernels differ by the winners: the ways of waiting vary from run to run.
    return answer, winners


def _claimed(rows: Sequence[ClaimRow], at: int, kernel: str) -> Found:
    """Count the claims that one kernel's trials can judge, by verdict."""
    found = [(row.claim.id, row.findings[at]) for row in rows]
    names = {verdict: [n for n, f in found if f and f.verdict is verdict] for verdict in SPOKEN}
    known = {verdict: of for verdict, of in names.items() if of}
    total = sum(map(len, known.values()))
    answer = Answer(
        kernel=kernel,
        words=f"{len(names[Verdict.REPRODUCED])} of {total}" if total else _UNMEASURED,
        why="; ".join(f"{verdict}: {', '.join(of)}" for verdict, of in known.items()),
    )
    settled = {n: v for v, of in known.items() if v is not Verdict.INCONCLUSIVE for n in of}
    return answer, settled or None


def _skipped(missed: Missed) -> Found:
    """Return the share of exits that the kernel skipped when idle and while others called bpf()."""
    whens = {"idle": "when idle", "beside bpf() calls": "during bpf()"}
    known = {whens.get(when, when): each for when, each in missed.known.items()}
    parts = [f"{share(each.missed_share)} {when}" for when, each in known.items() if each.missed]
    none = f"none of {sum(e.reaped for e in known.values()):,}" if known else _UNMEASURED
    why = f"preemption {clean(missed.preemption)}"
    return Answer(kernel=missed.kernel, words=", ".join(parts) or none, why=why), missed


def title(matrix: Matrix, found: Sequence[Answers]) -> str:
    """Sum up the answers in a sentence: what the ring does on all kernels, then on some."""
    labels = [clean(row.label) for row, _ in matrix.measured]
    if not labels:
        return "No kernel left a result"
    good, bad, some, rest = list[str](), list[str](), list[str](), list[str]()
    alike: dict[str, list[str]] = {}
    for each in found:
        by_gist: dict[str, list[str]] = {}
        for answer in each.answers:
            by_gist.setdefault(answer.gist, []).append(clean(answer.kernel))
        partly = {answer.gist for answer in each.answers if answer.partly}
        full = {gist: gist + _SOME_WAITING * (gist in partly) for gist in by_gist if gist}
        on = {gist: f"{text} on {_spans(by_gist[gist], labels)}" for gist, text in full.items()}
        does = [on.pop(a.gist) for a in each.answers if a.gist != a.words and a.gist in on]
        if len(by_gist) == 1 and does:
            (good if each.answers[0].better == RINGBUF else bad).extend(full.values())
        elif does:
            some.append(listed(does) + (f" ({', '.join(on.values())})" if on else ""))
        elif len(by_gist) == 1:
            alike.setdefault(next(iter(by_gist)), []).append(each.heading)
        else:
            rest.append(f"{each.heading} {', '.join(on.values())}")
    does = [*filter(None, (" but ".join(filter(None, map(listed, (good, bad)))), *some))]
    said = [f"the ring buffer {'; it '.join(does)}"] if does else []
    said += [f"{listed(of)} {gist}" for gist, of in alike.items() if gist not in ("", _UNMEASURED)]
    return f"On {_where(matrix, labels)} {'; '.join((*said, *rest)) or 'nothing was compared'}"


def _where(matrix: Matrix, labels: Sequence[str]) -> str:
    coverages = [result.summary.coverage for _, result in matrix.measured]
    partly = sum(bool(each and each.runs_incomplete) for each in coverages)
    incomplete = f" ({partly} incomplete)" if partly else ""
    if len(matrix.rows) == 1:
        return f"Linux {labels[0]}{incomplete}"
    measured = "all" if len(labels) == len(matrix.rows) else f"{len(labels)} of"
    return (
        f"{measured} {counted(len(matrix.rows), 'kernel')}, {_spans(labels, labels)}{incomplete},"
    )


def _spans(some: Sequence[str], labels: Sequence[str]) -> str:
    """Return "5.10 to 6.12 and 7.3": three or more labels in a row form a span."""
    runs = [
        [label for _, label in run]
        for _, run in groupby(enumerate(some), key=lambda each: each[0] - labels.index(each[1]))
    ]
    spans = [[f"{run[0]} to {run[-1]}"] if len(run) > 2 else run for run in runs]
    return listed([part for span in spans for part in span])
