# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench size."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import Journal, Seed, Transports, Wait
from bench.errors import MachineUnfit, UsageError
from bench.record.layout import RECORD_BYTES
from bench.tracer.transports import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.plan.config import TrialConfig
    from bench.plan.experiments import Experiment
    from bench.trial.result import TrialResult

_DEFAULT_STORMS = 20
_MOST_STORMS = 1_000
_LARGEST_MARGIN = 64


def command(
    *,
    rate: Annotated[float, typer.Option(help="Exits a second; 0: as fast as they can.")] = 0.0,
    burst: Annotated[int, typer.Option(help="Processes that exit at once, instead.")] = 0,
    record_size: Annotated[int, typer.Option(help="Bytes of one record.")] = RECORD_BYTES,
    records: Annotated[int, typer.Option(help="Records per exit, 1 to 1000.")] = 1,
    stall: Annotated[float, typer.Option(help="Longest stall to survive, in ms.")] = 50.0,
    tolerate: Annotated[float, typer.Option(help="Share of records that may be lost.")] = 0.0,
    transport: Transports = None,
    seconds: Annotated[float, typer.Option(help="Length of a storm besides the stall.")] = 0.2,
    storms: Annotated[int, typer.Option(help="Storms of each rung, 20 or more.")] = _DEFAULT_STORMS,
    margin: Annotated[float, typer.Option(help="Recommend this many times the minimum.")] = 2.0,
    seed: Seed = 1,
    output: Journal = None,
    wait: Wait = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say which buffer to take for a load, and how big.

    Real storms of this load are run at budgets from the least there is upwards: a quick scan, then
    20 storms at each size around the edge. The minimum is the least size from which on none of
    them lost anything; what is recommended leaves a margin.

    Example: bufbench size --rate 5000 --record-size 256 --stall 100
    """
    from bench import paths
    from bench.campaign import campaign
    from bench.linux import cpus as processors
    from bench.linux import procfs
    from bench.questions.sizing import document as report
    from bench.questions.sizing import plan, run
    from bench.questions.sizing.judge import exits_per_s

    load = plan.check(
        plan.Load(
            rate_per_s=rate,
            burst=burst,
            record_bytes=record_size,
            records_per_exit=records,
            stall_ms=stall,
            seconds=seconds,
        )
    )
    _check(tolerate, storms, margin)
    cpus, page_bytes = len(processors.usable(procfs.online_cpus())), os.sysconf("SC_PAGE_SIZE")
    chosen = plan.config(load, cpus)
    most_bytes = min(plan.LARGEST_BYTES, _memory_for(chosen))
    rungs = {
        name: plan.rungs_bytes(name, load, cpus=cpus, page_bytes=page_bytes, most_bytes=most_bytes)
        for name in _transports(transport)
    }
    search = run.Search(
        chosen=chosen, rungs_bytes=rungs, storms=storms, tolerated=tolerate, margin=margin
    )
    journal = output or paths.new_journal("size")
    request = campaign.Request(journal=journal, command_line=sys.argv, seed=seed, wait=wait)
    with campaign.opened(request) as running:
        print(f"journal: {journal}", file=sys.stderr, flush=True)
        trials = run.measure(search, running, _begin)
    sized = report.Sized(
        load=load,
        workers=chosen.storm.workers,
        exits_per_s=exits_per_s(trials),
        tolerated=tolerate,
        sizings=search.judged(trials),
        cpus=cpus,
        page_bytes=page_bytes,
        journal=str(journal),
    )
    answer = report.document(sized)
    if as_json:
        from bench.report.renderers.data import render_json

        print(render_json(answer.data), end="")
    else:
        from bench.report.renderers.terminal import Screen, show

        show(answer, Screen())


def _check(tolerate: float, storms: int, margin: float) -> None:
    if not 0 <= tolerate < 1:
        raise UsageError(f"--tolerate {tolerate:g} is no share", remedy="take 0, or 0.01 for 1 %")
    if not _DEFAULT_STORMS <= storms <= _MOST_STORMS:
        raise UsageError(
            f"--storms {storms} is out of range",
            remedy=f"take {_DEFAULT_STORMS} to {_MOST_STORMS}: fewer would say too little",
        )
    if not 1 <= margin <= _LARGEST_MARGIN:
        raise UsageError(
            f"--margin {margin:g} is out of range", remedy=f"take 1 to {_LARGEST_MARGIN}"
        )


def _transports(asked: list[str] | None) -> tuple[str, ...]:
    from bench.questions.transports.profiles import TRANSPORTS

    chosen = tuple(asked or TRANSPORTS)
    for name in chosen:
        find(name)
    if len(set(chosen)) < len(chosen):
        raise UsageError("--transport names one twice", remedy="name each once")
    return chosen


def _memory_for(chosen: TrialConfig) -> int:
    """Return the bytes that a buffer may take: half of what the records leave."""
    import psutil

    from bench.questions.sizing.plan import capture_bytes

    free_bytes = psutil.virtual_memory().available
    wanted_bytes = capture_bytes(chosen)
    if 2 * wanted_bytes > free_bytes:
        raise MachineUnfit(
            f"the records of one storm take up to {wanted_bytes >> 20:,} MiB, "
            f"{free_bytes >> 20:,} MiB are available",
            remedy="take shorter --seconds, fewer --records or a smaller --burst",
        )
    return (free_bytes - wanted_bytes) // 2


def _begin(experiment: Experiment) -> Callable[[TrialResult], None]:
    """Say on stderr what the coming round is, in one line."""
    from bench.plan.duration import estimate_seconds

    arms = ", ".join(arm.name for arm in experiment.arms)
    print(
        f"{experiment.name}: {experiment.blocks} storms each of {arms}; "
        f"about {estimate_seconds(experiment):.0f} s",
        file=sys.stderr,
        flush=True,
    )
    return lambda _: None
