# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer `bufbench tune` on storms whose numbers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from made_up_rounds import Rounds
from made_up_trials import trial

from bench.plan.budgets import MIB
from bench.plan.experiments import Arm
from bench.questions.sizing.plan import Load, stored_bytes
from bench.questions.tune.axis import Axis
from bench.questions.tune.document import Question, document
from bench.questions.tune.plan import Choice, Setting, choices, config
from bench.questions.tune.plan import grid as planned_grid
from bench.questions.tune.run import Outcome, Tuned, measure
from bench.questions.tune.terms import Buffers
from bench.report.document import Document
from bench.tracer.transports import find
from bench.trial.result import TrialResult

LOAD = Load(rate_per_s=4_000.0, stall_ms=0.0, seconds=0.25)
RING, PERF = find("ringbuf"), find("perfbuf")
Numbers = tuple[float, float]
"""Median latency in ms, and ms of consumer CPU; the 99th percentile is three times the median."""


def grid(budget_bytes: int = MIB) -> tuple[Choice, ...]:
    return choices([RING, PERF], config(LOAD, 2), budget_bytes, cpus=2)


def falls(setting: Setting) -> Numbers:
    """Return numbers in which flushes cost latency and save CPU, watermarks below 16 nothing."""
    if setting.default:
        return 0.1, 10.0
    if setting.wake_at == 4:
        return 0.2, 10.5
    return 0.5 * setting.flush_ms, 10.0 / (1 + setting.flush_ms)


class Made(Rounds):
    """Make runs whose trials have the numbers that ``of`` gives a setting."""

    def __init__(
        self, of: Callable[[Setting], Numbers], check: Callable[[Setting], Numbers] | None = None
    ) -> None:
        super().__init__()
        self.of, self.check = of, check or of
        self.settings = {each.arm.name: each.setting for each in grid()}
        self.lossy = ""

    def grid(self) -> Sequence[TrialResult]:
        return self.run(planned_grid(grid(), 8), lambda _: None)

    def trial(self, experiment: str, arm: Arm, block: int) -> TrialResult:
        numbers = self.of if experiment == "tune" else self.check
        p50_ms, cpu_ms = numbers(self.settings[arm.name])
        return trial(
            arm.name,
            block,
            experiment=experiment,
            p50_ns=round(p50_ms * 1e6),
            consumer_cpu_ns=round(cpu_ms * 1e6 * (1 + block / 100)),
            state=self.state(arm),
            dropped=3 if arm.name == self.lossy else 0,
        )


def outcome(made: Made, axis: Axis, within_ms: float = 10.0) -> Outcome:
    return measure(grid(), axis, within_ms, blocks=8, run=made.run, begin=lambda _: None)


def tuned(made: Made, axis: Axis, within_ms: float = 10.0) -> dict[str, Tuned]:
    return outcome(made, axis, within_ms).tuned


def answer(made: Made, axis: Axis, within_ms: float = 10.0) -> Document:
    buffers = {
        way.name: Buffers(
            way=way,
            budget_bytes=MIB,
            cpus=2,
            record_bytes=stored_bytes(way, config(LOAD, 2).producer),
        )
        for way in (RING, PERF)
    }
    found = outcome(made, axis, within_ms)
    return document(
        Question(
            load=LOAD,
            axis=axis,
            within_ms=within_ms,
            exits_per_s=4_000.0,
            workers=2,
            buffers=buffers,
            tuned=found.tuned,
            beside=found.beside,
            journal="tune.jsonl",
        )
    )
