# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the experiments of claims for a machine: arms, budgets, amplified storms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bench.linux.pages import PAGE_BYTES
from bench.plan.arms import ArmSpec, assignment, compose_duet
from bench.plan.config import Consumer, Producer, Reader, TrialConfig, Wake
from bench.plan.experiments import Arm, Experiment, second_names, transport_arms
from bench.questions.transports.profiles import EPOLL, TRANSPORTS, storms
from bench.tracer.transports import traits
from workloads.storm import Gap, Shape, Storm

BLOCKS: Final = 8
MORE_BLOCKS: Final = 12
"""For a ladder, whose blocks resolve only factors of two; for producers, which contend for the lock
far more in some trials than in others; for differences of the order of the noise."""
MOST_BLOCKS: Final = 20
"""For rates with two regimes, and for losses in only some storms."""

DUET_STORMS: Final = 16  # of 0.2 s each, which resolve differences of 1 to 3 %
MOST_DUET_STORMS: Final = 40
"""For an arm that varies severalfold between storms, or takes less than a millisecond of each."""

LIBBCC: Final = replace(EPOLL, reader=Reader.LIBBCC)
_PRODUCER: Final = Producer()
RECORD_AND_HEADER_BYTES: Final = 96  # the longer of the two transports', rounded up


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Make experiments for the usable CPUs."""

    cpus: tuple[int, ...]  # usable; if the last one reads, the first one writes

    @property
    def count(self) -> int:
        """Count the usable CPUs."""
        return len(self.cpus)

    @property
    def workers(self) -> int:
        """Return one per CPU, but at least two."""
        return max(2, self.count)

    def producers(self) -> tuple[int, ...]:
        """Return 1, 2, 4 ... and all CPUs."""
        doubled = (1 << power for power in range(self.count.bit_length()))
        return tuple(sorted({*(count for count in doubled if count <= self.count), self.count}))

    def amplified(
        self,
        exits: int,
        records: int,
        *,
        wake: Wake = Wake.ADAPTIVE,
        consumer: Consumer = EPOLL,
        kernel_stats: bool = False,
    ) -> TrialConfig:
        """Return a storm on all CPUs that sends ``exits`` x ``records`` records."""
        storm = Storm(count=exits, workers=self.workers)
        config = trial(storm, consumer, Producer(records_per_exit=records, wake=wake))
        return replace(config, kernel_stats=kernel_stats)

    def on_cpus(self, config: TrialConfig, count: int) -> TrialConfig:
        """Return ``config`` with its storm on the first ``count`` CPUs, a worker each."""
        storm = replace(config.storm, workers=count, cpus=self.cpus[:count])
        return replace(config, storm=storm)

    def steady(self, rate_per_s: float, count: int) -> Storm:
        """Return processes that exit on the first CPU at equal intervals."""
        trickle = storms(self.count)[Shape.TRICKLE]
        return replace(
            trickle, rate_per_s=rate_per_s, gap=Gap.FIXED, count=count, cpus=self.cpus[:1]
        )

    def holding(self, config: TrialConfig, *, times: float = 1) -> int:
        """Return the least budget of one buffer that holds all records of ``config``.

        With ``times``, of that many such buffers, at most one per CPU, rounded up: inf lets each
        per-CPU buffer hold all records.
        """
        records = (config.storm.count + config.storm.workers) * config.producer.records_per_exit
        record_bytes = RECORD_AND_HEADER_BYTES + max(config.producer.payload_bytes, 0)
        one_bytes = power_of_two(max(records * record_bytes, PAGE_BYTES))
        return int(one_bytes * min(times, power_of_two(self.count)))

    def arm(self, transport: str, budget_bytes: int, variant: str, config: TrialConfig) -> Arm:
        """Make an arm. If the CPUs cannot share the budget equally, each gets more, not less."""
        arms, _ = transport_arms(traits(transport), config, budget_bytes, cpus=self.count)
        return replace(arms[-1], name=arms[-1].name.having(variant=variant))

    def duet(
        self,
        name: str,
        title: str,
        arms: Mapping[str, tuple[str, TrialConfig]],
        budget_bytes: int,
        *,
        assign: str = "record",
        storms: int = DUET_STORMS,
    ) -> Experiment:
        """Make a duet of two arms, by variant: transport and configuration of one storm."""
        (_, config), _ = arms.values()
        first, second = (
            ArmSpec(
                transport=traits(transport),
                producer=each.producer,
                variant=variant,
                lazy_reader=each.lazy_reader,
                whole_reader=each.whole_reader,
            )
            for variant, (transport, each) in arms.items()
        )
        config = replace(config, duet=assignment(assign), kernel_stats=False)
        sides = (first, second)
        return compose_duet(
            name, title, sides, config, budget_bytes, blocks=storms, cpus=self.count
        )

    def each(
        self,
        budget_bytes: int,
        configs: Mapping[str, TrialConfig],
        transports: Sequence[str] = TRANSPORTS,
    ) -> tuple[Arm, ...]:
        """Return every one of ``configs``, by variant, of every transport at one budget."""
        return tuple(
            self.arm(transport, budget_bytes, variant, config)
            for transport in transports
            for variant, config in configs.items()
        )


def trial(storm: Storm, consumer: Consumer = EPOLL, producer: Producer = _PRODUCER) -> TrialConfig:
    """Return a configuration to which ``Planner.arm`` gives transport and budget."""
    return TrialConfig(
        transport="", budget_bytes=0, storm=storm, producer=producer, consumer=consumer
    )


def sending(config: TrialConfig, **changes: Any) -> TrialConfig:
    """Return ``config`` with ``changes`` to its producer."""
    return replace(config, producer=replace(config.producer, **changes))


def power_of_two(number: int) -> int:
    """Return the least power of two not below ``number``."""
    return 1 << (number - 1).bit_length()


def experiment(
    name: str,
    title: str,
    arms: Iterable[Arm],
    *,
    twins: tuple[int, ...] = (0,),
    blocks: int = BLOCKS,
) -> Experiment:
    """Make an experiment; arms at the indices ``twins`` run twice, each as an A/A pair."""
    found = tuple(arms)
    again = second_names([found[twin] for twin in twins])
    return Experiment(name=name, title=title, arms=(*found, *again), blocks=blocks)


def titled(questions: Mapping[str, str]) -> Callable[..., Experiment]:
    """Return a maker of experiments whose titles are the ``questions``, by name."""
    return lambda name, arms, **more: experiment(name, questions[name], arms, **more)
