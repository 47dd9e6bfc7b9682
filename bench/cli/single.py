# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One experiment, as the options of `bufbench run` describe it."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from bench.amounts import counted
from bench.cli.options import each_once, refuse
from bench.errors import UsageError, check_range
from bench.plan.config import Call, Consumer, Poll, Producer, Reader, TrialConfig, Wake
from bench.plan.experiments import BASELINES
from bench.tracer.transports import find
from workloads.storm import Shape, Spawn, Storm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.plan.arms import Side
    from bench.plan.experiments import Experiment

TRACER: Final = (
    *("budget", "wakeup", "call", "payload", "records"),
    *("poll", "interval", "flush", "reader", "reader_command", "stall", "consumer_cpu"),
)
"""Options that only act on a tracer with buffers."""

_REPLAYED: Final = ("count", "rate", "seconds", "payload", "records")
_OF_READER: Final = ("poll", "interval", "flush", "stall", "consumer_cpu")
_LONGEST_REPLAY_S: Final = 30.0


def replayed(
    context: typer.Context, profile: str | None, storm: Storm, producer: Producer
) -> tuple[Storm, Producer]:
    """Return the storm that follows a profile, made as ``storm`` is, and what its exits send.

    Without a profile, what was given.
    """
    if profile is None:
        return storm, producer
    from bench.plan import mix
    from bench.questions.watch import replay

    refuse(context, "on a replay, which its profile has", *_REPLAYED)
    load = replay.chosen(replay.read(Path(profile)))
    found = replay.replay(load, workers=storm.workers, most_s=_LONGEST_REPLAY_S)
    made = {name: getattr(storm, name) for name in ("spawn", "execute", "cpus")}
    sent = replace(producer, records_per_exit=found.records_per_exit)
    return replace(found.storm, **made), mix.padded(sent, found.turns)


def by_command(context: typer.Context, plain: Consumer, words: str | None) -> Consumer:
    """Return the user's own program as the consumer if one was given, else ``plain``."""
    if words is None and plain.reader is not Reader.COMMAND:
        return plain
    if words is None:
        raise UsageError("--reader command needs a program", remedy="add --reader-command PROGRAM")
    refuse(context, "beside --reader-command", *_OF_READER)
    try:
        command = tuple(shlex.split(words))
    except ValueError as error:
        raise UsageError(f"--reader-command {words[:40]!r}: {error}") from error
    if not command or shutil.which(command[0]) is None:
        raise UsageError(
            f"--reader-command {words[:40]!r} is not a program",
            remedy="build one, for example examples/reader/reader.c",
        )
    return Consumer(reader=Reader.COMMAND, command=command)


def refuse_idle(
    context: typer.Context,
    shape: Shape,
    rate: float,
    consumer: Consumer,
    transports: Sequence[str],
) -> None:
    """Refuse options that would have no effect on this experiment."""
    real = [each.transport for each in _sides(transports)]
    poll, by_bcc = consumer.poll, consumer.reader is Reader.LIBBCC
    no_ring = bool(transports) and not any(way.calls for way in real)
    for idle, why, options in (
        (shape is not Shape.BURST, f"on a {shape}", ("burst",)),
        (shape is not Shape.CHAIN, f"on a {shape}", ("depth",)),
        (shape.workers > 0, f"on a {shape}, which has {shape.workers}", ("workers",)),
        (not rate, "without --rate", ("gap",)),
        (poll is not Poll.TIMED, "without --poll timed", ("interval",)),
        (not poll.on_epoll, "without --poll epoll", ("flush",)),
        (by_bcc, "on --reader bcc, which has a timeout of its own", ("flush",)),
        (poll is Poll.STOPPED, "with --poll stopped, which never reads", ("stall",)),
        (bool(transports) and not real, "where no transport is run", TRACER),
        (no_ring, "where no ring buffer is run", ("call",)),
    ):
        if idle:
            refuse(context, why, *options)
    if shape is Shape.BURST and context.params["spawn"] == Spawn.VFORK:
        raise UsageError("a burst's children outlive vfork", remedy="take --spawn fork or clone")


def experiment(
    config: TrialConfig,
    transports: Sequence[str],
    budgets_bytes: Sequence[int],
    blocks: int,
    usable: tuple[int, ...],
) -> tuple[tuple[Experiment], tuple[str, ...]]:
    """Return the one experiment, and what was left out of it."""
    import psutil

    from bench.plan import budgets
    from bench.plan.arms import compose
    from bench.questions.transports.profiles import TRANSPORTS
    from workloads.generator import check

    memory_bytes = psutil.virtual_memory().available
    check_range("--blocks", blocks, 1, 10_000)
    check(config.storm, usable)
    asked = transports or TRANSPORTS
    sides = _sides(asked, config.producer)
    each_once("--transport", [*map(str, sides)])
    sizes = [budgets.check(each, memory_bytes=memory_bytes) for each in budgets_bytes]
    found = compose(
        name=config.storm.shape.value,
        title=(
            f"A {config.storm.shape.value} of {counted(config.storm.count, 'process', 'processes')}"
        ),
        config=config,
        sides=sides,
        budgets_bytes=each_once("--budget", sizes),
        blocks=blocks,
        cpus=len(usable),
        baselines=bool({*asked} & {*BASELINES}),
    )
    if not found.arms:
        why = "; ".join(found.omitted)
        raise UsageError(f"nothing is left to run: {why}", remedy="choose a larger --budget")
    return (found,), found.omitted


def _sides(arms: Sequence[str], usual: Producer | None = None) -> list[Side]:
    """Return the arms that have a tracer; UsageError for what is not one."""
    from bench.plan.arms import side

    known = partial(find, beside=BASELINES)
    return [side(text, known, usual) for text in arms if text not in BASELINES]


def producer(wakeup: str, call: Call, payload: int, records: int, reader: Reader) -> Producer:
    """Return what --wakeup, --call, --payload and --records ask for; UsageError."""
    check_range("--records", records, 1, 1_000)
    if wakeup in (Wake.ADAPTIVE, Wake.NONE, Wake.FORCED):
        wake, watermark = Wake(wakeup), 1
    else:
        wake, watermark = _watermark(wakeup)
        if not 1 <= watermark < 2**32:
            raise UsageError(f"--wakeup {wakeup} is out of range", remedy="take 1 or more")
        if wake is Wake.BYTES and reader is Reader.LIBBCC:
            raise UsageError("--reader bcc counts records, not bytes", remedy="take --wakeup N")
    return Producer(
        wake=wake, watermark=watermark, call=call, payload_bytes=payload, records_per_exit=records
    )


def _watermark(text: str) -> tuple[Wake, int]:
    """Return the watermark that "16" records or "4KiB" means."""
    from bench.plan import budgets

    try:
        return Wake.WATERMARK, int(text)
    except ValueError:
        pass
    try:
        return Wake.BYTES, budgets.parse(text)
    except UsageError:
        raise UsageError(f"{text!r} is not a wake-up", remedy="see bufbench run --help") from None


def cpu_list(text: str) -> tuple[int, ...]:
    """Return the CPUs of a list such as "0-1,3"; UsageError."""
    from bench.linux import procfs

    try:
        named = [cpu for part in text.split(",") for cpu in procfs.parse_cpu_list(part)]
    except ValueError as error:
        raise UsageError(str(error), remedy="write it like 0-1,3") from error
    if len(set(named)) < len(named):
        raise UsageError(f"--cpus {text} names one twice", remedy="write it like 0-1,3")
    return tuple(named)
