# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plan duets: two arms that share their storms, and the rule by which exits are assigned."""

from __future__ import annotations

import re
from typing import Final

from bench.errors import UsageError
from bench.plan import arms
from bench.plan.arms import Side
from bench.plan.config import Duet, TrialConfig
from bench.plan.experiments import Arm, Experiment

SHORTEST_WINDOW_NS: Final = 500_000
"""A wake-up takes up to some 100 us: a shorter window is over before its records are read."""

LONGEST_WINDOW_NS: Final = 1_000_000_000
WASHOUT: Final = 0.2
LEAST_WASHOUT_NS: Final = 200_000
"""The beginning of a window that is left out, since the arm before still has an effect.

It has this length or this share. How long the effect lasts does not depend on the window:
docs/metrics.md has the experiment.
"""

_WINDOW: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(us|ms|s)")
_UNITS_NS: Final = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


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
    found: list[Arm] = []
    for each in sides:
        if each.producer.checked:
            raise UsageError(
                f"{each} is two programs of one kind, and a duet has one for each arm, on the "
                "perf tracepoint",
                remedy=f"compare it with bufbench run --transport {each} --transport ...",
            )
        made, omitted = arms.made(each, config, budget_bytes, cpus=cpus)
        if not made:
            raise UsageError(omitted[0], remedy="take a larger budget")
        name_of = made[0].name
        if found and name_of == found[0].name:
            name_of = name_of.having(copy=2)  # the same twice: A/A
        found.append(Arm(name=name_of, config=made[0].config))
    return Experiment(name=name, title=title, arms=tuple(found), blocks=blocks)
