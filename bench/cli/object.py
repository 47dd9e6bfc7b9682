# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench object: build, run, compare."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from typer import Argument

from bench.amounts import counted
from bench.cli import options
from bench.cli.options import of_output, of_run, of_storm, of_tracer, refuse
from bench.cli.output import answer, speaker, write
from bench.cli.showing import DURATIONS_S, Showing, clock_time, conclude
from bench.errors import NotBalanced
from bench.host import lock
from bench.linux.cpus import usable

if TYPE_CHECKING:
    from bench.tracer.object.types import Column, Value

_HEADER = Argument(help="The header that defines its event.", metavar="[HEADER.h]")
_SENT = of_tracer(
    help="Name of a structure that it sends; by default those of the header, or of the source. "
    "Repeatable.",
    metavar="STRUCT",
)
_PACKAGE = of_output(help="Package to write; SOURCE.json by default.", metavar="FILE")


def _build(
    source: Annotated[Path, Argument(help="The BPF program, in C.", metavar="SOURCE.bpf.c")],
    header: Annotated[Path | None, _HEADER] = None,
    *,
    event: Annotated[list[str] | None, _SENT] = None,
    output: Annotated[Path | None, _PACKAGE] = None,
) -> None:
    """Compile a BPF program and package it: object, types of its events, description.

    Needs clang and libbpf's headers; vmlinux.h is generated from the running kernel's types. The
    package has the format of eunomia-bpf's package.json.

    Example: bufbench object build examples/exitsnoop/exitsnoop.bpf.c

    Example: bufbench object build tool.bpf.c tool.h --output tool.json
    """
    from bench.tracer import libbpf
    from bench.tracer.object import compiled, loaded, package

    built = compiled.build(source, header, options.each_once("--event", event))
    with libbpf.loaded() as library, loaded.opened(library, built.elf, built.name) as opened:
        text = package.written(
            built,
            maps=[each.name for each in opened.maps()],
            programs=[(each.name, each.section) for each in opened.programs()],
            arch=platform.machine(),
        )
    print(write(output or Path(f"{built.name}.json"), text))


_WIDTHS: Final = {1: 5, 2: 6, 4: 10}  # of numbers by their bytes, else 16
_FILE = Argument(
    help="A package of bufbench object build or of eunomia's ecc, or a BPF object.", metavar="FILE"
)
_DURATION = of_run(unit="s", within=DURATIONS_S, help="Seconds to trace; until Ctrl-C by default.")
_EVENT = of_tracer(
    help="Structure that it sends; by default that of the package, or event.", metavar="STRUCT"
)
_BUFFER = of_tracer(
    unit="ring",
    help="Data bytes of each ring buffer and of each CPU's perf buffer; by default the object's "
    "own, and 256 KiB.",
)


def _run(
    file: Annotated[Path, _FILE],
    *,
    event: Annotated[str | None, _EVENT] = None,
    buffer: Annotated[int | None, _BUFFER] = None,
    as_json: Annotated[bool, of_output("--json", help="Print one JSON object per line.")] = False,
    duration: Annotated[float | None, _DURATION] = None,
) -> None:
    """Load a packaged tracer, attach it and show its events as typed columns.

    Each program is attached according to its section. Columns come from the object's BTF; TIME is
    when the event was read. This needs the system's libbpf, but no compiler.

    Example: bufbench object run exitsnoop.json --duration 10
    """
    from bench.tracer import libbpf
    from bench.tracer.object import loaded, package

    found = package.read(file)
    with libbpf.loaded() as library, loaded.opened(library, found.elf, found.name) as opened:
        opened.prepare(buffer)
        columns = found.columns(event)
        lines = partial(_json_lines if as_json else _text_lines, columns)
        with opened.buffers(buffer) as buffers:
            shown = Showing(buffers.batch, lines, "" if as_json else _heading(columns))
            unshown, interrupt = shown.during(opened.attached(), duration)
            counts = counted(buffers.delivered, "event")
            if buffers.lost:
                counts += f", {buffers.lost:,} lost in perf buffers"
    conclude(counts, unshown, interrupt)


@dataclass(kw_only=True)
class ObjectEvent:
    """Hold one event of the object: a line of JSON."""

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


_COMMAND = Argument(
    help="Command during which it is measured, after --; a storm of exits by default.",
    metavar="[-- COMMAND...]",
)
_STAMPED = of_tracer(
    help="Structure with the stamp; by default that of the package, or event.", metavar="STRUCT"
)
_STAMP = of_tracer(
    help="Member of the event that holds bpf_ktime_get_ns(), for latencies.", metavar="FIELD"
)
_BUDGET = of_tracer(
    unit="ring",
    help="Data bytes of all buffers, on each side; by default those of the object's rings, or "
    "256 KiB a CPU.",
)
_RATE = of_storm(within=(0.0, 1e6), help="Exits a second; 0: as fast as possible.")
_ROUNDS = of_run(within=(1, 1_000), help="Rounds on each side; fewer than 8 decide nothing.")
_SECONDS = of_run(
    unit="s",
    within=(0.05, 600),
    help="Length of each storm, 250ms by default. A command is ended after this time; by default "
    "it must end by itself within 10m.",
)


def _compare(
    context: typer.Context,
    file: Annotated[Path, _FILE],
    under: Annotated[list[str] | None, _COMMAND] = None,
    *,
    event: Annotated[str | None, _STAMPED] = None,
    stamp: Annotated[str | None, _STAMP] = None,
    budget: Annotated[int | None, _BUDGET] = None,
    rate: Annotated[float, _RATE] = 0.0,
    seconds: Annotated[float | None, _SECONDS] = None,
    blocks: Annotated[int, _ROUNDS] = 8,
    seed: options.Seed = 1,
    wait: options.Wait = False,
    form: options.AsFormat = "text",
) -> None:
    """Measure a tracer's own buffers, and the same tracer on the other transport.

    The object runs in rounds, during the command or a storm. Its calls of output and reserve are
    counted without a change to its source. In half of the rounds, events that it sends by
    bpf_perf_event_output() go to a ring buffer instead, and those that it sends by
    bpf_ringbuf_output() to perf buffers, with equal budgets and in random order within blocks.
    Where a call cannot be replaced (reserve, dynptr), the reason is given and the object is
    measured as it is.

    Exit code 0; 2 if the object cannot be used, 3 if the kernel refuses it, 4 if events that it
    sent were neither refused, discarded nor read.

    Example: bufbench object compare exitsnoop.json

    Example: bufbench object compare exitsnoop.json --stamp time_ns --budget 256K -- make -j4
    """
    from bench.questions.object import plan
    from bench.questions.object.document import document
    from bench.questions.object.run import run
    from bench.tracer import libbpf
    from bench.tracer.object import measured, package

    refuse(context, bool(under), "with a command", "rate")
    refuse(context, stamp is None, "without --stamp", "event")
    workers = max(2, len(usable()))
    load = plan.load(under or (), rate_per_s=rate, seconds=seconds, workers=workers)
    found = package.read(file)
    stamp_at = -1 if stamp is None else plan.stamp_at(found.columns(event), stamp)
    progress = speaker()
    with lock.held(wait=wait), libbpf.loaded() as library:
        looks = measured.look(library, found, budget)
        sides = ("", looks.other) if looks.other else ("",)
        order = plan.order(sides, blocks, seed)
        rounds = run(library, found, looks, load, order, stamp_at=stamp_at, say=progress)
    answer(form, [document(found.name, load, looks, rounds, stamp=stamp or "", seed=seed)])
    if residue := sum(each.residue for each in rounds):
        raise NotBalanced(
            f"{residue:,} events that the object sent were neither refused, discarded nor read"
        )


app = options.group(
    """Package your own tracer, run it without a toolchain, and measure its buffers.

    docs/object.md has more.

    Example: bufbench object build examples/exitsnoop/exitsnoop.bpf.c
    """,
    {"build": _build, "run": _run, "compare": _compare},
)
