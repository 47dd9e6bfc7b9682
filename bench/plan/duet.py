# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A duet's arms as they are written: ``ringbuf``, ``ringbuf:output``, ``perfbuf:wakeup=50``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bench.errors import UsageError
from bench.plan.config import MIXED, Call, Duet, Producer, TrialConfig, Wake
from bench.plan.experiments import Arm, Experiment, transport_arms
from bench.plan.traits import Traits

SHORTEST_WINDOW_NS: Final = 500_000
"""A wake-up takes up to some 100 us: a shorter window is over before its records are read."""

LONGEST_WINDOW_NS: Final = 1_000_000_000
WASHOUT: Final = 0.2
"""Share of a window that is left out at its beginning, where the other arm's records are read."""

_WORDS: Final[dict[str, dict[str, Any]]] = {
    **{call.value: {"call": call} for call in Call},
    "forced": {"wake": Wake.FORCED},
    "none": {"wake": Wake.NONE},
    "payload=mixed": {"payload_bytes": MIXED},
    "position=visit": {"lazy_reader": True},
}
_OF_RINGS: Final = (*map(str, Call), "position=visit")
_NUMBERS: Final = {  # the field, and the least and largest value
    "wakeup": ("watermark", 1, 1_000_000),
    "payload": ("payload_bytes", 0, 4096),
    "records": ("records_per_exit", 1, 1000),
    "delay": ("delay_ns", 1, 500_000),
    "delay-cpu": ("delay_cpu", 0, 8191),
}
_WINDOW: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(us|ms|s)")
_UNITS_NS: Final = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One arm as it was asked for."""

    transport: Traits
    producer: Producer = field(default_factory=Producer)
    variant: str = ""  # all that was written after the transport
    lazy_reader: bool = False


def side(text: str, find: Callable[[str], Traits]) -> Side:
    """Return the arm that ``text`` describes; UsageError for what is not one."""
    called, *words = text.split(":")
    if words and words[0].startswith("rings="):  # of the transport's name
        called = f"{called}:{words.pop(0)}"
    transport = find(called)
    for word in {*_OF_RINGS} & {*words}:
        if not transport.calls:
            raise UsageError(f"{called} has no {word}: it is of rings only", remedy="leave it out")
    chosen: dict[str, Any] = {}
    for word in words:
        chosen |= _chosen(word)
    lazy_reader = bool(chosen.pop("lazy_reader", False))
    producer = Producer(**chosen)
    if producer.delay_cpu >= 0 and not producer.delay_ns:
        raise UsageError("delay-cpu has no effect without delay", remedy="add delay=NS")
    if producer.payload_bytes > 0 and producer.payload_bytes % 8:
        raise UsageError(
            f"payload={producer.payload_bytes} is not a multiple of 8",
            remedy=f"take {producer.payload_bytes // 8 * 8 + 8}",
        )
    variant = ",".join(words)
    return Side(transport=transport, producer=producer, variant=variant, lazy_reader=lazy_reader)


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
    return Duet(window_ns=window_ns, washout_ns=int(WASHOUT * window_ns))


def experiment(
    name: str,
    title: str,
    sides: tuple[Side, Side],
    config: TrialConfig,
    budget_bytes: int,
    *,
    blocks: int,
    cpus: int,
) -> Experiment:
    """Return the duet of two arms with the storm, consumer and rule of ``config``.

    UsageError where one of them cannot hold a record at this budget.
    """
    arms: list[Arm] = []
    for each in sides:
        made, omitted = transport_arms(
            each.transport,
            replace(config, producer=each.producer, lazy_reader=each.lazy_reader),
            budget_bytes,
            cpus=cpus,
        )
        if not made:
            raise UsageError(omitted[0], remedy="take a larger budget")
        name_of = made[0].name.having(variant=each.variant)
        if arms and name_of == arms[0].name:
            name_of = name_of.having(copy=2)  # the same twice: A/A
        arms.append(Arm(name=name_of, config=made[0].config))
    return Experiment(name=name, title=title, arms=tuple(arms), blocks=blocks)
