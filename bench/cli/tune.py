# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench tune."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bench.amounts import counted
from bench.cli.load import Buffer, Burst, From, Rate, Records, RecordSize, described
from bench.cli.options import (
    TRANSPORTS,
    AsJson,
    DryRun,
    Journal,
    Seed,
    Wait,
    each_once,
    of_output,
    of_run,
    of_storm,
    of_tracer,
    refuse,
)
from bench.cli.output import answer
from bench.cli.values import Size, Time
from bench.errors import check_range
from bench.questions.tune.axis import Axis
from bench.record.layout import RECORD_BYTES
from bench.tracer.transports import find

if TYPE_CHECKING:
    from bench.plan.experiments import Experiment

_BUDGET = of_tracer(click_type=Size(), help="Data bytes over all buffers.", metavar="SIZE")
_SECONDS = of_storm(click_type=Time("s"), help="Length of a storm.")
_TRANSPORT = of_tracer(help=f"One of {TRANSPORTS}; ringbuf and perfbuf by default. Repeatable.")
_AXIS = of_output("--for", help="What to optimise.")
_WITHIN = of_output(
    click_type=Time("ms"), help="For balance: deliver 99 % of records within this time."
)


def command(
    context: typer.Context,
    *,
    rate: Rate = 0.0,
    burst: Burst = 0,
    record_size: RecordSize = str(RECORD_BYTES),
    records: Records = 1,
    transport: Annotated[list[str] | None, _TRANSPORT] = None,
    budget: Annotated[int, _BUDGET] = 1 << 20,
    seconds: Annotated[float, _SECONDS] = 0.25,
    profile: From = None,
    buffer: Buffer = "",
    axis: Annotated[Axis, _AXIS] = Axis.BALANCE,
    within: Annotated[float, _WITHIN] = 10.0,
    blocks: Annotated[int, of_run(help="Storms with each setting, 8 or more.")] = 8,
    seed: Seed = 1,
    output: Journal = None,
    wait: Wait = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Recommend when to wake the consumer for a load: watermark and flush timeout.

    Real storms with this load are run with a grid of watermarks and flush timeouts, in blocks; the
    recommendation is then compared with the default in further blocks.

    Example: bufbench tune --rate 5000 --for balance --within 5ms

    Example: bufbench tune --from load.json --for cpu
    """
    import psutil

    from bench import paths
    from bench.campaign import campaign
    from bench.cli.dry_run import show
    from bench.linux import cpus as processors
    from bench.plan import budgets
    from bench.questions.sizing import plan as sizing
    from bench.questions.sizing.judge import exits_per_s
    from bench.questions.transports.profiles import TRANSPORTS
    from bench.questions.tune import document, plan, run
    from bench.questions.tune.terms import Buffers

    if axis is not Axis.BALANCE:
        refuse(context, f"with --for {axis}", "within")
    load = sizing.Load(
        rate_per_s=rate,
        burst=burst,
        records_per_exit=records,
        stall_ms=0.0,
        seconds=seconds,
    )
    load = described(context, load, record_size, profile, buffer, most_s=seconds)
    check_range("--within", within, 0.01, 60_000)
    check_range("--blocks", blocks, 8, 1_000)
    budgets.check(budget, memory_bytes=psutil.virtual_memory().available)
    cpus = len(processors.usable())
    chosen = plan.config(load, cpus)
    ways = [find(name) for name in each_once("--transport", transport) or TRANSPORTS]
    tried = plan.choices(ways, chosen, budget, cpus=cpus)
    if dry_run:
        show(
            run.planned(tried, blocks),
            as_json=as_json,
            known=False,
            notes=["The second round has the settings that the first one recommends, if any."],
        )
        return
    journal = output or paths.new_journal("tune")
    request = campaign.Request(journal=journal, seed=seed, wait=wait, wakeups=False)
    with campaign.opened(request) as running:
        print(f"journal: {journal}", file=sys.stderr, flush=True)
        outcome = run.measure(tried, axis, within, blocks=blocks, run=running.run, begin=_begin)
    made = {each.transport: each.arm.config.budget_bytes for each in tried}
    asked = document.Question(
        load=load,
        axis=axis,
        within_ms=within,
        exits_per_s=exits_per_s(outcome.trials),
        workers=chosen.storm.workers,
        buffers={
            way.name: Buffers(
                way=way,
                budget_bytes=made[way.name],
                cpus=cpus,
                record_bytes=sizing.stored_bytes(way, chosen.producer),
            )
            for way in ways
        },
        tuned=outcome.tuned,
        beside=outcome.beside,
        journal=paths.utf8(journal),
    )
    answer("json" if as_json else "text", [document.document(asked)])


def _begin(experiment: Experiment) -> None:
    from bench.cli.dry_run import announce

    settings = counted(len(experiment.arms), "setting")
    announce(experiment, f"{counted(experiment.blocks, 'block')} of {settings}")
