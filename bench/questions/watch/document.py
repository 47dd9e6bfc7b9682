# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show the buffers of this machine as a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.amounts import counted, seconds, share, size, time
from bench.judge.metrics import Unit
from bench.questions.watch.profile import BufferData, WatchData
from bench.report import document as doc
from bench.report.document import Cell, Document, Mark, Note, Sentence
from bench.report.table import columns, quantity, row

_COLUMNS: Final = (
    *("size", "used now", "p99", "peak", "bytes/s", "records/s", "full in", "reader away"),
)
_NEAR: Final = 0.8  # of a buffer: from here on it is nearly full


def document(data: WatchData) -> Document:
    """Return a row for each buffer, and what could not be examined."""
    return Document(
        title="The buffers of this machine",
        subject=(
            f"{counted(sum(each.buffers for each in data.buffers), 'buffer')}, watched for "
            f"{seconds(data.seconds)}{_interval(data)}, which took "
            f"{share(data.cpu_share)} of one CPU"
        ),
        parts=tuple(_parts(data)),
        data=data,
        journals=False,
    )


def _interval(data: WatchData) -> str:
    """Return how often buffers were sampled; a thread may sample some of them less often."""
    if not data.buffers:
        return ""
    same = data.longest_interval_ms < 1.1 * data.interval_ms
    longest = "" if same else f" to {time(data.longest_interval_ms * 1e6)}"
    return f" every {time(data.interval_ms * 1e6)}{longest}"


def _parts(data: WatchData) -> Iterator[doc.Part]:
    if data.buffers:
        fullest = max(data.buffers, key=lambda each: each.peak_bytes / each.size_bytes)
        peak = share(fullest.peak_bytes / fullest.size_bytes)
        yield Sentence(lead="Fullest", text=f"{_name(fullest)}, {peak} at its peak.")
        yield doc.Table(
            key="buffers",
            title="Ring buffers, and the perf buffers of each process",
            corner="buffer",
            columns=columns(*_COLUMNS),
            rows=tuple(row(_name(each), *_cells(each)) for each in data.buffers),
        )
    else:
        yield Sentence(text="No ring buffer and no perf buffer that can be examined.")
    for each in data.unseen:
        yield Note(text=f"Not seen: {each}.", mark=Mark.OPEN)
    if data.buffers:
        yield Note(
            text="Writes that found no space leave no trace in a buffer and are not seen from "
            "outside; perf buffers report some (lost). What passes between two samples is "
            "counted, but how full the buffer was then is unknown."
        )


def _name(buffer: BufferData) -> str:
    owners = ", ".join(f"{each.command} ({each.pid})" for each in buffer.owners[:3])
    more = f" and {len(buffer.owners) - 3} more" if len(buffer.owners) > 3 else ""
    what = f"ring {buffer.name or '-'} #{buffer.map}" if buffer.kind == "ring" else "perf buffers"
    return f"{what} of {owners or 'no process'}{more}"


def _cells(buffer: BufferData) -> Iterator[Cell]:
    many = f"{buffer.buffers} x " if buffer.buffers > 1 else ""
    yield Cell(text=many + size(buffer.size_bytes), value=buffer.size_bytes)
    each_bytes = buffer.size_bytes
    for used_bytes, of_bytes in (
        (buffer.used_bytes, buffer.buffers * each_bytes),
        (buffer.p99_bytes, each_bytes),
        (buffer.peak_bytes, each_bytes),
    ):
        near = used_bytes >= _NEAR * of_bytes
        yield quantity(used_bytes, Unit.BYTES, Mark.BAD if near else Mark.NONE)
    yield Cell(text=size(round(buffer.bytes_per_s)), value=buffer.bytes_per_s)
    yield Cell(text=f"{buffer.records_per_s:,.0f}", value=buffer.records_per_s)
    yield quantity(buffer.full_in_s, Unit.SECONDS)
    yield Cell(text=time(buffer.absence_ms * 1e6), value=buffer.absence_ms)
