# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench object run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from typer import Argument

from bench.amounts import counted
from bench.cli.options import of_output, of_run, of_tracer
from bench.cli.showing import Showing, conclude
from bench.cli.values import Size, Time
from bench.errors import UsageError
from bench.plan import budgets

if TYPE_CHECKING:
    from bench.tracer.object.buffers import Buffers
    from bench.tracer.object.types import Column, Value

_LONGEST_S: Final = 1e9
_WIDTHS: Final = {1: 5, 2: 6, 4: 10}  # of numbers by their bytes, else 16


def _possible(size_bytes: int) -> int:
    return budgets.check(size_bytes, memory_bytes=budgets.LARGEST_RING_BYTES)


_FILE = Argument(
    help="A package of bufbench object build or of eunomia's ecc, or a BPF object.", metavar="FILE"
)
_DURATION = of_run(click_type=Time("s"), help="Seconds to trace; until Ctrl-C by default.")
_EVENT = of_tracer(
    help="The structure that it sends; what the package says, or event, by default.",
    metavar="STRUCT",
)
_BUFFER = of_tracer(
    click_type=Size(check=_possible),
    help="Data bytes of each ring buffer, and of each CPU's perf buffer; what the object says, and "
    "256 KiB, by default.",
    metavar="SIZE",
)


def command(
    file: Annotated[Path, _FILE],
    *,
    event: Annotated[str | None, _EVENT] = None,
    buffer: Annotated[int | None, _BUFFER] = None,
    as_json: Annotated[bool, of_output("--json", help="One JSON document a line.")] = False,
    duration: Annotated[float | None, _DURATION] = None,
) -> None:
    """Load a packaged tracer, attach it and show its events as typed columns.

    Every program is attached as its section says. Columns come from the object's BTF; TIME is when
    the event was read. It takes the system's libbpf, and no compiler.

    Example: bufbench object run exitsnoop.json --duration 10
    """
    from bench.tracer import libbpf
    from bench.tracer.object import loaded, package

    if duration is not None and not 0 < duration <= _LONGEST_S:
        raise UsageError(
            f"--duration {duration:g} is out of range", remedy=f"take up to {_LONGEST_S:g} seconds"
        )
    found = package.read(file)
    with (
        libbpf.loaded() as library,
        loaded.opened(library, found.elf, found.name) as opened,
        ExitStack() as stack,
    ):
        opened.prepare(buffer)
        form = (_Json if as_json else _Text)(found.columns(event))
        buffers = stack.enter_context(opened.buffers(buffer))
        shown = Showing(buffers.batch, form.lines, form.heading)
        unshown, asked = shown.during(opened.attached(), duration)
        counts = _counts(buffers)
    conclude(counts, unshown, asked)


def _counts(buffers: Buffers) -> str:
    counts = counted(buffers.delivered, "event")
    if buffers.lost:
        counts += f", {buffers.lost:,} lost in perf buffers"
    return counts


@dataclass(kw_only=True)
class ObjectEvent:
    """A line of JSON: one event of the object."""

    time_ns: int  # since 1970, when it was read
    event: dict[str, int | float | bool | str | list[int] | None]


class _Json:
    """Events as lines of JSON."""

    heading = ""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def lines(self, records: Sequence[bytes]) -> Iterator[str]:
        now_ns = time.time_ns()
        for record in records:
            values = {each.name: each.read(record) for each in self._columns}
            yield json.dumps(vars(ObjectEvent(time_ns=now_ns, event=values))) + "\n"


class _Text:
    """Events as lines of columns, numbers flush right."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = [(each, _width(each)) for each in columns]
        cells = [_cell(each, each.name.upper(), width) for each, width in self._columns]
        self.heading = " ".join([f"{'TIME':<12}", *cells]).rstrip() + "\n"

    def lines(self, records: Sequence[bytes]) -> Iterator[str]:
        now_ns = time.time_ns()
        clock = time.strftime("%H:%M:%S", time.localtime(now_ns // 10**9))
        stamp = f"{clock}.{now_ns // 10**6 % 1000:03}"
        for record in records:
            cells = [_cell(each, _shown(each.read(record)), width) for each, width in self._columns]
            yield " ".join([stamp, *cells]).rstrip() + "\n"


def _width(column: Column) -> int:
    usual = _WIDTHS.get(column.size, 16) if column.numeric else min(column.size, 16)
    return max(len(column.name), usual)


def _cell(column: Column, text: str, width: int) -> str:
    return f"{text:>{width}}" if column.numeric else f"{text:<{width}}"


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
