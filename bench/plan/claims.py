# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The experiments that the published claims are judged by: the union of what they need, once.

Most ask about single settings, so arms are named by what sets them apart: ``ringbuf@1MiB/forced``.
An amplified storm sends many records at each exit, which is how a fork storm reaches millions a
second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from bench.plan import budgets
from bench.plan.budgets import KIB, MIB
from bench.plan.config import MIXED, Call, Consumer, Poll, Producer, Reader, TrialConfig, Wake
from bench.plan.experiments import Arm, ArmName, Experiment, second_names
from bench.plan.profiles import BUSY, EPOLL, LEAST_PAIRED, TRANSPORTS, profile, storms
from workloads.storm import Gap, Shape, Spawn, Storm

BLOCKS: Final = 8
LADDER_BLOCKS: Final = 20
BURSTS: Final = 10_000
"""Bursts over all blocks in which no last record may be left without a wake-up."""

FROM_PROFILE: Final = ("storm", "burst", "chain", "hotcpu", "trickle", "stall")
"""Experiments that the quick profile runs, taken over without the baselines."""

RINGBUF, PERFBUF = TRANSPORTS
SHARDED: Final = "sharded"

_STOPPED: Final = Consumer(poll=Poll.STOPPED)
_RECORD_AND_HEADER_BYTES: Final = 96  # the longer of the two transports', rounded up


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What every experiment here is made for."""

    cpus: int
    page_bytes: int

    @property
    def workers(self) -> int:
        return max(2, self.cpus)

    def producers(self) -> tuple[int, ...]:
        """1, 2, 4 ... and all CPUs."""
        doubled = (1 << power for power in range(self.cpus.bit_length()))
        return tuple(sorted({*(count for count in doubled if count <= self.cpus), self.cpus}))

    def amplified(self, exits: int, records: int, *, wake: Wake = Wake.ADAPTIVE) -> TrialConfig:
        """A storm on all CPUs that sends ``exits`` x ``records`` records."""
        return TrialConfig(
            transport="",
            budget_bytes=0,
            storm=Storm(count=exits, workers=self.workers),
            producer=Producer(records_per_exit=records, wake=wake),
        )

    def on_cpus(self, config: TrialConfig, count: int) -> TrialConfig:
        """``config`` with its storm on the first ``count`` CPUs, a worker each."""
        storm = replace(config.storm, workers=count, cpus=tuple(range(count)))
        return replace(config, storm=storm)

    def holding(self, config: TrialConfig) -> int:
        """The least budget of one buffer that holds all records of ``config``."""
        records = (config.storm.count + config.storm.workers) * config.producer.records_per_exit
        record_bytes = _RECORD_AND_HEADER_BYTES + max(config.producer.payload_bytes, 0)
        return _power_of_two(max(records * record_bytes, self.page_bytes))

    def holding_on_each(self, config: TrialConfig) -> int:
        """The same, of per-CPU buffers, each of which holds all records."""
        return self.holding(config) * _power_of_two(self.cpus)

    def arm(self, transport: str, budget_bytes: int, variant: str, config: TrialConfig) -> Arm:
        """One arm. Where the CPUs cannot share the budget equally, each gets more, not less."""
        actual_bytes = budget_bytes
        if transport != RINGBUF:
            pages = budgets.perf_pages_per_cpu(budget_bytes, self.cpus, self.page_bytes)[-1]
            actual_bytes = pages * self.cpus * self.page_bytes
        name = ArmName(
            transport=transport,
            budget=budgets.label(budget_bytes),
            actual=budgets.label(actual_bytes) if actual_bytes != budget_bytes else "",
            variant=variant,
        )
        return Arm(
            name=str(name),
            config=replace(config, transport=transport, budget_bytes=actual_bytes),
        )


def _power_of_two(number: int) -> int:
    """The least power of two that is not below ``number``."""
    return 1 << (number - 1).bit_length()


def _experiment(
    name: str, title: str, arms: Iterable[Arm], *, twin: int | None = 0, blocks: int = BLOCKS
) -> Experiment:
    """An experiment; its arm number ``twin`` runs twice, as the A/A pair."""
    found = tuple(arms)
    again = second_names([found[twin]]) if twin is not None else ()
    return Experiment(name=name, title=title, arms=(*found, *again), blocks=blocks)


def _of_profile(bench: _Bench) -> tuple[Experiment, ...]:
    """Experiments of the quick profile; how long a storm takes without a tracer is not asked."""
    known = {each.name: each for each in profile("quick", bench.cpus, bench.page_bytes).experiments}
    return tuple(
        replace(
            known[name],
            arms=tuple(arm for arm in known[name].arms if ArmName.parse(arm.name).budget),
        )
        for name in FROM_PROFILE
    )


def _intervals(bench: _Bench) -> Experiment:
    """Pairs on alternating CPUs, drained every 1, 5 and 20 ms."""
    storm = replace(storms(bench.cpus)[Shape.PINGPONG], count=LEAST_PAIRED)
    return _experiment(
        "drain-interval",
        "How late does the longer of two drain intervals make related events?",
        (
            bench.arm(
                transport,
                MIB,
                f"{interval_ms}ms",
                TrialConfig(
                    transport="",
                    budget_bytes=0,
                    storm=storm,
                    consumer=Consumer(poll=Poll.TIMED, interval_ms=interval_ms),
                ),
            )
            for interval_ms in (1, 5, 20)
            for transport in TRANSPORTS
        ),
        twin=None,
    )


def _ladders(bench: _Bench) -> tuple[Experiment, ...]:
    """The least budget that loses nothing between drains, spread over CPUs and on one."""
    drained = Consumer(poll=Poll.TIMED, interval_ms=10.0)
    known = storms(bench.cpus)
    spread = replace(known[Shape.STORM], count=600 * bench.workers)
    kinds = {"memory-spread": spread, "memory-onecpu": replace(known[Shape.HOTCPU], count=600)}
    if bench.cpus >= 4:
        half = bench.cpus // 2
        kinds["memory-half"] = replace(
            spread, workers=half, count=600 * half, cpus=tuple(range(half))
        )
    top_bytes = max(128 * KIB, 32 * bench.page_bytes) * _power_of_two(bench.workers) // 2
    least_bytes = 2 * bench.page_bytes
    rungs = [least_bytes << power for power in range(20) if least_bytes << power <= top_bytes]
    return tuple(
        _experiment(
            name,
            "What is the least budget that loses nothing, drained every 10 ms?",
            (
                bench.arm(
                    transport,
                    rung,
                    "",
                    TrialConfig(transport="", budget_bytes=0, storm=storm, consumer=drained),
                )
                for rung in rungs
                for transport in TRANSPORTS
            ),
            twin=None,
            blocks=LADDER_BLOCKS,
        )
        for name, storm in kinds.items()
    )


def _rates(bench: _Bench) -> tuple[Experiment, ...]:
    """Millions of records a second."""
    default = bench.amplified(20 * bench.workers, 1_000)
    batched = bench.amplified(150 * bench.workers, 1_000)
    sampled = replace(batched, producer=replace(batched.producer, wake=Wake.WATERMARK))
    sampled = replace(sampled, producer=replace(sampled.producer, watermark=500))
    one_cpu = replace(bench.on_cpus(bench.amplified(40, 500), 1), consumer=Consumer(cpu=0))
    return (
        _experiment(
            "rate-default",
            "Which delivers more events a second at default wake-ups?",
            (
                *(bench.arm(transport, MIB, "", default) for transport in (*TRANSPORTS, SHARDED)),
                *(
                    bench.arm(
                        transport, MIB, "libbcc", replace(default, consumer=_by_libbcc(EPOLL))
                    )
                    for transport in TRANSPORTS
                ),
            ),
        ),
        _experiment(
            "rate-sampled",
            "Which delivers more events a second if the perf buffer wakes at every 500th?",
            (
                bench.arm(RINGBUF, MIB, "", batched),
                bench.arm(SHARDED, MIB, "", batched),
                bench.arm(PERFBUF, MIB, "every500", sampled),
                bench.arm(RINGBUF, MIB, "every500", sampled),
            ),
        ),
        _experiment(
            "same-cpu",
            "What if producer and consumer share one CPU?",
            (bench.arm(transport, 512 * KIB, "", one_cpu) for transport in TRANSPORTS),
        ),
        _experiment(
            "consumer-cost",
            "Does a consumer that does more work get more, because it is woken less?",
            (
                bench.arm(
                    RINGBUF,
                    MIB,
                    f"{cost_ns}ns",
                    replace(
                        bench.amplified(100 * bench.workers, 500),
                        consumer=Consumer(cost_ns=cost_ns),
                    ),
                )
                for cost_ns in (0, 100, 300, 1_000)
            ),
        ),
    )


def _by_libbcc(consumer: Consumer) -> Consumer:
    return replace(consumer, reader=Reader.LIBBCC)


def _wakeups(bench: _Bench) -> tuple[Experiment, ...]:
    """What wake-ups cost and when they are raised."""
    waits = {
        "stopped": _STOPPED,
        "epoll": EPOLL,
        "timed": Consumer(poll=Poll.TIMED, interval_ms=5.0),
    }
    config = replace(bench.amplified(50 * bench.workers, 100), kernel_stats=True)
    budget_bytes = bench.holding_on_each(config)

    def woken(transport: str, variant: str, wake: Wake, **changes: object) -> Arm:
        call = changes.pop("call", Call.RESERVE)
        producer = replace(config.producer, wake=wake, call=call)  # type: ignore[arg-type]
        return bench.arm(
            transport,
            budget_bytes,
            variant,
            replace(config, producer=producer, **changes),  # type: ignore[arg-type]
        )

    policies = (Wake.NONE, Wake.ADAPTIVE, Wake.FORCED)
    loads = {1: 4_000, 10: 400, 100: 40}
    return (
        _experiment(
            "wake",
            "What does a record cost the kernel under each wake-up policy?",
            (
                *(
                    woken(RINGBUF, f"{wake}-{name}", wake, consumer=consumer)
                    for wake in policies
                    for name, consumer in waits.items()
                ),
                *(
                    woken(RINGBUF, f"output-{wake}-epoll", wake, call=Call.OUTPUT)
                    for wake in policies
                ),
                woken(PERFBUF, "none-epoll", Wake.NONE),
                woken(PERFBUF, "adaptive-epoll", Wake.ADAPTIVE),
            ),
        ),
        _experiment(
            "backlog",
            "How many wake-ups does a record raise as records come closer together?",
            (
                bench.arm(transport, MIB, f"{records}x", bench.amplified(exits, records))
                for records, exits in loads.items()
                for transport in TRANSPORTS
            ),
        ),
    )


def _bursts(bench: _Bench) -> tuple[Experiment, ...]:
    """Forced wake-ups in bursts, and the last record of very many small ones."""
    burst = Storm(shape=Shape.BURST, workers=1, spawn=Spawn.FORK, burst_size=1_500, count=1_500)
    small = replace(burst, burst_size=2, pause_ms=1.0, count=2 * BURSTS // BLOCKS)
    policies = (Wake.ADAPTIVE, Wake.FORCED)

    def bursting(storm: Storm, budget_bytes: int, wake: Wake) -> Arm:
        producer = Producer(wake=wake)
        config = TrialConfig(transport="", budget_bytes=0, storm=storm, producer=producer)
        return bench.arm(RINGBUF, budget_bytes, wake.value, config)

    return (
        _experiment(
            "burst-forced",
            "Do forced wake-ups lose less in a burst, or more?",
            (
                bursting(burst, budget_bytes, wake)
                for budget_bytes in (2 * bench.page_bytes, 16 * bench.page_bytes)
                for wake in policies
            ),
        ),
        _experiment(
            "last-record",
            "Is the last record of a small burst ever left without a wake-up?",
            (bursting(small, 16 * bench.page_bytes, wake) for wake in policies),
            twin=None,
        ),
    )


def _kernel_costs(bench: _Bench) -> tuple[Experiment, ...]:
    """Kernel ns per record, by call, by record size, by producers, by room."""
    quiet = replace(bench.amplified(60, 100, wake=Wake.NONE), consumer=_STOPPED, kernel_stats=True)
    sizes = {
        size: replace(quiet, producer=replace(quiet.producer, payload_bytes=size))
        for size in (0, 256, 1_024, 4_096)
    }
    # All records of all CPUs fit into the buffer of each, so that with many CPUs they are fewer.
    at_once = max(50, min(1_000, 8_000 // bench.cpus))
    held = replace(bench.amplified(80, at_once), consumer=_STOPPED, kernel_stats=True)
    perf_held = replace(held, producer=replace(held.producer, wake=Wake.WATERMARK, watermark=50))
    refused = replace(bench.amplified(200, 1_000, wake=Wake.NONE), consumer=_STOPPED)
    refused = replace(refused, kernel_stats=True)
    output = replace(refused, producer=replace(refused.producer, call=Call.OUTPUT))
    least_bytes = 16 * bench.page_bytes
    return (
        _experiment(
            "reserve-output",
            "Is reserve and submit cheaper than the output call, equally seldom woken?",
            (
                bench.arm(
                    RINGBUF,
                    bench.holding(config),
                    f"{call}-{size}",
                    replace(config, producer=replace(config.producer, call=call)),
                )
                for size, config in sizes.items()
                for call in Call
            ),
        ),
        _experiment(
            "producers",
            "What does a successful write cost as more CPUs write?",
            (
                bench.arm(
                    transport,
                    bench.holding_on_each(held),
                    f"{count}cpu",
                    bench.on_cpus(config, count),
                )
                for count in bench.producers()
                for transport, config in ((RINGBUF, held), (PERFBUF, perf_held))
            ),
        ),
        _experiment(
            "full",
            "What does a refused write cost, and does it grow as more CPUs write?",
            (
                *(
                    bench.arm(transport, least_bytes, f"{count}cpu", bench.on_cpus(refused, count))
                    for count in bench.producers()
                    for transport in TRANSPORTS
                ),
                bench.arm(RINGBUF, least_bytes, "output-1cpu", bench.on_cpus(output, 1)),
            ),
        ),
    )


def _two_cpus(bench: _Bench) -> tuple[Experiment, ...]:
    """What one CPU does to another; nothing on a machine with a single one."""
    if bench.cpus < 2:
        return ()
    last = bench.cpus - 1
    at_once = max(50, min(1_000, 8_000 // bench.cpus))
    alone = bench.on_cpus(bench.amplified(80, at_once, wake=Wake.NONE), 1)
    asleep = replace(alone, consumer=replace(_STOPPED, cpu=last), kernel_stats=True)
    busy = replace(alone, consumer=replace(BUSY, cpu=last), kernel_stats=True)
    uneven = Storm(shape=Shape.UNEVEN, rate_per_s=200.0, count=2_000, seconds=2.0)
    noisy = TrialConfig(
        transport="",
        budget_bytes=0,
        storm=uneven,
        producer=Producer(records_per_exit=20),
        consumer=Consumer(poll=Poll.TIMED, interval_ms=20.0),
    )
    slow_storm = replace(uneven, rate_per_s=1_000.0, count=700)
    slow = TrialConfig(transport="", budget_bytes=0, storm=slow_storm)
    delayed = replace(slow, producer=Producer(delay_ns=200_000, delay_cpu=0))
    return (
        _intervals(bench),
        _experiment(
            "busy-poll",
            "Does a consumer that polls busily make records dearer for the producer?",
            (
                bench.arm(transport, bench.holding_on_each(alone), name, config)
                for transport in TRANSPORTS
                for name, config in (("asleep", asleep), ("busy", busy))
            ),
        ),
        _experiment(
            "noisy-cpu",
            "Does one hot CPU take the room of a quiet one?",
            (bench.arm(transport, 16 * bench.page_bytes, "", noisy) for transport in TRANSPORTS),
        ),
        _experiment(
            "slow-producer",
            "Does a record that is not yet committed hold back those of other CPUs?",
            (
                bench.arm(transport, MIB, name, config)
                for transport in TRANSPORTS
                for name, config in (("prompt", slow), ("delayed", delayed))
            ),
        ),
    )


def _reading(bench: _Bench) -> tuple[Experiment, ...]:
    """How readers wait, what they are told, and whether records arrive whole."""
    trickle = replace(storms(bench.cpus)[Shape.TRICKLE], count=400)
    steady = replace(trickle, rate_per_s=5_000.0, gap=Gap.FIXED, count=1_500, cpus=(0,))
    storm = TrialConfig(
        transport="",
        budget_bytes=0,
        storm=replace(storms(bench.cpus)[Shape.STORM], count=750 * bench.workers),
    )
    mixed = replace(
        storm,
        storm=replace(storm.storm, count=500),
        producer=Producer(records_per_exit=8, payload_bytes=MIXED),
    )
    counted = replace(BUSY, count_syscalls=True)
    stalled = Consumer(reader=Reader.LIBBCC, stall_after_ms=10.0, stall_ms=50.0)

    def waiting(consumer: Consumer, wake: Wake = Wake.ADAPTIVE, every: int = 1) -> TrialConfig:
        return TrialConfig(
            transport="",
            budget_bytes=0,
            storm=steady if wake is Wake.WATERMARK else trickle,
            producer=Producer(wake=wake, watermark=every),
            consumer=consumer,
        )

    return (
        _experiment(
            "waiting",
            "Which way of waiting delivers soonest below capacity?",
            (
                bench.arm(transport, MIB, name, waiting(consumer))
                for transport in TRANSPORTS
                for name, consumer in (
                    ("epoll", EPOLL),
                    ("busy", BUSY),
                    ("libbcc", _by_libbcc(EPOLL)),
                )
            ),
            twin=None,
        ),
        _experiment(
            "sampling",
            "How long do sampled wake-ups of the perf buffer delay events?",
            (
                bench.arm(PERFBUF, MIB, f"every{every}", waiting(EPOLL, Wake.WATERMARK, every))
                for every in (1, 20, 100)
            ),
            twin=None,
        ),
        _experiment(
            "readers",
            "How much of a difference is the reader's, not the transport's?",
            (
                bench.arm(transport, MIB, name, replace(storm, consumer=consumer))
                for transport in TRANSPORTS
                for name, consumer in (("native", EPOLL), ("libbcc", _by_libbcc(EPOLL)))
            ),
            twin=None,
        ),
        _experiment(
            "migration",
            "Does the output call, which perf users know, record the same?",
            (
                bench.arm(RINGBUF, MIB, call.value, replace(storm, producer=Producer(call=call)))
                for call in Call
            ),
            twin=None,
        ),
        _experiment(
            "mixed-lengths",
            "Do records from 72 to 4,168 bytes arrive whole from one buffer?",
            (bench.arm(transport, 8 * MIB, "", mixed) for transport in TRANSPORTS),
            twin=None,
        ),
        _experiment(
            "system-calls",
            "How many system calls does a busily polling reader make for a record?",
            (
                bench.arm(
                    transport,
                    MIB,
                    "busy",
                    replace(bench.amplified(200, 100), consumer=counted),
                )
                for transport in TRANSPORTS
            ),
            twin=None,
        ),
        _experiment(
            "told",
            "Is user space told of what was lost while it read nothing?",
            (
                bench.arm(
                    transport, 2 * bench.page_bytes, "libbcc", replace(storm, consumer=stalled)
                )
                for transport in TRANSPORTS
            ),
            twin=None,
        ),
    )


def experiments(cpus: int, page_bytes: int) -> tuple[Experiment, ...]:
    """All of them, for a machine with ``cpus`` online; names of experiments and arms are unique."""
    bench = _Bench(cpus=cpus, page_bytes=page_bytes)
    return (
        *_of_profile(bench),
        *_ladders(bench),
        *_rates(bench),
        *_wakeups(bench),
        *_bursts(bench),
        *_kernel_costs(bench),
        *_two_cpus(bench),
        *_reading(bench),
    )
