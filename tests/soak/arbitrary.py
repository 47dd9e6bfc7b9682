# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw random trials from a seed: any configuration that this machine can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from bench.plan.budgets import KIB, MIB
from bench.plan.config import MIXED, Call, Consumer, Poll, Producer, Reader, TrialConfig, Wake
from bench.plan.experiments import Arm, transport_arms
from bench.tracer.transports import find
from workloads.storm import Gap, Shape, Spawn, Storm

_BUDGETS_BYTES: Final = (8 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 8 * MIB)
_PAYLOADS_BYTES: Final = (0, 0, 0, 64, 256, MIXED)
_MOST_RECORDS: Final = 100_000  # of one storm: so that a trial takes a second or less


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Describe the machine that random trials are drawn for."""

    transports: Sequence[str]
    cpus: tuple[int, ...]  # usable ones


def arm(setting: Setting, seed: int, number: int) -> Arm:
    """Return trial ``number`` of a soak with this seed: the same one each time."""
    random = Random(f"{seed} {number}")
    while True:
        config = TrialConfig(
            transport=random.choice(setting.transports),
            budget_bytes=0,
            storm=_storm(random, setting.cpus),
            producer=_producer(random),
            kernel_stats=random.random() < 0.2,
        )
        config = replace(config, consumer=_consumer(random, setting.cpus, config))
        arms, _ = transport_arms(
            find(config.transport),
            _bounded(config),
            random.choice(_BUDGETS_BYTES),
            cpus=len(setting.cpus),
        )
        if arms:
            chosen = random.choice(arms)
            # A variant of its own, so that it is compared with nothing.
            name = chosen.name.having(variant=str(number))
            return Arm(name=name, config=chosen.config)


def _bounded(config: TrialConfig) -> TrialConfig:
    """Return ``config`` with as few processes as its records per exit require."""
    producer, storm = config.producer, config.storm
    if storm.rate_per_s:  # paced: the rate sets its length
        return replace(config, producer=replace(producer, records_per_exit=1))
    most = max(20, _MOST_RECORDS // producer.records_per_exit)
    return replace(config, storm=replace(storm, count=min(storm.count, most)))


def _storm(random: Random, cpus: tuple[int, ...]) -> Storm:
    shape = random.choice([each for each in Shape if each.cpus <= len(cpus)])
    replayed = tuple(random.randint(0, 300) for _ in range(5)) if shape is Shape.REPLAY else ()
    paced = shape in (Shape.TRICKLE, Shape.UNEVEN)
    spawn = random.choice(tuple(Spawn))
    return Storm(
        shape=shape,
        count=max(1, sum(replayed)) if replayed else random.randint(20, 600 if paced else 3_000),
        schedule=replayed,
        bin_ms=20.0 if replayed else 0.0,
        workers=random.randint(1, 2 * len(cpus)),
        spawn=Spawn.FORK if shape is Shape.BURST and spawn is Spawn.VFORK else spawn,
        rate_per_s=float(random.choice((500, 2_000, 8_000))) if paced else 0.0,
        gap=random.choice(tuple(Gap)),
        burst_size=random.randint(2, 1_000),
        pause_ms=random.choice((0.0, 0.0, 2.0)),
        depth=random.randint(2, 16),
        threads=random.randint(1, 8),
        execute=random.random() < 0.1,
        exit_code=random.choice((0, None, 7)),
        seconds=5.0,
        seed=random.randrange(2**32),
    )


_EDGES = (Poll.EDGE, Poll.EDGE_BARE)


def _producer(random: Random) -> Producer:
    wake = random.choice(tuple(Wake))
    delayed = random.random() < 0.1
    return Producer(
        wake=wake,
        watermark=random.choice((1, 20, 500)) if wake in (Wake.WATERMARK, Wake.BYTES) else 1,
        call=random.choice(tuple(Call)),
        payload_bytes=random.choice(_PAYLOADS_BYTES),
        records_per_exit=1 if delayed else random.choice((1, 1, 1, 10, 100, 1_000)),
        delay_ns=random.choice((1_000, 20_000)) if delayed else 0,
    )


def _consumer(random: Random, cpus: tuple[int, ...], config: TrialConfig) -> Consumer:
    woken = config.transport != "perfbuf" or config.producer.wake not in (Wake.NONE, Wake.BYTES)
    by_libbcc = random.random() < 0.2 and woken
    return Consumer(
        reader=Reader.LIBBCC if by_libbcc else Reader.NATIVE,
        poll=random.choice([each for each in Poll if each not in _EDGES or not by_libbcc]),
        interval_ms=random.choice((1.0, 5.0)),
        flush_ms=random.choice((0.0, 0.0, 2.0)),
        stall_after_ms=5.0,
        stall_ms=random.choice((0.0, 0.0, 20.0)),
        cost_ns=random.choice((0, 0, 0, 1_000)),
        cpu=random.choice((None, *cpus)),
        count_syscalls=random.random() < 0.1,
    )
