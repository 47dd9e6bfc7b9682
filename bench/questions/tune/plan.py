# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plan a tuning: the settings to try under one load, in blocks, and two of them in duets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.amounts import given, size
from bench.errors import UsageError
from bench.plan.config import Duet, TrialConfig, Wake
from bench.plan.experiments import Arm, Experiment, transport_arms
from bench.plan.traits import Traits
from bench.questions.sizing import plan as sizing
from bench.questions.sizing.plan import Load, stored_bytes
from bench.questions.transports.profiles import sized

GRID: Final = "tune"
DUETS: Final = 10
"""Duets of a recommended setting and its default, which did not choose it."""

WAKE_AT: Final = (4, 16, 64)
FLUSH_MS: Final = (1, 5, 20)


_LATEST: Final = 10.0
"""Multiple of its length after which a storm is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Define when the consumer reads. Both 0: as the transport does by default."""

    wake_at: int = 0  # unread records; 0 with a flush: no wake-up is raised
    flush_ms: int = 0  # all is read this long after the last wait began; 0: never

    @property
    def default(self) -> bool:
        """Return whether nothing is set."""
        return self == Setting()

    @property
    def label(self) -> str:
        """Return the name of its row: "16, 5 ms", "never, 5 ms", "default"."""
        if self.default:
            return "default"
        return f"{self.wake_at or 'never'}, {given(self.flush_ms, 'ms')}"

    @property
    def variant(self) -> str:
        """Return its arm's variant: "wakeup=16,flush=5ms"; "" for the default."""
        if self.default:
            return ""
        return f"wakeup={self.wake_at or 'none'},flush={self.flush_ms}ms"


SETTINGS: Final = (
    Setting(),
    *(Setting(wake_at=records, flush_ms=ms) for records in (*WAKE_AT, 0) for ms in FLUSH_MS),
)
"""The default first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Hold one setting of one transport, and the arm that tries it."""

    transport: str
    setting: Setting
    arm: Arm


def config(load: Load, cpus: int) -> TrialConfig:
    """Return the trial that puts ``load`` on a buffer, without transport and budget.

    The same number of processes ends in each storm: storms ended by time would differ in load.
    """
    chosen = sizing.config(load, cpus)
    storm = chosen.storm
    if storm.timed:
        storm = sized(replace(storm, timed=False), seconds=load.seconds, least=storm.workers)
        storm = replace(storm, seconds=_LATEST * load.seconds + 5.0)
    return replace(chosen, storm=storm)


def choices(
    ways: Sequence[Traits], chosen: TrialConfig, budget_bytes: int, *, cpus: int
) -> tuple[Choice, ...]:
    """Return every setting of each transport; UsageError if a record does not fit.

    A watermark above half of a buffer is left out: it would be reached too late.
    """
    if counting := [way.name for way in ways if not way.streams]:
        raise UsageError(f"{counting[0]} raises no wake-ups", remedy="leave it out of --transport")
    found = tuple(each for way in ways for each in _of(way, chosen, budget_bytes, cpus))
    if not found:
        raise UsageError("there is no transport to tune", remedy="name one with --transport")
    return found


def _of(way: Traits, chosen: TrialConfig, budget_bytes: int, cpus: int) -> Iterator[Choice]:
    arms, omitted = transport_arms(way, chosen, budget_bytes, cpus=cpus)
    if not arms:
        raise UsageError(omitted[0], remedy="take a larger --budget than " + size(budget_bytes))
    plain = arms[-1]  # of two sizes around a budget that does not divide, the larger
    record_bytes = stored_bytes(way, chosen.producer)
    most_bytes = plain.config.budget_bytes // way.buffers(cpus) // 2
    for setting in SETTINGS:
        if setting.wake_at * record_bytes <= most_bytes:
            arm = _arm(plain, setting, record_bytes)
            yield Choice(transport=way.name, setting=setting, arm=arm)


def _arm(plain: Arm, setting: Setting, record_bytes: int) -> Arm:
    if setting.default:
        return plain
    config = plain.config
    producer = replace(config.producer, wake=Wake.NONE)
    if setting.wake_at:
        producer = replace(producer, wake=Wake.BYTES, watermark=setting.wake_at * record_bytes)
    consumer = replace(config.consumer, flush_ms=float(setting.flush_ms))
    return Arm(
        name=plain.name.having(variant=setting.variant),
        config=replace(config, producer=producer, consumer=consumer),
    )


def grid(tried: Iterable[Choice], blocks: int) -> Experiment:
    """Run the arms of ``tried`` in blocks, each in random order."""
    title = "When should the consumer be woken for this load?"
    arms = tuple(each.arm for each in tried)
    return Experiment(name=GRID, title=title, arms=arms, blocks=blocks)


def duets(name: str, pair: Sequence[Choice]) -> Experiment:
    """Run two choices in duets, solo: in any other, one wait would read both."""
    arms = tuple(
        replace(each.arm, config=replace(each.arm.config, duet=Duet(solo=True))) for each in pair
    )
    return Experiment(name=name, title="Is the first setting better?", arms=arms, blocks=DUETS)
