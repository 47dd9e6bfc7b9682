# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Explain a call's instructions by the kernel's functions, as parts of a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.errors import clean
from bench.plan.traits import GREY
from bench.questions.exact.functions import differences
from bench.questions.exact.study import CallCount, KernelCount
from bench.questions.transports.figures.panels import panel
from bench.record.layout import RECORD_BYTES
from bench.report import document as doc
from bench.report.figure import chart_of, look
from bench.report.table import columns, row

_WIDTH: Final = 440  # of a strip, in CSS pixels
_BAR: Final = 26
_LETTER: Final = 6.2  # of a name within a bar
_INK: Final = "#3a4048"
_MOST_FUNCTIONS: Final = 12  # of a call; the rest is summed up
_REST: Final = "others"


def parts(counted: Sequence[KernelCount], drawn: Sequence[str]) -> Iterator[doc.Part]:
    """Yield the differences between the first and the last kernel by function, and strips of all.

    ``drawn`` names the calls of the strips.
    """
    explained = [each for each in counted if any(call.functions for call in each.calls)]
    if len(explained) > 1 and (rows := tuple(_rows(explained[0], explained[-1]))):
        first, last = explained[0].name, explained[-1].name
        yield doc.Table(
            key="why",
            title=f"Why: functions that differ between {first} and {last}",
            corner="function",
            columns=columns(first, last, "difference"),
            rows=rows,
            hint=(
                "Instructions in each function itself, without the empty program's, as a plugin "
                "of QEMU saw them. What a compiler inlines counts where it is inlined. A size that "
                "differs as a smaller one does is left out."
            ),
        )
    for reason in dict.fromkeys(each.unexplained for each in counted if each.unexplained):
        names = ", ".join(each.name for each in counted if each.unexplained == reason)
        yield doc.Note(text=f"{names}: no functions: {clean(reason)}")
    for kernel in counted:
        unequal = ", ".join(
            f"{clean(call.name)} of {call.bytes} bytes {call.explained:,} for {call.instructions:,}"
            for call in kernel.calls
            if call.functions and call.instructions not in (None, call.explained)
        )
        if unequal:
            text = f"{kernel.name}: functions do not add up to what the clock counts: {unequal}"
            yield doc.Note(text=text, mark=doc.Mark.OPEN)
    if explained:
        yield doc.Heading(
            text="Functions of a call",
            key="functions",
            short="Functions",
            level=doc.Level.BACKGROUND,
        )
        yield doc.Figures(make=lambda: _figures(explained, drawn))


def _rows(before: KernelCount, after: KernelCount) -> Iterator[doc.Row]:
    shown = set()
    for one in before.calls:
        two = after.by_key.get((one.name, one.bytes))
        found = differences(one, two) if two is not None else []
        alike = one.name, tuple((name, now - was) for name, was, now in found)
        if two is None or not found or alike in shown:
            continue
        shown.add(alike)
        yield row(str(one), *_change(one.explained, two.explained), begins=True)
        for name, *counts in found:
            yield row(clean(name), *_change(*counts), under=True)


def _change(was: int, now: int) -> Iterator[doc.Cell]:
    for count in (was, now):
        yield doc.Cell(text=f"{count:,}" if count else doc.NONE, value=count)
    more = now - was
    yield doc.Cell(text=f"{more:+,}", value=more, mark=mark(more))


def mark(more: int) -> doc.Mark:
    """Return the mark of a difference in instructions."""
    return doc.Mark.OPEN if more > 0 else doc.Mark.GOOD if more < 0 else doc.Mark.NONE


def _figures(explained: Sequence[KernelCount], drawn: Sequence[str]) -> Iterator[doc.Figure]:
    if panels := tuple(filter(None, (_panel(explained, name) for name in drawn))):
        yield doc.Figure(
            key="functions",
            title="Instructions by function",
            reading="A bar is a call, its parts are the kernel's functions, the longest first on "
            "the first kernel. Coloured parts take a different number than on the first kernel.",
            transports=(),
            panels=panels,
        )


def _panel(explained: Sequence[KernelCount], name: str) -> doc.Panel | None:
    import altair as alt

    calls = ((each.name, each.by_key.get((name, RECORD_BYTES))) for each in explained)
    bars = [(label, call) for label, call in calls if call is not None and call.functions]
    if not bars:
        return None
    most = max(call.explained for _, call in bars)
    labels = [label for label, _ in bars]
    y = alt.Y("kernel:N", title=None, sort=labels, axis={"grid": False, "labelOverlap": False})
    x = alt.X("begin:Q", title=None, scale={"domain": [0, most], "nice": False})
    colours = {"domain": [False, True], "range": [GREY.colour, look("ring over perf").colour]}
    bar = chart_of("functions").mark_bar(fillOpacity=0.4, stroke="white", height=_BAR - 4)
    names = chart_of("functions").mark_text(fontSize=10, color=_INK, aria=False)
    shares = alt.Color("changed:N", legend=None, scale=colours)
    return panel(
        f"{name}, {RECORD_BYTES} bytes",
        {"functions": list(_segments(bars, most))},
        bar.encode(x=x, x2="end:Q", y=y, color=shares, description="words:N"),
        names.encode(x="middle:Q", y=y, text="label:N"),
        width=_WIDTH,
        height=_BAR * len(bars),
        wide=True,
    )


def _segments(bars: Sequence[tuple[str, CallCount]], most: int) -> Iterator[dict[str, object]]:
    """Yield the parts of each bar, in one order: the first kernel's, then those of others only."""
    names = dict.fromkeys(
        each.name for _, call in bars for each in call.functions if each.instructions > 0
    )
    shown = list(names)[:_MOST_FUNCTIONS]
    first = _shares(bars[0][1], shown)
    for label, call in bars:
        begin = 0
        for name, instructions in _shares(call, shown).items():
            if instructions <= 0:
                continue
            more = instructions - first[name]
            room = int(instructions * _WIDTH / most / _LETTER)
            text = clean(name)
            yield {
                "kernel": label,
                "begin": begin,
                "middle": begin + instructions / 2,
                "end": begin + instructions,
                "changed": bool(more),
                "label": text if len(text) <= room else f"{text[: room - 1]}…" if room > 3 else "",
                "words": f"{text} on {label}: {instructions:,}" + (f" ({more:+,})" if more else ""),
            }
            begin += instructions


def _shares(call: CallCount, shown: Sequence[str]) -> dict[str, int]:
    """Return a call's instructions by function, with the sum of those that are not ``shown``."""
    found = {name: call.by_function.get(name, 0) for name in shown}
    return {**found, _REST: call.explained - sum(found.values())}
