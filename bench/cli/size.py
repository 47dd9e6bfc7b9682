# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench size."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bench.amounts import counted, size
from bench.cli.load import Buffer, Burst, From, Rate, Records, RecordSize, described
from bench.cli.options import (
    TRANSPORTS,
    AsJson,
    DryRun,
    Journal,
    Seed,
    Wait,
    each_once,
    of_consumer,
    of_output,
    of_run,
    of_storm,
    of_tracer,
)
from bench.cli.output import answer
from bench.cli.values import Size, Time
from bench.errors import MachineUnfit, UsageError, check_range
from bench.record.layout import RECORD_BYTES
from bench.tracer.transports import find

if TYPE_CHECKING:
    from bench.plan.config import TrialConfig
    from bench.plan.experiments import Experiment

_MOST_S = 1.0  # of a profile: its busiest
_MOST_CPUS = 4096
_DEFAULT_STORMS = 20  # fewer would show too little
_STALL = of_consumer(click_type=Time("ms"), help="Longest stall to survive.")
_SECONDS = of_storm(click_type=Time("s"), help="Length of a storm, without the stall.")
_MEMORY = of_tracer(click_type=Size(), help="Most that all buffers may take.", metavar="SIZE")
_ON_CPUS = of_output(help="Also estimate, by a model, what so many CPUs need.", metavar="N")
_TRANSPORT = of_tracer(help=f"One of {TRANSPORTS}; ringbuf and perfbuf by default. Repeatable.")


def command(
    context: typer.Context,
    *,
    rate: Rate = 0.0,
    burst: Burst = 0,
    record_size: RecordSize = str(RECORD_BYTES),
    records: Records = 1,
    stall: Annotated[float, _STALL] = 50.0,
    tolerate: Annotated[float, of_output(help="Share of records that may be lost.")] = 0.0,
    transport: Annotated[list[str] | None, _TRANSPORT] = None,
    seconds: Annotated[float, _SECONDS] = 0.2,
    profile: From = None,
    buffer: Buffer = "",
    memory: Annotated[int | None, _MEMORY] = None,
    on_cpus: Annotated[int | None, _ON_CPUS] = None,
    storms: Annotated[int, of_run(help="Storms at each size, 20 or more.")] = _DEFAULT_STORMS,
    margin: Annotated[float, of_output(help="Recommend this multiple of the minimum.")] = 2.0,
    seed: Seed = 1,
    output: Journal = None,
    wait: Wait = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Recommend a buffer and its size for a load.

    Real storms with this load are run at rising budgets: a quick scan, then 20 storms at each size
    around the point where losses end. The minimum is the smallest size from which on no storm lost
    a record; the recommendation adds a margin.

    Example: bufbench size --rate 5000 --record-size 256 --stall 100

    Example: bufbench size --rate 5000 --record-size 72:15,4096:1 --memory 256K

    Example: bufbench size --rate 20000 --on-cpus 64

    Example: bufbench size --from load.json
    """
    from bench import paths
    from bench.campaign import campaign
    from bench.cli.dry_run import show
    from bench.linux import cpus as processors
    from bench.questions.sizing import document as report
    from bench.questions.sizing import plan, run, scaling
    from bench.questions.sizing.judge import SCAN_STORMS, exits_per_s
    from bench.questions.transports.profiles import TRANSPORTS

    load = plan.Load(
        rate_per_s=rate,
        burst=burst,
        records_per_exit=records,
        stall_ms=stall,
        seconds=seconds,
    )
    load = described(context, load, record_size, profile, buffer, most_s=_MOST_S)
    if not 0 <= tolerate < 1:
        raise UsageError(f"--tolerate {tolerate:g} is not a share", remedy="take 0.01 for 1 %")
    check_range("--storms", storms, _DEFAULT_STORMS, 1_000)
    check_range("--margin", margin, 1, 64)
    if on_cpus is not None:
        check_range("--on-cpus", on_cpus, 1, _MOST_CPUS)
        if not (load.rate_per_s or load.burst or load.replay):
            raise UsageError(
                "--on-cpus needs a load that is the same on all machines",
                remedy="add --rate, --burst or --from",
            )
    cpus = len(processors.usable())
    chosen = plan.config(load, cpus)
    most_bytes = min(plan.LARGEST_BYTES, _memory_for(chosen))
    asked = [find(name).name for name in each_once("--transport", transport) or TRANSPORTS]
    rungs = {
        name: plan.rungs_bytes(name, load, cpus=cpus, most_bytes=most_bytes, limit_bytes=memory)
        for name in asked
    }
    search = run.Search(
        chosen=chosen, rungs_bytes=rungs, storms=storms, tolerated=tolerate, margin=margin
    )
    if dry_run:
        most = [(name, each) for name, sizes in rungs.items() for each in sizes]
        show(
            [
                plan.experiment("size-scan", chosen, most, SCAN_STORMS),
                plan.experiment("size", chosen, most, storms),
            ],
            as_json=as_json,
            known=False,
            notes=["Only budgets around the edge, which the scan finds, are run in full."],
        )
        return
    journal = output or paths.new_journal("size")
    with campaign.opened(campaign.Request(journal=journal, seed=seed, wait=wait)) as running:
        print(f"journal: {journal}", file=sys.stderr, flush=True)
        trials = run.measure(search, running.run, _begin)
    sizings = search.judged(trials)
    scaled = (
        scaling.scaled(sizings, trials, chosen.producer, here=cpus, there=on_cpus)
        if on_cpus is not None
        else None
    )
    sized = report.Sized(
        load=load,
        workers=chosen.storm.workers,
        exits_per_s=exits_per_s(trials),
        tolerated=tolerate,
        sizings=sizings,
        cpus=cpus,
        journal=paths.utf8(journal),
        limit_bytes=memory,
        scaled=scaled,
        unscaled=on_cpus is not None and scaled is None,
    )
    answer("json" if as_json else "text", [report.document(sized)])


def _memory_for(chosen: TrialConfig) -> int:
    """Return the bytes that a buffer may take: half of what the records leave."""
    import psutil

    from bench.questions.sizing.plan import capture_bytes

    free_bytes = psutil.virtual_memory().available
    wanted_bytes = capture_bytes(chosen)
    if 2 * wanted_bytes > free_bytes:
        raise MachineUnfit(
            f"the records of one storm take up to {size(wanted_bytes)}, "
            f"{size(free_bytes)} are available",
            remedy="take shorter --seconds, fewer --records or a smaller --burst",
        )
    return (free_bytes - wanted_bytes) // 2


def _begin(experiment: Experiment) -> None:
    from bench.cli.dry_run import announce

    arms = ", ".join(arm.name for arm in experiment.arms)
    announce(experiment, f"{counted(experiment.blocks, 'storm')} each of {arms}")
