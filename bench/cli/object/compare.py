# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench object compare."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from bench.cli.options import (
    AsFormat,
    AsJsonForm,
    Seed,
    Wait,
    form_of,
    of_run,
    of_storm,
    of_tracer,
    refuse,
)
from bench.cli.output import answer, read_or_not, speaker
from bench.cli.values import Size, Time
from bench.errors import NotBalanced, check_range
from bench.plan import budgets


def _possible(size_bytes: int) -> int:
    return budgets.check(size_bytes, memory_bytes=budgets.LARGEST_RING_BYTES)


_FILE = Argument(
    help="A package of bufbench object build or of eunomia's ecc, or a BPF object.", metavar="FILE"
)
_COMMAND = Argument(
    help="What to run it under, after --; by default a storm of exits.", metavar="[-- COMMAND...]"
)
_EVENT = of_tracer(
    help="The structure that has the stamp; what the package says, or event, by default.",
    metavar="STRUCT",
)
_STAMP = of_tracer(
    help="The event's member with the time of bpf_ktime_get_ns(), for latencies.", metavar="FIELD"
)
_BUDGET = of_tracer(
    click_type=Size(check=_possible),
    help="Data bytes of all buffers, on each side; those of the object's rings, or 256 KiB a CPU, "
    "by default.",
    metavar="SIZE",
)
_SECONDS = of_run(
    click_type=Time("s"),
    help="Length of each storm, 250ms by default; a command is ended after so long, and by default "
    "has to end within 10m.",
)


def command(
    context: typer.Context,
    file: Annotated[Path, _FILE],
    under: Annotated[list[str] | None, _COMMAND] = None,
    *,
    event: Annotated[str | None, _EVENT] = None,
    stamp: Annotated[str | None, _STAMP] = None,
    budget: Annotated[int | None, _BUDGET] = None,
    rate: Annotated[float, of_storm(help="Exits a second; 0: as fast as they can.")] = 0.0,
    seconds: Annotated[float | None, _SECONDS] = None,
    blocks: Annotated[int, of_run(help="Rounds on each side, 8 or more to decide.")] = 8,
    seed: Seed = 1,
    wait: Wait = False,
    form: AsFormat = "text",
    as_json: AsJsonForm = False,
) -> None:
    """Measure a tracer's own buffers, and those of the other transport beside them.

    The object runs under the command, or a storm, in rounds. Its calls of output and reserve are
    counted as they are made, without a change to its source. What it sends by
    bpf_perf_event_output() goes to a ring buffer in every second round, and what it sends by
    bpf_ringbuf_output() to perf buffers; with equal budgets, in random order within blocks. What
    cannot be carried over (reserve, dynptr) is named, and the object measured as it is.

    Exit code 0; 2 where it cannot be used, 3 where the kernel refuses it, 4 where what it sent was
    neither refused nor read.

    Example: bufbench object compare exitsnoop.json

    Example: bufbench object compare exitsnoop.json --stamp time_ns --budget 256K -- make -j4
    """
    from bench.host import lock
    from bench.linux import cpus, procfs
    from bench.questions.object import plan
    from bench.questions.object.document import Question, document
    from bench.questions.object.run import run
    from bench.tracer import libbpf
    from bench.tracer.object import measured, package

    form = form_of(form, as_json)
    if under:
        refuse(context, "with a command", "rate")
    if stamp is None:
        refuse(context, "without --stamp", "event")
    check_range("--rate", rate, 0.0, 1e6)
    check_range("--blocks", blocks, 1, 1_000)
    if seconds is not None:
        check_range("--seconds", seconds, 0.05, plan.LONGEST_S)
    workers = max(2, len(cpus.usable(procfs.online_cpus())))
    load = plan.load(under or (), rate_per_s=rate, seconds=seconds, workers=workers)
    found = package.read(file)
    stamp_at = plan.stamp_at(found.columns(event), stamp) if stamp else -1
    tell = speaker(time.monotonic())
    with (
        lock.held(["bufbench", "object", "compare", str(file)], wait=wait),
        libbpf.loaded() as library,
    ):
        looks = measured.look(library, found, budget)
        sides = ("", looks.other) if looks.other else ("",)
        order = plan.order(sides, blocks, seed)
        rounds = run(library, found, looks, load, order, stamp_at=stamp_at, say=tell)
    asked = Question(object=found.name, load=load, looks=looks, stamp=stamp or "", seed=seed)
    with read_or_not():
        answer(form, [document(asked, rounds)])
    if residue := sum(each.residue for each in rounds):
        raise NotBalanced(f"{residue:,} of what the object sent was neither refused nor read")
