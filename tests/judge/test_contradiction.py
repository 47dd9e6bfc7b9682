# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that blocks that contradict a duet of the same storm are named, with the size."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_trials import blocks

from bench.judge.comparison import Comparison, compare_arms
from bench.judge.filing import file
from bench.judge.samples import Stretch
from bench.judge.sharing import contradictions
from bench.plan.config import Duet
from bench.trial.result import Half, TrialResult

HALF = Half(second=False, key=1, swapped=False, ranks=None, washed_out=0)
NOISE = (1.0, 1.02, 0.99, 1.01, 0.98, 1.0, 1.03, 0.97)


def latencies(experiment: str, ratio: float, budget: str = "1MiB") -> list[TrialResult]:
    return [
        trial
        for arm, factor in (("ringbuf", ratio), ("perfbuf", 1.0))
        for trial in blocks(
            f"{arm}@{budget}",
            [
                {"p50_ns": round(20_000 * factor * each)}
                for each in NOISE[:: 1 if factor == 1 else -1]
            ],
            experiment=experiment,
        )
    ]


def in_duet(trials: list[TrialResult]) -> list[TrialResult]:
    return [replace(each, half=HALF, config=replace(each.config, duet=Duet())) for each in trials]


def compared(trials: list[TrialResult]) -> list[Comparison]:
    filed = file([Stretch(trials=trials)])
    return [each for samples in filed.values() for each in compare_arms(samples, ())]


def test_intervals_apart_are_a_contradiction_with_its_size() -> None:
    trials = latencies("storm", 0.7) + in_duet(latencies("storm-duet", 0.95))
    found = {each.label: each for each in contradictions(compared(trials))}
    assert found["latency p50"].apart == pytest.approx(0.95 / 0.7 - 1, rel=0.02)
    assert found["latency p50"].in_blocks.high < found["latency p50"].in_duet.low


@pytest.mark.parametrize(
    ("name", "ratio", "budget"),
    [
        ("storm", 0.94, "1MiB"),  # the intervals meet
        ("burst", 0.7, "1MiB"),  # another storm
        ("storm", 0.7, "64KiB"),  # another budget
    ],
)
def test_what_agrees_or_is_another_question_is_none(name: str, ratio: float, budget: str) -> None:
    trials = latencies(name, ratio, budget) + in_duet(latencies("storm-duet", 0.95))
    assert list(contradictions(compared(trials))) == []


def test_too_few_blocks_contradict_nothing() -> None:
    alone = [each for each in latencies("storm", 0.7) if each.block < 7]
    assert list(contradictions(compared(alone + in_duet(latencies("storm-duet", 0.95))))) == []
