# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench object run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from typer import Argument

from bench.amounts import counted
from bench.cli.options import of_output, of_run, of_tracer
from bench.cli.showing import Showing, check_duration, clock_time, conclude
from bench.cli.values import Size, Time, ring_size

if TYPE_CHECKING:
    from bench.tracer.object.types import Column, Value

_WIDTHS: Final = {1: 5, 2: 6, 4: 10}  # of numbers by their bytes, else 16


FILE = Argument(
    help="A package of bufbench object build or of eunomia's ecc, or a BPF object.", metavar="FILE"
)
_DURATION = of_run(click_type=Time("s"), help="Seconds to trace; until Ctrl-C by default.")
_EVENT = of_tracer(
    help="Structure that it sends; by default that of the package, or event.",
    metavar="STRUCT",
)
_BUFFER = of_tracer(
    click_type=Size(check=ring_size),
    help="Data bytes of each ring buffer and of each CPU's perf buffer; by default the object's "
    "own, and 256 KiB.",
    metavar="SIZE",
)


def command(
    file: Annotated[Path, FILE],
    *,
    event: Annotated[str | None, _EVENT] = None,
    buffer: Annotated[int | None, _BUFFER] = None,
    as_json: Annotated[bool, of_output("--json", help="One JSON document a line.")] = False,
    duration: Annotated[float | None, _DURATION] = None,
) -> None:
    """Load a packaged tracer, attach it and show its events as typed columns.

    Each program is attached according to its section. Columns come from the object's BTF; TIME is
    when the event was read. This needs the system's libbpf, but no compiler.

    Example: bufbench object run exitsnoop.json --duration 10
    """
    from bench.tracer import libbpf
    from bench.tracer.object import loaded, package

    check_duration(duration)
    found = package.read(file)
    with (
        libbpf.loaded() as library,
        loaded.opened(library, found.elf, found.name) as opened,
    ):
        opened.prepare(buffer)
        columns = found.columns(event)
        lines = partial(_json_lines if as_json else _text_lines, columns)
        with opened.buffers(buffer) as buffers:
            shown = Showing(buffers.batch, lines, "" if as_json else _heading(columns))
            unshown, asked = shown.during(opened.attached(), duration)
            counts = counted(buffers.delivered, "event")
            if buffers.lost:
                counts += f", {buffers.lost:,} lost in perf buffers"
    conclude(counts, unshown, asked)


@dataclass(kw_only=True)
class ObjectEvent:
    """A line of JSON: one event of the object."""

    time_ns: int  # since 1970, when it was read
    event: dict[str, int | float | bool | str | list[int] | None]


def _json_lines(columns: Sequence[Column], records: Sequence[bytes]) -> Iterator[str]:
    now_ns = time.time_ns()
    for record in records:
        values = {each.name: each.read(record) for each in columns}
        yield json.dumps(vars(ObjectEvent(time_ns=now_ns, event=values))) + "\n"


def _heading(columns: Sequence[Column]) -> str:
    cells = [_cell(each, each.name.upper()) for each in columns]
    return " ".join([f"{'TIME':<12}", *cells]).rstrip() + "\n"


def _text_lines(columns: Sequence[Column], records: Sequence[bytes]) -> Iterator[str]:
    stamp = clock_time(time.time_ns())
    for record in records:
        cells = [_cell(each, _shown(each.read(record))) for each in columns]
        yield " ".join([stamp, *cells]).rstrip() + "\n"


def _cell(column: Column, text: str) -> str:
    """Return text as wide as its column, numbers flush right."""
    usual = _WIDTHS.get(column.size, 16) if column.numeric else min(column.size, 16)
    width = max(len(column.name), usual)
    return f"{text:>{width}}" if column.numeric else f"{text:<{width}}"


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
