# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Parse arms as they are written (``perfbuf:wakeup=50``, ``ringbuf:raw:scratch``); compose them.

In an experiment each arm has storms of its own. In a duet two arms share their storms, by a rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bench.errors import UsageError
from bench.linux.cpus import list_format
from bench.plan.config import MIXED, Attach, Call, Duet, Producer, TrialConfig, Wake
from bench.plan.experiments import (
    BASELINES,
    Arm,
    ArmName,
    Experiment,
    second_names,
    transport_arms,
)
from bench.plan.traits import Traits
from bench.record.layout import CHECKSUM_BYTES

_ONE: Final = "leave one of them out"

_CHECKED: Final = {"checked": True, "payload_bytes": CHECKSUM_BYTES}
_WORDS: Final[dict[str, dict[str, Any]]] = {
    **{call.value: {"call": call} for call in Call},
    "forced": {"wake": Wake.FORCED},
    "none": {"wake": Wake.NONE},
    "payload=mixed": {"payload_bytes": MIXED},
    "position=visit": {"lazy_reader": True},
    "copy=whole": {"whole_reader": True},
    "checked": _CHECKED,
    "scratch": {**_CHECKED, "scratch": True, "call": Call.OUTPUT},
    "raw": {**_CHECKED, "attach": Attach.RAW},
    "tp_btf": {**_CHECKED, "attach": Attach.TP_BTF},
}
_NUMBERS: Final = {  # the field, and the least and largest value
    "wakeup": ("watermark", 1, 1_000_000),
    "payload": ("payload_bytes", 0, 4096),
    "records": ("records_per_exit", 1, 1000),
    "delay": ("delay_ns", 1, 500_000),
    "delay-cpu": ("delay_cpu", 0, 8191),
    "consumers": ("consumers", 1, 64),
}

_READING: Final = ("lazy_reader", "whole_reader", "consumers")
"""Fields of an arm that say how it is read, and not what its BPF program does."""

SHORTEST_WINDOW_NS: Final = 500_000
"""A wake-up takes up to some 100 us: a shorter window is over before its records are read."""

LONGEST_WINDOW_NS: Final = 1_000_000_000
WASHOUT: Final = 0.2
LEAST_WASHOUT_NS: Final = 200_000
"""The beginning of a window that is left out, since the previous arm still has an effect.

It has this length or this share. How long the effect lasts does not depend on the window:
docs/metrics.md has the experiment.
"""

_WINDOW: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(us|ms|s)")
_UNITS_NS: Final = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSpec:
    """Hold one arm as requested."""

    transport: Traits
    producer: Producer = field(default_factory=Producer)
    variant: str = ""  # all that was written after the transport
    lazy_reader: bool = False
    whole_reader: bool = False
    consumers: int = 1  # threads that drain

    def __str__(self) -> str:
        return f"{self.transport.name}:{self.variant}".rstrip(":")

    @property
    def own_reader(self) -> bool:
        """Return whether it sets how records are read, which only bufbench's reader obeys."""
        return self.lazy_reader or self.whole_reader or self.consumers > 1


def side(text: str, find: Callable[[str], Traits], usual: Producer | None = None) -> ArmSpec:
    """Return the arm that ``text`` describes; UsageError for what is not one.

    ``usual`` has the defaults.
    """
    called, *words = text.replace(",", ":").split(":")
    transport = find(called)
    if transport.parameter and words and words[0].startswith(f"{transport.parameter}="):
        transport = find(f"{called}:{words.pop(0)}")
    for word in {*map(str, Call)} & {*words}:
        if not transport.calls:
            raise UsageError(f"{called} has no {word}: only rings do", remedy="leave it out")
    chosen: dict[str, Any] = {}
    for word in words:
        more = _chosen(word)
        if any(chosen.get(name, value) != value for name, value in more.items()):
            raise UsageError(f"{text[:80]}: {word} contradicts the words before it", remedy=_ONE)
        chosen |= more
    reading = {name: chosen.pop(name) for name in _READING if name in chosen}
    producer = replace(usual or Producer(), **chosen)
    if producer.checked:
        padded = usual is not None and usual.payload_bytes not in (0, CHECKSUM_BYTES)
        _check_checked(text, transport, producer, padded=padded)
    if producer.delay_cpu >= 0 and not producer.delay_ns:
        raise UsageError("delay-cpu has no effect without delay", remedy="add delay=NS")
    if producer.delay_ns and producer.records_per_exit > 1:
        raise UsageError(f"{text[:80]}: a delayed arm sends one record per exit", remedy=_ONE)
    if producer.payload_bytes > 0 and producer.payload_bytes % 8:
        raise UsageError(
            f"payload={producer.payload_bytes} is not a multiple of 8",
            remedy=f"take {producer.payload_bytes // 8 * 8 + 8}",
        )
    found = ArmSpec(transport=transport, producer=producer, variant=",".join(words), **reading)
    _check_reading(text, found)
    return found


def check_cpus(sides: Iterable[ArmSpec], usable: Sequence[int]) -> None:
    """Raise UsageError for a delay on a CPU where no process of a storm runs."""
    for each in sides:
        if each.producer.delay_cpu not in (-1, *usable):
            raise UsageError(
                f"{each}: CPU {each.producer.delay_cpu} is not usable",
                remedy=f"choose from {list_format(usable)}",
            )


def _check_reading(text: str, side: ArmSpec) -> None:
    """Raise UsageError for a way to read that has no effect on the arm's buffers."""
    in_place = side.transport.streams and not side.transport.overwrites
    for wrong, why in (
        (
            side.consumers > 1 and not (side.transport.per_cpu and side.transport.streams),
            "it has one buffer, or one table, which one consumer reads",
        ),
        (
            (side.lazy_reader or side.whole_reader) and not in_place,
            "only records that wait to be read can be read that way",
        ),
    ):
        if wrong:
            raise UsageError(f"{text[:80]}: {why}", remedy="leave it out")


def _check_checked(text: str, transport: Traits, producer: Producer, *, padded: bool) -> None:
    """Raise UsageError for what records with a checksum, or preemptible programs, cannot have."""
    call, counts = producer.call, producer.wake is Wake.WATERMARK and transport.calls
    for wrong, why, remedy in (
        (padded, "a checked record's payload is its checksum", "leave it out"),
        (
            transport.overwrites or call not in (Call.RESERVE, Call.OUTPUT),
            "a checked arm is written by reserve or output, and overwrites nothing",
            "take ringbuf, and neither dynptr nor largest",
        ),
        (
            producer.records_per_exit > 1,
            "a checked arm sends one record per exit",
            "leave records out",
        ),
        (
            counts and producer.attach.preemptible,
            "a program that may be preempted cannot count records up to a wake-up",
            "take adaptive, none or forced wake-ups",
        ),
    ):
        if wrong:
            raise UsageError(f"{text[:80]}: {why}", remedy=remedy)


def _chosen(word: str) -> dict[str, Any]:
    """Return the fields that one word sets."""
    if word in _WORDS:
        return _WORDS[word]
    name, _, value = word.partition("=")
    if name not in _NUMBERS or not (value.isascii() and value.isdecimal() and len(value) < 10):
        known = (*_WORDS, *(f"{each}=N" for each in _NUMBERS))
        raise UsageError(f"no arm has {word[:40]!r}", remedy=f"choose from {', '.join(known)}")
    field, least, most = _NUMBERS[name]
    if not least <= int(value) <= most:
        raise UsageError(f"{word} is out of range", remedy=f"take {least} to {most}")
    wake = {"wake": Wake.WATERMARK} if field == "watermark" else {}
    return {field: int(value), **wake}


def made(
    side: ArmSpec, config: TrialConfig, budget_bytes: int, *, cpus: int
) -> tuple[tuple[Arm, ...], tuple[str, ...]]:
    """Return the arms of ``side`` at a budget, and what had to be left out, in words."""
    config = replace(
        config,
        producer=side.producer,
        consumer=replace(config.consumer, threads=side.consumers),
        lazy_reader=side.lazy_reader,
        whole_reader=side.whole_reader,
    )
    arms, omitted = transport_arms(side.transport, config, budget_bytes, cpus=cpus)
    variant = side.variant
    return tuple(replace(arm, name=arm.name.having(variant=variant)) for arm in arms), omitted


def compose(
    *,
    name: str,
    title: str,
    config: TrialConfig,
    sides: Sequence[ArmSpec],
    budgets_bytes: Iterable[int],
    blocks: int,
    cpus: int,
    baselines: bool = False,
    twins_at: int | None = None,
) -> Experiment:
    """Return ``config`` under each of ``sides`` at each budget, all else being equal.

    ``baselines`` adds no tracer and one that writes nothing; ``twins_at`` A/A arms at that budget.
    """
    bare = replace(config, budget_bytes=0, kernel_stats=False)
    arms = [
        Arm(name=ArmName(name), config=replace(bare, transport=name))
        for name in (BASELINES if baselines else ())
    ]
    omitted: list[str] = []
    for budget_bytes in budgets_bytes:
        for side in sides:
            more, without = made(side, config, budget_bytes, cpus=cpus)
            arms += more
            omitted += without
            if budget_bytes == twins_at:
                arms += second_names(more[:1])
    return Experiment(
        name=name, title=title, arms=tuple(arms), blocks=blocks, omitted=tuple(omitted)
    )


def assignment(text: str) -> Duet:
    """Return the rule that ``text`` names: "record", "solo", or a window such as "1ms"."""
    if text in ("record", "solo"):
        return Duet(solo=text == "solo")
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text[:40]!r} is not an assignment",
            remedy="write record, solo, or a window like 1ms",
        )
    window_ns = round(float(match[1]) * _UNITS_NS[match[2]])
    if not SHORTEST_WINDOW_NS <= window_ns <= LONGEST_WINDOW_NS:
        why = (
            "hardly two fit into a storm"
            if window_ns > LONGEST_WINDOW_NS
            else "it ends before a wake-up has been answered"
        )
        raise UsageError(f"a window of {text} does not serve: {why}", remedy="take 500us to 1s")
    return Duet(window_ns=window_ns, washout_ns=max(int(WASHOUT * window_ns), LEAST_WASHOUT_NS))


def compose_duet(
    name: str,
    title: str,
    sides: tuple[ArmSpec, ArmSpec],
    config: TrialConfig,
    budget_bytes: int,
    *,
    blocks: int,
    cpus: int,
) -> Experiment:
    """Return the duet of two arms with the storm, consumer and rule of ``config``.

    UsageError if one of them cannot hold a record at this budget, or takes twice the other's.
    """
    found: list[Arm] = []
    for each in sides:
        if each.consumers > 1:
            raise UsageError(
                f"{each}: a duet has one consumer, which drains both arms",
                remedy=f"compare it with bufbench run --transport {each} --transport ...",
            )
        if each.producer.checked:
            raise UsageError(
                f"{each} is two programs of one kind, and a duet has one for each arm, on the "
                "perf tracepoint",
                remedy=f"compare it with bufbench run --transport {each} --transport ...",
            )
        arms, omitted = made(each, config, budget_bytes, cpus=cpus)
        if not arms:
            raise UsageError(omitted[0], remedy="take a larger budget")
        name_of = arms[0].name
        if found and name_of == found[0].name:
            name_of = name_of.having(copy=2)  # the same twice: A/A
        found.append(Arm(name=name_of, config=arms[0].config))
    least, most = sorted(arm.config.budget_bytes for arm in found)
    if most >= 2 * least:  # else the nearest that either can have
        raise UsageError(
            f"the arms of a duet have {least:,} and {most:,} bytes",
            remedy="choose a budget that both can have",
        )
    return Experiment(name=name, title=title, arms=tuple(found), blocks=blocks)
