# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench tune."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bench import paths
from bench.amounts import counted
from bench.cli import options
from bench.cli.options import of_output, of_run, of_storm, of_tracer
from bench.cli.output import answer
from bench.cli.size import Buffer, Burst, From, Rate, Records, RecordSize, Transports, described
from bench.linux.cpus import usable
from bench.plan.experiments import Experiment
from bench.questions.tune.axis import Axis
from bench.record.layout import RECORD_BYTES
from bench.tracer.transports import find

_WITHIN = of_output(
    unit="ms", within=(0.01, 60_000), help="For balance: deliver 99 % of records within this time."
)
_BLOCKS = of_run(within=(8, 1_000), help="Storms with each setting, 8 or more.")


def command(
    context: typer.Context,
    *,
    rate: Rate = 0.0,
    burst: Burst = 0,
    record_size: RecordSize = str(RECORD_BYTES),
    records: Records = 1,
    transport: Transports = None,
    budget: Annotated[int, of_tracer(unit="ring", help="Data bytes over all buffers.")] = 1 << 20,
    seconds: Annotated[float, of_storm(unit="s", help="Length of a storm.")] = 0.25,
    profile: From = None,
    buffer: Buffer = "",
    axis: Annotated[Axis, of_output("--for", help="What to optimise.")] = Axis.BALANCE,
    within: Annotated[float, _WITHIN] = 10.0,
    blocks: Annotated[int, _BLOCKS] = 8,
    seed: options.Seed = 1,
    output: options.Journal = None,
    wait: options.Wait = False,
    form: options.AsFormat = "text",
    dry_run: options.DryRun = False,
) -> None:
    """Recommend when to wake the consumer for a load: watermark and flush timeout.

    Real storms with this load are run with a grid of watermarks and flush timeouts, in blocks; the
    recommendation is then compared with the default in 10 duets, and must be better in 9 of them.

    Example: bufbench tune --rate 5000 --for balance --within 5ms

    Example: bufbench tune --from load.json --for cpu
    """
    from bench.campaign import campaign
    from bench.cli.dry_run import show
    from bench.cli.report import page_line
    from bench.questions.sizing import plan as sizing
    from bench.questions.sizing.judge import exits_per_s
    from bench.questions.transports.profiles import TRANSPORTS
    from bench.questions.tune import document, plan, run
    from bench.questions.tune.terms import Buffers

    options.refuse(context, axis is not Axis.BALANCE, f"with --for {axis}", "within")
    load = sizing.Load(
        rate_per_s=rate, burst=burst, records_per_exit=records, stall_ms=0.0, seconds=seconds
    )
    load = described(context, load, record_size, profile, buffer, most_s=seconds)
    cpus = len(usable())
    chosen = plan.config(load, cpus)
    wanted = options.each_once("--transport", transport) or TRANSPORTS
    ways = [options.parsed("--transport", find, name) for name in wanted]
    tried = plan.choices(ways, chosen, budget, cpus=cpus)
    if dry_run:
        show(
            run.planned(tried, blocks),
            as_json=form == "json",
            known=False,
            notes=["The duets are of the settings that the blocks recommend, if any."],
        )
        return
    journal = output or paths.new_journal("tune")
    request = campaign.RunRequest(journal=journal, seed=seed, wait=wait, wakeups=False)
    with campaign.opened(request) as running:
        print(f"journal: {journal}", file=sys.stderr, flush=True)
        outcome = run.measure(tried, axis, within, blocks=blocks, run=running.run, begin=_begin)
    made = {each.transport: each.arm.config.budget_bytes for each in tried}
    question = document.Question(
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
    found = [document.document(question)]
    answer(form, found)
    print(page_line(journal, *found), file=sys.stderr)


def _begin(experiment: Experiment) -> None:
    from bench.campaign.progress import announce

    settings = counted(len(experiment.arms), "setting")
    kind = "duet" if experiment.duet else "block"
    announce(experiment, f"{counted(experiment.blocks, kind)} of {settings}")
