# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench run: run the experiments of a profile, or the one that its options describe."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from bench import paths
from bench.amounts import counted
from bench.cli import options
from bench.cli.options import of_consumer, of_output, of_run, of_storm, of_tracer, parsed, refuse
from bench.cli.output import answer
from bench.errors import UsageError, reject
from bench.linux.cpus import list_format, usable
from bench.linux.procfs import parse_cpu_list
from bench.plan import budgets
from bench.plan.arms import ArmSpec, check_cpus, compose, side
from bench.plan.config import MIXED, Call, Consumer, Poll, Producer, Reader, TrialConfig, Wake
from bench.plan.experiments import BASELINES, Experiment
from bench.tracer.transports import find, names
from workloads.storm import Gap, Shape, Spawn, Storm

_TRACER: Final = (
    *("budget", "wakeup", "call", "payload", "records"),
    *("poll", "interval", "flush", "reader", "reader_command", "stall", "consumer_cpu"),
)
"""Options that only act on a tracer with buffers."""
_SINGLE: Final = (
    *("workload", "workers", "count", "rate", "spawn", "gap", "burst", "depth", "execute"),
    *("seconds", "cpus", "blocks", "transport", *_TRACER),
)
"""Options that a profile decides."""
_REPLAYED: Final = ("count", "rate", "seconds", "payload", "records")
_OF_READER: Final = ("poll", "interval", "flush", "stall", "consumer_cpu")
_LONGEST_REPLAY_S: Final = 30.0


def _payload(size_bytes: int) -> int:
    reject(
        size_bytes > 4096 or size_bytes % 8,
        f"a payload of {size_bytes} bytes is not possible",
        "take a multiple of 8 up to 4096, or mixed",
    )
    return size_bytes


def _profiles() -> Sequence[str]:
    from bench.questions.transports.profiles import NAMES

    return NAMES


_PROFILE = of_run(
    help="Run the experiments of quick, standard or thorough.", autocompletion=_profiles
)
_WORKERS = of_storm(help="Processes that make children; by default 2, or 1 for trickle.")
_SPAWN = of_storm(help="Call that makes a child; by default vfork, or fork for burst.")
_BUDGET = of_tracer(unit="ring", help="Data bytes over all buffers; 64KiB by default. Repeatable.")
_PARAMETERS: Final = "; ".join(
    f"{each.name}:{each.parameter}=K {each.parameter_help}"
    for each in map(find, names())
    if each.parameter
)
_TRANSPORT = of_tracer(
    help=f"One of {options.TRANSPORTS}, with settings like ringbuf:raw:scratch; "
    f"{' and '.join(BASELINES)} measure the storm alone. {_PARAMETERS}. Repeatable.",
    autocompletion=lambda: (*names(), *BASELINES),
)
_WAKEUP = of_tracer(
    help="adaptive, none, forced, N (every N records), or a size like 4KiB of unread bytes.",
    autocompletion=lambda: ("adaptive", "none", "forced"),
)
_CALL = of_tracer(help="How records are written to a ring buffer.")
_PAYLOAD = of_tracer(
    click_type=options.Size(words={"0": 0, "mixed": MIXED}, check=_payload),
    help="Padding of each record: 0 to 4096 bytes, or mixed.",
)
_ms = partial(of_consumer, unit="ms", within=(0, 3_600_000.0))
_POLL = of_consumer(
    help="How the consumer waits; edge is edge-triggered epoll, and edge-bare lacks its barrier."
)
_FLUSH = _ms(help="Time after which the consumer reads even if not woken; 0: never.")
_READER = of_consumer(help="What drains the buffers; libbpf: ring__consume_n, perf_buffer__poll.")
_READER_COMMAND = of_consumer(
    help="Your own program that drains the buffers (docs/readers.md).", metavar="COMMAND"
)
_RESUME = of_run("--resume", help="Continue the journal given by --output.")
_USER = of_storm(help="User that runs the storm; nobody by default.")


def command(
    context: typer.Context,
    *,
    profile: Annotated[str | None, _PROFILE] = None,
    workload: Annotated[Shape, of_storm(help="Shape of the storm.")] = Shape.STORM,
    workers: Annotated[int | None, _WORKERS] = None,
    count: Annotated[int, of_storm(help="Children of one storm.")] = 5_000,
    rate: Annotated[float, of_storm(help="Children a second; 0: as fast as possible.")] = 0.0,
    spawn: Annotated[Spawn | None, _SPAWN] = None,
    gap: Annotated[Gap, of_storm(help="Spacing of a paced storm.")] = Gap.FIXED,
    burst: Annotated[int, of_storm(help="Children that exit at once in a burst.")] = 1_000,
    depth: Annotated[int, of_storm(help="Processes in each chain.")] = 8,
    execute: Annotated[bool, of_storm("--exec", help="Let each child exec a program.")] = False,
    seconds: Annotated[float, of_storm(unit="s", help="Longest duration of a storm.")] = 30.0,
    budget: Annotated[list[int] | None, _BUDGET] = None,
    transport: Annotated[list[str] | None, _TRANSPORT] = None,
    wakeup: Annotated[str, _WAKEUP] = "adaptive",
    call: Annotated[Call, _CALL] = Call.RESERVE,
    payload: Annotated[int, _PAYLOAD] = 0,
    records: Annotated[int, of_tracer(within=(1, 1_000), help="Records per exit, 1 to 1000.")] = 1,
    poll: Annotated[Poll, _POLL] = Poll.EPOLL,
    interval: Annotated[float, _ms(help="Time between timed drains.")] = 5.0,
    flush: Annotated[float, _FLUSH] = 0.0,
    reader: Annotated[Reader, _READER] = Reader.NATIVE,
    reader_command: Annotated[str | None, _READER_COMMAND] = None,
    stall: Annotated[float, _ms(help="Time for which it stops reading, once.")] = 0.0,
    consumer_cpu: Annotated[int | None, of_consumer(help="CPU to pin the consumer to.")] = None,
    cpus: Annotated[str, of_storm(help="CPUs of the storm, such as 0-1; all by default.")] = "",
    blocks: Annotated[int, of_run(within=(1, 10_000), help="Trials of each configuration.")] = 8,
    seed: options.Seed = 1,
    output: options.Journal = None,
    resume: Annotated[bool, _RESUME] = False,
    wait: options.Wait = False,
    fail_on: options.Gates = None,
    storm_user: Annotated[str | None, _USER] = None,
    quiet: Annotated[bool, of_output("--quiet", help="Print no summary at the end.")] = False,
    as_json: options.AsJson = False,
    dry_run: options.DryRun = False,
) -> None:
    """Run one experiment, or those of a profile, and summarise the results.

    Without options it runs eight storms each with the ring buffer and the perf buffers.

    Exit code 0, 1 if a gate of --fail-on failed, 4 if a trial did not balance.

    Example: bufbench run --profile quick

    Example: bufbench run --workload pingpong --spawn fork --budget 64KiB --fail-on ringbuf:causal

    Example: bufbench run --workload replay --profile load.json

    Example: bufbench run --transport ringbuf:raw:scratch:delay=200000 --transport ringbuf:raw

    Example: bufbench run --transport sharded:rings=4:consumers=4 --transport perfbuf:consumers=4

    Example: bufbench run --reader-command ./reader
    """
    from bench.campaign import campaign, gates, progress
    from bench.cli.dry_run import show
    from bench.journal.reader import read_journal
    from bench.plan.experiments import outline
    from bench.questions.duet.run import settled, settling_seconds
    from bench.questions.transports import profiles
    from bench.questions.transports.document import document, report_of
    from bench.questions.transports.summary import compare_journals
    from workloads.user import chosen

    refuse(context, quiet, "with --quiet", "as_json")
    checks = parsed("--fail-on", gates.parse, *fail_on or [])
    user = parsed("--storm-user", chosen, storm_user)
    load = profile if workload is Shape.REPLAY else None
    profile = None if load else _requested_profile(context, profile)
    refuse(context, profile is not None, "with --profile", *_SINGLE)
    if profile is not None:
        plan = parsed("--profile", profiles.profile, profile, usable())
        experiments, left_out = plan.experiments, plan.left_out
    else:
        transports = options.each_once("--transport", transport)
        plain = Consumer(
            reader=reader,
            poll=poll,
            interval_ms=interval,
            flush_ms=flush,
            stall_ms=stall,
            cpu=consumer_cpu,
        )
        consumer = _by_command(context, plain, reader_command)
        _refuse_idle(context, workload, rate, consumer, transports)
        for what, most in (("burst", burst), ("depth", depth)):
            too_many = options.given(context, what) and most > count
            reject(too_many, f"--{what} {most} is more than --count {count}")
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
            cpus=parsed("--cpus", _cpu_list, cpus),
            seconds=seconds,
        )
        producer = _producer(wakeup, call, payload, records)
        storm, producer = _replayed(context, load, storm, producer)
        reject(
            consumer_cpu is not None and consumer_cpu not in usable(),
            f"--consumer-cpu: CPU {consumer_cpu} is not online, or not allowed to this process",
            f"pin the consumer to one of {list_format(usable())}",
        )
        config = TrialConfig(
            transport="none", budget_bytes=0, storm=storm, producer=producer, consumer=consumer
        )
        experiments, left_out = _experiment(config, transports, budget or [64 * 1024], blocks)
    journal = output or paths.new_journal(profile or workload.value)
    options.need_output(resume, output, "journal")
    gates.check_plan(checks, (arm.config.transport for each in experiments for arm in each.arms))
    if dry_run:
        more_s = settling_seconds(experiments)
        show(experiments, as_json=as_json, left_out=left_out, more_s=more_s)
        return
    request = campaign.RunRequest(
        journal=journal,
        profile=profile or "",
        seed=seed,
        resume=resume,
        wait=wait,
        storm_user=user,
        plan=outline(experiments),
        left_out=left_out,
    )
    with campaign.opened(request) as running, progress.shown(experiments) as begin:
        running.census(profiles.census_budgets_bytes(request.profile))
        trials = [trial for each in experiments for trial in settled(each, running, begin(each))]
    if not quiet:
        documents = [*map(document, compare_journals(read_journal(journal)))]
        answer("json" if as_json else "text", documents, report_of(*documents), full=False)
    print(f"journal: {journal}", file=sys.stderr)
    # Trials from before a resumed run count too.
    gates.check(checks, read_journal(journal).trials if resume else trials)


def _requested_profile(context: typer.Context, name: str | None) -> str | None:
    """Return the profile; None if it is a default and the command line describes a storm."""
    given = partial(options.given, context)
    return None if given(*_SINGLE) and not given("profile") else name


def _replayed(
    context: typer.Context, profile: str | None, storm: Storm, producer: Producer
) -> tuple[Storm, Producer]:
    """Return the storm that replays a profile, made like ``storm``, and its producer."""
    if profile is None:
        return storm, producer
    from bench.plan import mix
    from bench.questions.watch import replay

    refuse(context, True, "on a replay, which its profile has", *_REPLAYED)
    load = parsed("--profile", replay.chosen, replay.read(Path(profile)))
    found = replay.replay(load, workers=storm.workers, most_s=_LONGEST_REPLAY_S)
    made = {name: getattr(storm, name) for name in ("spawn", "execute", "cpus")}
    sent = replace(producer, records_per_exit=found.records_per_exit)
    return replace(found.storm, **made), mix.padded(sent, found.turns)


def _by_command(context: typer.Context, plain: Consumer, words: str | None) -> Consumer:
    """Return the user's own program as the consumer if one was given, else ``plain``."""
    if words is None:
        lacking = plain.reader is Reader.COMMAND
        reject(lacking, "--reader command needs a program", "add --reader-command PROGRAM")
        return plain
    refuse(context, True, "beside --reader-command", *_OF_READER)
    try:
        command = tuple(shlex.split(words))
    except ValueError as error:
        raise UsageError(f"--reader-command {words[:40]!r}: {error}") from error
    reject(
        not command or shutil.which(command[0]) is None,
        f"--reader-command {words[:40]!r} is not a program",
        "build one, for example examples/reader/reader.c",
    )
    return Consumer(reader=Reader.COMMAND, command=command)


def _refuse_idle(
    context: typer.Context, shape: Shape, rate: float, consumer: Consumer, transports: Sequence[str]
) -> None:
    """Refuse options that would have no effect on this experiment."""
    real = [each.transport for each in _sides(transports)]
    poll, reader = consumer.poll, consumer.reader
    no_ring = bool(transports) and not any(way.calls for way in real)
    for idle, why, idle_options in (
        (shape is not Shape.BURST, f"on a {shape}", ("burst",)),
        (shape is not Shape.CHAIN, f"on a {shape}", ("depth",)),
        (shape.workers > 0, f"on a {shape}, which has {shape.workers}", ("workers",)),
        (not rate, "without --rate", ("gap",)),
        (poll is not Poll.TIMED, "without --poll timed", ("interval",)),
        (not poll.on_epoll, "without --poll epoll", ("flush",)),
        (reader.of_library, f"on --reader {reader}, which has a timeout of its own", ("flush",)),
        (poll is Poll.STOPPED, "with --poll stopped, which never reads", ("stall",)),
        (bool(transports) and not real, "where no transport is run", _TRACER),
        (no_ring, "where no ring buffer is run", ("call",)),
    ):
        refuse(context, idle, why, *idle_options)
    outlived = shape is Shape.BURST and context.params["spawn"] == Spawn.VFORK
    reject(outlived, "a burst's children outlive vfork", "take --spawn fork or clone")


def _experiment(
    config: TrialConfig, transports: Sequence[str], budgets_bytes: list[int], blocks: int
) -> tuple[tuple[Experiment], tuple[str, ...]]:
    """Return the one experiment, and what was left out of it."""
    from bench.questions.transports.profiles import TRANSPORTS
    from workloads.generator import check

    shape = config.storm.shape.value
    check(config.storm, usable())
    wanted = transports or TRANSPORTS
    sides = _sides(wanted, config.producer)
    check_cpus(sides, usable())
    options.each_once("--transport", [*map(str, sides)])
    for each in sides:
        find(each.transport.name).require_reader(config.consumer.reader, each.producer.wake)
        reject(
            each.own_reader and config.consumer.reader is not Reader.NATIVE,
            f"{each} sets how bufbench's own reader reads, and --reader names another one",
            "leave out --reader",
        )
        reject(
            each.consumers > 1 and config.consumer.stall_ms > 0,
            f"{each}: --stall needs a single consumer",
            "leave out --stall",
        )
    found = compose(
        name=shape,
        title=f"A {shape} of {counted(config.storm.count, 'process', 'processes')}",
        config=config,
        sides=sides,
        budgets_bytes=options.each_once("--budget", budgets_bytes),
        blocks=blocks,
        cpus=len(usable()),
        baselines=bool({*wanted} & {*BASELINES}),
    )
    why = "; ".join(found.omitted)
    reject(not found.arms, f"nothing is left to run: {why}", "choose a larger --budget")
    return (found,), found.omitted


def _sides(arms: Sequence[str], usual: Producer | None = None) -> list[ArmSpec]:
    """Return the arms that have a tracer; UsageError for an invalid one."""
    known = partial(find, beside=BASELINES)
    named = [text for text in arms if text not in BASELINES]
    return [parsed("--transport", side, text, known, usual) for text in named]


def _producer(wakeup: str, call: Call, payload: int, records: int) -> Producer:
    """Return the producer that --wakeup, --call, --payload and --records set; UsageError."""
    if wakeup in (Wake.ADAPTIVE, Wake.NONE, Wake.FORCED):
        wake, watermark = Wake(wakeup), 1
    else:
        wake, watermark = parsed("--wakeup", _watermark, wakeup)
        fits = 1 <= watermark < 2**32
        reject(not fits, f"--wakeup {wakeup[:40]} is out of range", "take 1 or more")
    return Producer(
        wake=wake, watermark=watermark, call=call, payload_bytes=payload, records_per_exit=records
    )


def _watermark(text: str) -> tuple[Wake, int]:
    """Return the watermark that "16" records or "4KiB" means."""
    try:
        return Wake.WATERMARK, int(text)
    except ValueError:
        pass
    try:
        return Wake.BYTES, budgets.parse(text)
    except UsageError:
        raise UsageError(
            f"{text[:40]!r} is not a wake-up", remedy="take adaptive, none, forced, N or a size"
        ) from None


def _cpu_list(text: str) -> tuple[int, ...]:
    """Return the CPUs of a list such as "0-1,3"; UsageError."""
    try:
        named = [cpu for part in text.split(",") for cpu in parse_cpu_list(part)]
    except ValueError as error:
        raise UsageError(str(error), remedy="write it like 0-1,3") from error
    twice = len(set(named)) < len(named)
    reject(twice, f"--cpus {text} names one twice", "write it like 0-1,3")
    return tuple(named)
