# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Why a call takes what it takes, as parts of a document: the kernel's functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from bench.plan.traits import GREY
from bench.questions.exact.functions import differences
from bench.questions.exact.study import CallCount, KernelCount
from bench.record.layout import RECORD_BYTES
from bench.report.document import (
    NONE,
    Cell,
    Column,
    Figure,
    Figures,
    Heading,
    Level,
    Mark,
    Note,
    Panel,
    Part,
    Row,
    Table,
)
from bench.report.figure import chart_of, look
from bench.report.units import clean

_WIDTH: Final = 440  # of a strip, in CSS pixels
_BAR: Final = 26
_LETTER: Final = 6.2  # of a name within a bar
_INK: Final = "#3a4048"
_MOST_FUNCTIONS: Final = 12  # of a call; the rest is summed up
_REST: Final = "others"


def parts(counted: Sequence[tuple[str, KernelCount]], drawn: Sequence[str]) -> Iterator[Part]:
    """Yield what differs between the first and the last kernel, by function, and strips of all.

    Kernels come with the names that they are shown by; ``drawn`` names the calls of the strips.
    """
    explained = [each for each in counted if any(call.functions for call in each[1].calls)]
    if len(explained) > 1 and (rows := tuple(_rows(explained[0][1], explained[-1][1]))):
        first, last = explained[0][0], explained[-1][0]
        yield Table(
            key="why",
            title=f"Why: functions that differ between {first} and {last}",
            corner="function",
            columns=(Column(heading=first), Column(heading=last), Column(heading="difference")),
            rows=rows,
            hint=(
                "Instructions in each function itself, without the empty program's, as a plugin "
                "of QEMU saw them. What a compiler inlines counts where it is inlined. A size that "
                "differs as a smaller one does is left out."
            ),
        )
    lacking = defaultdict[str, list[str]](list)
    for name, kernel in counted:
        if kernel.unexplained:
            lacking[kernel.unexplained].append(name)
    for reason, names in lacking.items():
        yield Note(text=f"{', '.join(names)}: no functions: {clean(reason)}")
    for name, kernel in counted:
        if unequal := ", ".join(_unequal(kernel)):
            text = f"{name}: functions do not add up to what the clock counts: {unequal}"
            yield Note(text=text, mark=Mark.OPEN)
    if explained:
        yield Heading(
            text="Functions of a call", key="functions", short="Functions", level=Level.BACKGROUND
        )
        yield Figures(make=lambda: _figures(explained, drawn))


def _unequal(kernel: KernelCount) -> Iterator[str]:
    for call in kernel.calls:
        if call.functions and call.instructions is not None:
            total = _total(call)
            if total != call.instructions:
                name = f"{clean(call.name)} of {call.bytes} bytes"
                yield f"{name} {total:,} for {call.instructions:,}"


def _rows(before: KernelCount, after: KernelCount) -> Iterator[Row]:
    others = {(each.name, each.bytes): each for each in after.calls}
    shown: set[tuple[str, tuple[tuple[str, int], ...]]] = set()
    for one in before.calls:
        two = others.get((one.name, one.bytes))
        found = differences(one, two) if two is not None else []
        alike = one.name, tuple((name, now - was) for name, was, now in found)
        if two is None or not found or alike in shown:
            continue
        shown.add(alike)
        heading = f"{clean(one.name)}, {one.bytes} bytes"
        yield _row(heading, _total(one), _total(two), begins=True)
        for name, was, now in found:
            yield _row(clean(name), was, now, under=True)


def _total(call: CallCount) -> int:
    return sum(each.instructions for each in call.functions)


def _row(heading: str, was: int, now: int, *, begins: bool = False, under: bool = False) -> Row:
    mark = Mark.OPEN if now > was else Mark.GOOD if now < was else Mark.NONE
    return Row(
        heading=Cell(text=heading),
        cells=(
            Cell(text=f"{was:,}" if was else NONE, value=was),
            Cell(text=f"{now:,}" if now else NONE, value=now),
            Cell(text=f"{now - was:+,}", value=now - was, mark=mark),
        ),
        begins=begins,
        under=under,
    )


def _figures(
    explained: Sequence[tuple[str, KernelCount]], drawn: Sequence[str]
) -> Iterator[Figure]:
    panels = [panel for name in drawn if (panel := _panel(explained, name)) is not None]
    if panels:
        yield Figure(
            key="functions",
            title="Instructions by function",
            reading="A bar is a call, its parts are the kernel's functions, the longest first on "
            "the first kernel. Coloured parts take another number than on the first kernel.",
            transports=(),
            panels=tuple(panels),
        )


def _panel(explained: Sequence[tuple[str, KernelCount]], name: str) -> Panel | None:
    import altair as alt

    bars = [
        (label, call)
        for label, kernel in explained
        for call in kernel.calls
        if (call.name, call.bytes) == (name, RECORD_BYTES) and call.functions
    ]
    if not bars:
        return None
    most = max(map(_total, (call for _, call in bars)))
    rows = list(_segments(bars, most))
    labels = [label for label, _ in bars]
    y = alt.Y("kernel:N", title=None, sort=labels, axis={"grid": False, "labelOverlap": False})
    x = alt.X("begin:Q", title=None, scale={"domain": [0, most], "nice": False})
    changed = look("ring over perf").colour
    bar = chart_of("functions").mark_bar(fillOpacity=0.4, stroke="white", height=_BAR - 4)
    names = chart_of("functions").mark_text(fontSize=10, color=_INK, aria=False)
    return Panel(
        title=f"{name}, {RECORD_BYTES} bytes",
        chart=alt.layer(
            bar.encode(
                x=x,
                x2="end:Q",
                y=y,
                color=alt.Color(
                    "changed:N",
                    legend=None,
                    scale={"domain": [False, True], "range": [GREY.colour, changed]},
                ),
                description="words:N",
            ),
            names.encode(x="middle:Q", y=y, text="label:N"),
        ).properties(width=_WIDTH, height=_BAR * len(bars)),
        data={"functions": rows},
        wide=True,
    )


def _segments(bars: Sequence[tuple[str, CallCount]], most: int) -> Iterator[dict[str, object]]:
    """Yield the parts of each bar, in one order: the first kernel's, then what only others have."""
    first = {each.name: each.instructions for each in bars[0][1].functions}
    order = dict.fromkeys(
        each.name for _, call in bars for each in call.functions if each.instructions > 0
    )
    own = set(list(order)[:_MOST_FUNCTIONS])
    for label, call in bars:
        by_name = {each.name: each.instructions for each in call.functions}
        found = [(name, by_name.get(name, 0), first.get(name, 0)) for name in order if name in own]
        rest = sum(by_name.values()) - sum(each for _, each, _ in found)
        found.append((_REST, rest, sum(first.values()) - sum(first.get(name, 0) for name in own)))
        begin = 0
        for name, instructions, before in found:
            if instructions <= 0:
                continue
            room = int(instructions * _WIDTH / most / _LETTER)
            text = clean(name)
            more = f" ({instructions - before:+,})" if instructions != before else ""
            yield {
                "kernel": label,
                "begin": begin,
                "middle": begin + instructions / 2,
                "end": begin + instructions,
                "changed": instructions != before,
                "label": text if len(text) <= room else f"{text[: room - 1]}…" if room > 3 else "",
                "words": f"{text} on {label}: {instructions:,}{more}",
            }
            begin += instructions
