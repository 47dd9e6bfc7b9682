# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench size, and the options that describe a load, which tune shares."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import psutil
import typer

from bench import amounts, paths
from bench.amounts import counted
from bench.cli import options
from bench.cli.options import of_consumer, of_output, of_run, of_storm, of_tracer
from bench.cli.output import answer
from bench.errors import MachineUnfit, reject
from bench.linux.cpus import usable
from bench.plan.config import TrialConfig
from bench.plan.experiments import Experiment
from bench.record.layout import RECORD_BYTES
from bench.tracer.transports import find, names

if TYPE_CHECKING:
    from bench.questions.sizing.plan import Load

_MOST_S: Final = 1.0  # of a profile: the busiest
_DEFAULT_STORMS: Final = 20  # fewer would prove too little
_OF_PROFILE: Final = ("rate", "burst", "record_size", "records", "seconds")
_RECORD = of_tracer(
    help="Bytes of a record, or a mix: 72:15,1K:1 is 15 records of 72 to one of 1,024.",
    metavar="SIZE[:SHARE,...]",
)
_TRANSPORT = of_tracer(
    help=f"One of {options.TRANSPORTS}; ringbuf and perfbuf by default. Repeatable.",
    autocompletion=names,
)
_FROM = of_storm("--from", help="Profile of a load, from bufbench watch --output.", metavar="FILE")
_BUFFER = of_storm(help="Buffer of the profile; the one with most bytes by default.", metavar="ID")

Rate = Annotated[float, of_storm(help="Exits a second; 0: as fast as possible.")]
Burst = Annotated[int, of_storm(help="Processes that exit at once, instead of --rate.")]
RecordSize = Annotated[str, _RECORD]
Records = Annotated[int, of_tracer(help="Records per exit, 1 to 1000.")]
Transports = Annotated[list[str] | None, _TRANSPORT]
From = Annotated[Path | None, _FROM]
Buffer = Annotated[str, _BUFFER]

_SECONDS = of_storm(unit="s", help="Length of a storm, without the stall.")
_MEMORY = of_tracer(unit="B", help="Most that all buffers may take.")
_ON_CPUS = of_output(
    within=(1, 4096), help="Also estimate, by a model, what this many CPUs need.", metavar="N"
)
_STORMS = of_run(within=(_DEFAULT_STORMS, 1_000), help="Storms at each size, 20 or more.")
_MARGIN = of_output(within=(1, 64), help="Recommend this multiple of the minimum.")


def command(
    context: typer.Context,
    *,
    rate: Rate = 0.0,
    burst: Burst = 0,
    record_size: RecordSize = str(RECORD_BYTES),
    records: Records = 1,
    stall: Annotated[float, of_consumer(unit="ms", help="Longest stall to survive.")] = 50.0,
    tolerate: Annotated[float, of_output(help="Share of records that may be lost.")] = 0.0,
    transport: Transports = None,
    seconds: Annotated[float, _SECONDS] = 0.2,
    profile: From = None,
    buffer: Buffer = "",
    memory: Annotated[int | None, _MEMORY] = None,
    on_cpus: Annotated[int | None, _ON_CPUS] = None,
    storms: Annotated[int, _STORMS] = _DEFAULT_STORMS,
    margin: Annotated[float, _MARGIN] = 2.0,
    seed: options.Seed = 1,
    output: options.Journal = None,
    wait: options.Wait = False,
    form: options.AsFormat = "text",
    dry_run: options.DryRun = False,
) -> None:
    """Recommend a buffer and its size for a load.

    Real storms with this load are run at rising budgets: a quick scan, then 20 storms at each size
    around the point where losses end. The minimum is the smallest size at and above which no storm
    lost a record; the recommendation adds a margin.

    Example: bufbench size --rate 5000 --record-size 256 --stall 100

    Example: bufbench size --rate 5000 --record-size 72:15,4096:1 --memory 256K

    Example: bufbench size --rate 20000 --on-cpus 64

    Example: bufbench size --from load.json
    """
    from bench.campaign import campaign
    from bench.cli.dry_run import show
    from bench.cli.report import page_line
    from bench.questions.sizing import document as report
    from bench.questions.sizing import plan, run, scaling
    from bench.questions.sizing.judge import SCAN_STORMS, exits_per_s
    from bench.questions.transports.profiles import TRANSPORTS

    load = plan.Load(
        rate_per_s=rate, burst=burst, records_per_exit=records, stall_ms=stall, seconds=seconds
    )
    load = described(context, load, record_size, profile, buffer, most_s=_MOST_S)
    share = 0 <= tolerate < 1
    reject(not share, f"--tolerate {tolerate:g} is not a share", "take 0.01 for 1 %")
    reject(
        on_cpus is not None and not (load.rate_per_s or load.burst or load.replay),
        "--on-cpus needs a load that is the same on all machines",
        "add --rate, --burst or --from",
    )
    cpus = len(usable())
    chosen = plan.config(load, cpus)
    most_bytes = min(plan.LARGEST_BYTES, _memory_for(chosen))
    requested = options.each_once("--transport", transport) or TRANSPORTS
    wanted = [options.parsed("--transport", find, name).name for name in requested]
    rungs = {
        name: plan.rungs_bytes(name, load, cpus=cpus, most_bytes=most_bytes, limit_bytes=memory)
        for name in wanted
    }
    search = run.Search(
        chosen=chosen, rungs_bytes=rungs, storms=storms, tolerated=tolerate, margin=margin
    )
    if dry_run:
        most = [(name, each) for name, sizes in rungs.items() for each in sizes]
        rounds = ("size-scan", SCAN_STORMS), ("size", storms)
        show(
            [plan.experiment(name, chosen, most, blocks) for name, blocks in rounds],
            as_json=form == "json",
            known=False,
            notes=["Only budgets around the edge, which the scan finds, are run in full."],
        )
        return
    journal = output or paths.new_journal("size")
    with campaign.opened(campaign.RunRequest(journal=journal, seed=seed, wait=wait)) as running:
        print(f"journal: {journal}", file=sys.stderr, flush=True)
        trials = run.measure(search, running.run, _begin)
    sizings = search.judged(trials)
    scaled = None
    if on_cpus is not None:
        scaled = scaling.scaled(sizings, trials, chosen.producer, here=cpus, there=on_cpus)
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
    found = [report.document(sized)]
    answer(form, found)
    print(page_line(journal, *found), file=sys.stderr)


def described(
    context: typer.Context,
    load: Load,
    record_size: str,
    profile: Path | None,
    buffer: str,
    *,
    most_s: float,
) -> Load:
    """Return ``load`` with such records, or the busiest ``most_s`` of a profile.

    UsageError for options that belong only to the other way of describing a load.
    """
    from bench.plan import mix
    from bench.questions.sizing import plan
    from bench.questions.watch import replay

    options.refuse(context, profile is not None, "with --from, which has it", *_OF_PROFILE)
    if profile is None:
        options.refuse(context, True, "without --from", "buffer")
        lengths = options.parsed("--record-size", mix.parse, record_size)
        return plan.check(plan.sending(load, mix.turns(lengths)))
    seen = options.parsed(
        "--buffer" if buffer else "--from", replay.chosen, replay.read(profile), buffer
    )
    found = replay.replay(seen, workers=max(2, len(usable())), most_s=most_s)
    profiled = replace(
        plan.sending(load, found.turns),
        replay=found.storm,
        records_per_exit=found.records_per_exit,
        seconds=len(found.storm.schedule) * found.storm.bin_ms / 1e3,
    )
    return plan.check(profiled)


def _memory_for(chosen: TrialConfig) -> int:
    """Return the bytes that a buffer may take: half of the memory that the records leave."""
    from bench.questions.sizing.plan import capture_bytes

    free_bytes: int = psutil.virtual_memory().available
    wanted_bytes = capture_bytes(chosen)
    if 2 * wanted_bytes > free_bytes:
        raise MachineUnfit(
            f"the records of one storm take up to {amounts.size(wanted_bytes)}, "
            f"{amounts.size(free_bytes)} are available",
            remedy="take shorter --seconds, fewer --records or a smaller --burst",
        )
    return (free_bytes - wanted_bytes) // 2


def _begin(experiment: Experiment) -> None:
    from bench.campaign.progress import announce

    arms = ", ".join(arm.name for arm in experiment.arms)
    announce(experiment, f"{counted(experiment.blocks, 'storm')} each of {arms}")
