# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show a search as a document: the first bad kernel, and the number on each that was tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.amounts import counted
from bench.errors import clean
from bench.questions.bisect.condition import Reading, in_short, shown
from bench.questions.bisect.run import Bisection, Outcome, Tried
from bench.questions.bisect.search import Verdict
from bench.report import document as doc
from bench.report.table import columns, row

_MOST_COLUMNS: Final = 5
_MARKS: Final = {
    Verdict.GOOD: doc.Mark.GOOD,
    Verdict.BAD: doc.Mark.BAD,
    Verdict.UNKNOWN: doc.Mark.SOFT,
}


def document(study: Bisection) -> doc.Document:
    """Return the answer of a search, or its plan."""
    found = doc.Passing.PASSED if study.outcome is Outcome.FOUND else doc.Passing.FAILED
    said, test = title(study), clean(study.test)
    check = doc.Check(name=f"first bad kernel of {test}", outcome=found, text=said)
    return doc.Document(
        title=said,
        subject=f"a kernel is good where {test} holds",
        parts=tuple(_parts(study)),
        data=study,
        short="Bisection",
        journals=False,
        checks=() if study.outcome is Outcome.PLANNED else (check,),
    )


def title(study: Bisection) -> str:
    """Return how the search ended, in a sentence."""
    good, bad, test = clean(study.good), clean(study.bad), clean(study.test)
    match study.outcome:
        case Outcome.PLANNED:
            kernels = counted(len(study.candidates), "kernel")
            return f"{kernels} from {good} to {bad}: at most {counted(study.most_boots, 'boot')}"
        case Outcome.FOUND:
            return f"{clean(study.first_bad or '')} is the first kernel on which {test} fails"
        case Outcome.RANGE:
            return (
                f"{test} fails first on one of {counted(len(study.suspects), 'kernel')}, from "
                f"{clean(study.suspects[0])} to {clean(study.suspects[-1])}"
            )
        case Outcome.GOOD_FAILS:
            return f"{test} fails on {good} already: {clean(study.tried[0].why)}"
        case Outcome.BAD_HOLDS:
            return f"{test} also holds on {bad}: nothing to find"
        case Outcome.END_UNKNOWN:
            ends = {1: good, study.different: bad}
            unknown = (each for each in study.tried if each.verdict is Verdict.UNKNOWN)
            lost = next(each for each in unknown if each.place in ends)
            return f"{ends[lost.place]} cannot be judged: {clean(lost.why)}"


def _parts(study: Bisection) -> Iterator[doc.Part]:
    if study.outcome is Outcome.PLANNED:
        yield _candidates(study)
        return
    if study.last_good is not None and study.first_bad is not None:
        good = [each for each in study.tried if each.verdict is Verdict.GOOD][-1]
        bad = next(each for each in study.tried if each.verdict is Verdict.BAD)
        for lead, label, tried in (
            ("Last good", study.last_good, good),
            ("First bad", study.first_bad, bad),
        ):
            words = f"{label} ({in_short(tried.readings)})".removesuffix(" ()")  # numbers if few
            yield doc.Sentence(lead=lead, text=clean(f"{words}."))
    boots = sum(len(each.seeds) for each in study.tried)
    now = f", {study.boots:,} of them in this run" if study.boots != boots else ""
    yield doc.Sentence(
        lead="Effort",
        text=f"{counted(boots, 'boot')}{now}; {len(study.tried):,} of "
        f"{counted(len(study.candidates), 'kernel')} tried.",
    )
    if study.outcome is Outcome.RANGE:
        yield doc.Note(
            text="The kernels between them cannot be judged: each of them may be the first.",
            mark=doc.Mark.OPEN,
        )
    yield _tried(study)
    yield doc.Heading(text="All kernels", key="candidates", level=doc.Level.BACKGROUND)
    yield doc.Definitions(
        entries=(
            ("Candidates, oldest first", tuple(clean(each) for each in study.candidates)),
            ("Most boots", (f"{study.most_boots:,}, if all can be judged",)),
        )
    )


def _candidates(study: Bisection) -> doc.Table:
    fewer = study.different < len(study.candidates)
    return doc.Table(
        key="candidates",
        title="Candidates, oldest first",
        corner="",
        columns=columns("kernel", numeric=False),
        rows=tuple(row(at, clean(each)) for at, each in enumerate(study.candidates, 1)),
        hint=f"{study.different:,} of them differ." if fewer else "",
    )


def _tried(study: Bisection) -> doc.Table:
    names = tuple(dict.fromkeys(each.name for one in study.tried for each in one.readings))
    names = names if len(names) <= _MOST_COLUMNS else ()
    return doc.Table(
        key="tried",
        title="Kernels that were tried",
        corner="kernel",
        columns=columns(*_headings(names), "verdict", "boots", "why", text=("verdict", "why")),
        rows=tuple(
            row(
                doc.Cell(text=clean(each.kernel), hint=clean(each.origin)),
                *_numbers(each, names),
                doc.Cell(text=each.verdict, mark=_MARKS[each.verdict]),
                len(each.seeds),
                clean(each.why) or doc.NONE,
            )
            for each in study.tried
        ),
        hint="Oldest first. Both sides of the border are also booted with a second seed.",
    )


def _headings(names: Sequence[str]) -> Iterator[str]:
    """Yield a column's heading for each name, short ones for sizes of one call."""
    one = len({each.partition("@")[0] for each in names}) == 1
    for name in names:
        _, at, size = name.partition("@")
        yield f"{size} bytes" if one and at and len(names) > 1 else name


def _numbers(tried: Tried, names: Sequence[str]) -> Iterator[doc.Cell]:
    readings = {each.name: each for each in tried.readings}
    for name in names:
        reading = readings.get(name, Reading(name=name, value=None))
        value, hint = reading.value, clean(reading.why)
        text = doc.NONE if value is None else clean(shown(value))
        yield doc.Cell(text=text, value=value if isinstance(value, int) else None, hint=hint)
