# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figure: what an event costs, in the consumer, in the kernel and the workload."""

from __future__ import annotations

from bench.judge.numbers import number
from bench.questions.transports.figures.strips import Strip, drawn
from bench.questions.transports.material import Material
from bench.report.document import Figure
from bench.report.figure import NS_LABELS
from bench.report.units import time
from bench.trial.result import TrialResult


def _consumer(trial: TrialResult) -> float | None:
    seconds = number("consumer_cpu_s_per_million")(trial)
    return None if seconds is None else seconds * 1e3  # per million, in s: per event, in ns


_STRIPS = (
    Strip(
        title="Consumer CPU per event",
        axis="CPU time per event delivered",
        take=_consumer,
        words=time,
        labels=NS_LABELS,
    ),
    Strip(
        title="Kernel time per exit",
        axis="time in the BPF program, wake-ups included",
        take=number("kernel_ns_per_run"),
        words=time,
        labels=NS_LABELS,
    ),
    Strip(
        title="Storm time per process",
        axis="length of the storm over its processes",
        take=number("storm_ns_per_process"),
        words=time,
        labels=NS_LABELS,
    ),
)


def figure(material: Material) -> Figure | None:
    """Draw three strips, as far as the trials have the numbers."""
    ways, panels = drawn(_STRIPS, material)
    if not panels:
        return None
    return Figure(
        key="cost",
        title="Cost per event",
        reading="Further left is better: each point is one trial, the bar the median. Compare "
        "within a row, and only by the paired ratios of the tables: machines drift between trials.",
        transports=ways,
        panels=panels,
        notes=(
            (
                "Kernel time is counted in trials of their own, since counting costs. Most of it "
                "may be the wake-up, which is dear under virtualisation; the tables give it net "
                "of wake-ups too."
            ),
        ),
    )
