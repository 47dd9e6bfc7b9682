# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bench.cli import single
from bench.cli.options import (
    TRANSPORTS,
    AsJson,
    DryRun,
    Gates,
    Journal,
    Seed,
    Wait,
    each_once,
    given,
    of_consumer,
    of_output,
    of_run,
    of_storm,
    of_tracer,
    refuse,
)
from bench.cli.output import answer, read_or_not
from bench.cli.values import Size, Time, ring_size
from bench.errors import UsageError, check_range
from bench.plan.config import MIXED, Call, Consumer, Poll, Reader, TrialConfig
from bench.plan.experiments import BASELINES
from workloads.storm import Gap, Shape, Spawn, Storm

if TYPE_CHECKING:
    from bench.trial.result import TrialResult

_LONGEST_MS: Final = 3_600_000.0
_STORM: Final = (
    *("workload", "workers", "count", "rate", "spawn", "gap", "burst", "depth", "execute"),
    *("seconds", "cpus", "blocks", "transport"),
)
_SINGLE: Final = (*_STORM, *single.TRACER)
"""Options that a profile decides."""


def _payload(size_bytes: int) -> int:
    if size_bytes > 4096 or size_bytes % 8:
        raise UsageError(
            f"a payload of {size_bytes} bytes is not possible",
            remedy="take a multiple of 8 up to 4096, or mixed",
        )
    return size_bytes


_PROFILE = of_run(help="Run the experiments of quick, standard or thorough.")
_WORKERS = of_storm(help="Processes that make children; by default 2, or 1 for trickle.")
_RATE = of_storm(help="Children a second; 0: as fast as possible.")
_SPAWN = of_storm(help="Call that makes a child; by default vfork, or fork for burst.")
_BURST = of_storm(help="Children that exit at once, of a burst.")
_EXEC = of_storm("--exec", help="Let each child exec a program.")
_BUDGET = of_tracer(
    click_type=Size(check=ring_size),
    help="Data bytes over all buffers; 64KiB by default. Repeatable.",
    metavar="SIZE",
)
_TRANSPORT = of_tracer(
    help=f"One of {TRANSPORTS}, with settings like ringbuf:raw:scratch; "
    f"{' and '.join(BASELINES)} measure the storm alone. sharded:rings=K is K rings for all CPUs; "
    "aggregate:keys=K counts in the kernel. Repeatable."
)
_SECONDS = of_storm(click_type=Time("s"), help="Longest duration of a storm.")
_WAKEUP = of_tracer(
    help="adaptive, none, forced, N (every N records), or a size like 4KiB of unread bytes."
)
_CALL = of_tracer(help="How records are written to a ring buffer.")
_PAYLOAD = of_tracer(
    click_type=Size(words={"0": 0, "mixed": MIXED}, check=_payload),
    help="Padding of each record: 0 to 4096 bytes, or mixed.",
)
_INTERVAL = of_consumer(click_type=Time("ms"), help="Time between timed drains.")
_POLL = of_consumer(
    help="How the consumer waits; edge is edge-triggered epoll, edge-bare that without its barrier."
)
_FLUSH = of_consumer(
    click_type=Time("ms"),
    help="Time after which the consumer reads even if not woken; 0: never.",
)
_STALL = of_consumer(click_type=Time("ms"), help="Time in which it reads nothing, once.")
_CPUS = of_storm(help="CPUs of the storm, such as 0-1; all by default.")
_READER_COMMAND = of_consumer(
    help="Your own program that drains the buffers (docs/readers.md).", metavar="COMMAND"
)
_RESUME = of_run("--resume", help="Continue the journal given by --output.")
_USER = of_storm(help="User that runs the storm; nobody by default.")
_QUIET = of_output("--quiet", help="Print no summary at the end.")


def command(
    context: typer.Context,
    *,
    profile: Annotated[str | None, _PROFILE] = None,
    workload: Annotated[Shape, of_storm(help="Shape of the storm.")] = Shape.STORM,
    workers: Annotated[int | None, _WORKERS] = None,
    count: Annotated[int, of_storm(help="Children of one storm.")] = 5_000,
    rate: Annotated[float, _RATE] = 0.0,
    spawn: Annotated[Spawn | None, _SPAWN] = None,
    gap: Annotated[Gap, of_storm(help="Spacing of a paced storm.")] = Gap.FIXED,
    burst: Annotated[int, _BURST] = 1_000,
    depth: Annotated[int, of_storm(help="Processes in one chain, of a chain.")] = 8,
    execute: Annotated[bool, _EXEC] = False,
    seconds: Annotated[float, _SECONDS] = 30.0,
    budget: Annotated[list[int] | None, _BUDGET] = None,
    transport: Annotated[list[str] | None, _TRANSPORT] = None,
    wakeup: Annotated[str, _WAKEUP] = "adaptive",
    call: Annotated[Call, _CALL] = Call.RESERVE,
    payload: Annotated[int, _PAYLOAD] = 0,
    records: Annotated[int, of_tracer(help="Records per exit, 1 to 1000.")] = 1,
    poll: Annotated[Poll, _POLL] = Poll.EPOLL,
    interval: Annotated[float, _INTERVAL] = 5.0,
    flush: Annotated[float, _FLUSH] = 0.0,
    reader: Annotated[Reader, of_consumer(help="What drains the buffers.")] = Reader.NATIVE,
    reader_command: Annotated[str | None, _READER_COMMAND] = None,
    stall: Annotated[float, _STALL] = 0.0,
    consumer_cpu: Annotated[int | None, of_consumer(help="CPU to pin the consumer to.")] = None,
    cpus: Annotated[str, _CPUS] = "",
    blocks: Annotated[int, of_run(help="Trials of each configuration.")] = 8,
    seed: Seed = 1,
    output: Journal = None,
    resume: Annotated[bool, _RESUME] = False,
    wait: Wait = False,
    fail_on: Gates = None,
    storm_user: Annotated[str | None, _USER] = None,
    quiet: Annotated[bool, _QUIET] = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Run one experiment, or those of a profile, and summarise the results.

    Without options it runs a storm with the ring buffer and the perf buffers, in about a minute.

    Exit code 0, 1 if a gate of --fail-on failed, 4 if a trial did not balance.

    Example: bufbench run --profile quick

    Example: bufbench run --workload pingpong --spawn fork --budget 64KiB --fail-on ringbuf:causal

    Example: bufbench run --workload replay --profile load.json

    Example: bufbench run --transport ringbuf:raw:scratch:delay=200000 --transport ringbuf:raw

    Example: bufbench run --reader-command ./reader
    """
    from bench import paths
    from bench.campaign import campaign, gates, progress
    from bench.cli.dry_run import show
    from bench.journal.reader import read_journal
    from bench.linux import cpus as processors
    from bench.plan.experiments import outline
    from bench.questions.transports import profiles
    from workloads.user import chosen

    refuse(context, "with --quiet", *["as_json"] * quiet)
    checks = gates.parse(*fail_on or [])
    user = chosen(storm_user)
    usable = processors.usable()
    load = profile if workload is Shape.REPLAY else None
    profile = None if load else _asked_profile(context, profile)
    if profile is not None:
        refuse(context, "with --profile", *_SINGLE)
        plan = profiles.profile(profile, usable)
        experiments, left_out = plan.experiments, plan.left_out
    else:
        asked = each_once("--transport", transport)
        plain = Consumer(
            reader=reader,
            poll=poll,
            interval_ms=interval,
            flush_ms=flush,
            stall_ms=stall,
            cpu=consumer_cpu,
        )
        consumer = single.by_command(context, plain, reader_command)
        single.refuse_idle(context, workload, rate, consumer, asked)
        for what, most in (("burst", burst), ("depth", depth)):
            if given(context, what) and most > count:
                raise UsageError(f"--{what} {most} is more than --count {count}")
        storm = Storm(
            shape=workload,
            count=count,
            workers=workers if workers is not None else workload.workers or 2,
            spawn=spawn or (Spawn.FORK if workload is Shape.BURST else Spawn.VFORK),
            rate_per_s=rate,
            gap=gap,
            burst_size=burst,
            depth=depth,
            execute=execute,
            cpus=single.cpu_list(cpus),
            seconds=seconds,
        )
        producer = single.producer(wakeup, call, payload, records, reader)
        storm, producer = single.replayed(context, load, storm, producer)
        for option, milliseconds in (
            ("--interval", interval),
            ("--flush", flush),
            ("--stall", stall),
        ):
            check_range(option, milliseconds, 0, _LONGEST_MS)
        if consumer_cpu is not None and consumer_cpu not in usable:
            raise UsageError(
                f"CPU {consumer_cpu} is not online, or not allowed to this process",
                remedy=f"pin the consumer to one of {processors.list_format(usable)}",
            )
        config = TrialConfig(
            transport="none",
            budget_bytes=0,
            storm=storm,
            producer=producer,
            consumer=consumer,
        )
        experiments, left_out = single.experiment(
            config, asked, budget or [64 * 1024], blocks, usable
        )
    journal = output or paths.new_journal(profile or workload.value)
    if resume and output is None:
        raise UsageError("--resume needs the journal to go on with", remedy="add --output FILE")
    gates.check_plan(checks, (arm.config.transport for each in experiments for arm in each.arms))
    if dry_run:
        show(experiments, as_json=as_json, left_out=left_out)
        return
    request = campaign.Request(
        journal=journal,
        profile=profile or "",
        seed=seed,
        resume=resume,
        wait=wait,
        storm_user=user,
        plan=outline(experiments),
        left_out=left_out,
    )
    trials: list[TrialResult] = []
    with campaign.opened(request) as running, progress.shown(experiments) as begin:
        running.census(profiles.census_budgets_bytes(request.profile))
        for experiment in experiments:
            trials.extend(running.run(experiment, begin(experiment)))
    if not quiet:
        _report(journal, as_json=as_json)
    print(f"journal: {journal}", file=sys.stderr)
    # Trials of the journal that it continued count as well.
    gates.check(checks, read_journal(journal).trials if resume else trials)


def _asked_profile(context: typer.Context, name: str | None) -> str | None:
    """Return the profile; None where it is a default and the command line asks for a storm."""
    precedes = not given(context, "profile") and any(given(context, each) for each in _SINGLE)
    return None if precedes else name


def _report(journal: Path, *, as_json: bool) -> None:
    from bench.journal.reader import read_journal
    from bench.questions.transports.document import document, report_of
    from bench.questions.transports.summary import compare_journals

    with read_or_not():
        documents = [*map(document, compare_journals(read_journal(journal)))]
        answer("json" if as_json else "text", documents, report_of(*documents), full=False)
