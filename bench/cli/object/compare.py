# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench object compare."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from bench.cli.object.run import FILE
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
from bench.cli.values import Size, Time, ring_size
from bench.errors import NotBalanced, check_range

_COMMAND = Argument(
    help="Command during which it is measured, after --; a storm of exits by default.",
    metavar="[-- COMMAND...]",
)
_EVENT = of_tracer(
    help="Structure with the stamp; by default that of the package, or event.",
    metavar="STRUCT",
)
_STAMP = of_tracer(
    help="Member of the event that holds bpf_ktime_get_ns(), for latencies.", metavar="FIELD"
)
_BUDGET = of_tracer(
    click_type=Size(check=ring_size),
    help="Data bytes of all buffers, on each side; by default those of the object's rings, or "
    "256 KiB a CPU.",
    metavar="SIZE",
)
_SECONDS = of_run(
    click_type=Time("s"),
    help="Length of each storm, 250ms by default. A command is ended after this time; by default "
    "it must end by itself within 10m.",
)


def command(
    context: typer.Context,
    file: Annotated[Path, FILE],
    under: Annotated[list[str] | None, _COMMAND] = None,
    *,
    event: Annotated[str | None, _EVENT] = None,
    stamp: Annotated[str | None, _STAMP] = None,
    budget: Annotated[int | None, _BUDGET] = None,
    rate: Annotated[float, of_storm(help="Exits a second; 0: as fast as possible.")] = 0.0,
    seconds: Annotated[float | None, _SECONDS] = None,
    blocks: Annotated[int, of_run(help="Rounds on each side; fewer than 8 decide nothing.")] = 8,
    seed: Seed = 1,
    wait: Wait = False,
    form: AsFormat = "text",
    as_json: AsJsonForm = False,
) -> None:
    """Measure a tracer's own buffers, and the same tracer on the other transport.

    The object runs in rounds, during the command or a storm. Its calls of output and reserve are
    counted without a change to its source. In every second round, events that it sends by
    bpf_perf_event_output() go to a ring buffer instead, and those that it sends by
    bpf_ringbuf_output() to perf buffers, with equal budgets and in random order within blocks.
    Where a call cannot be replaced (reserve, dynptr), the reason is given and the object is
    measured as it is.

    Exit code 0; 2 if the object cannot be used, 3 if the kernel refuses it, 4 if events that it
    sent were neither refused nor read.

    Example: bufbench object compare exitsnoop.json

    Example: bufbench object compare exitsnoop.json --stamp time_ns --budget 256K -- make -j4
    """
    from bench.host import lock
    from bench.linux import cpus
    from bench.questions.object import plan
    from bench.questions.object.document import document
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
    workers = max(2, len(cpus.usable()))
    load = plan.load(under or (), rate_per_s=rate, seconds=seconds, workers=workers)
    found = package.read(file)
    stamp_at = plan.stamp_at(found.columns(event), stamp) if stamp else -1
    progress = speaker(time.monotonic())
    with (
        lock.held(wait=wait),
        libbpf.loaded() as library,
    ):
        looks = measured.look(library, found, budget)
        sides = ("", looks.other) if looks.other else ("",)
        order = plan.order(sides, blocks, seed)
        rounds = run(library, found, looks, load, order, stamp_at=stamp_at, say=progress)
    with read_or_not():
        answer(form, [document(found.name, load, looks, rounds, stamp=stamp or "", seed=seed)])
    if residue := sum(each.residue for each in rounds):
        raise NotBalanced(f"{residue:,} events that the object sent were neither refused nor read")
