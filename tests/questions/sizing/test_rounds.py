# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the rounds of a sizing on made-up storms: how much each transport needs is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from made_up_rounds import Rounds
from made_up_trials import trial

from bench.errors import MachineUnfit, NotBalanced
from bench.plan.budgets import KIB
from bench.plan.experiments import Arm, Experiment
from bench.questions.sizing.plan import Load, config
from bench.questions.sizing.run import Search, measure
from bench.trial.result import TrialResult

RUNGS = {
    "ringbuf": tuple((4 * KIB) << power for power in range(8)),
    "perfbuf": tuple((8 * KIB) << power for power in range(7)),
}


def ignore(_: Experiment) -> None:
    pass


@dataclass
class Made(Rounds):
    """Make runs whose storms lose something below a budget, and once more where asked to."""

    needed_bytes: dict[str, int]
    unlucky: set[tuple[str, str, int]] = field(default_factory=set)  # experiment, arm, block

    def trial(self, experiment: str, arm: Arm, block: int) -> TrialResult:
        loses = arm.config.budget_bytes < self.needed_bytes[arm.config.transport]
        loses = loses or (experiment, arm.name, block) in self.unlucky
        dropped, state = 5 if loses else 0, self.state(arm)
        return trial(arm.name, block, experiment=experiment, dropped=dropped, state=state)


def search(**changes: object) -> Search:
    plain = Search(
        chosen=config(Load(), 2), rungs_bytes=RUNGS, storms=20, tolerated=0.0, margin=2.0
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def answers(asked: Search, made: Made) -> dict[str, tuple[int | None, int | None]]:
    trials = measure(asked, made.run, ignore)
    return {
        found.transport: (found.minimum_bytes, found.recommended_bytes)
        for found in asked.judged(trials)
    }


def test_each_transport_gets_its_own_answer() -> None:
    made = Made({"ringbuf": 30 * KIB, "perfbuf": 100 * KIB})
    assert answers(search(), made) == {
        "ringbuf": (32 * KIB, 64 * KIB),
        "perfbuf": (128 * KIB, 256 * KIB),
    }
    # One round around both edges, in blocks of all their rungs.
    assert [each.name for each in made.asked if each.name == "size"] == ["size"]
    assert len(made.asked[-1].arms) == 8
    assert made.asked[-1].blocks == 20


def test_a_loss_by_chance_moves_the_minimum_up_and_the_search_on() -> None:
    made = Made({"ringbuf": 30 * KIB, "perfbuf": 30 * KIB}, {("size", "ringbuf@64KiB", 7)})
    found = answers(search(), made)
    assert found["ringbuf"] == (128 * KIB, 256 * KIB)
    assert found["perfbuf"] == (32 * KIB, 64 * KIB)


def test_all_that_is_recommended_was_tried() -> None:
    made = Made({"ringbuf": 0, "perfbuf": 0})
    assert answers(search(margin=8.0), made) == {
        "ringbuf": (4 * KIB, 32 * KIB),
        "perfbuf": (8 * KIB, 64 * KIB),
    }
    assert [arm.name for arm in made.asked[-1].arms] == ["ringbuf@32KiB", "perfbuf@64KiB"]


def test_a_load_that_no_size_holds_has_an_end() -> None:
    made = Made({"ringbuf": 1 << 30, "perfbuf": 1 << 30})
    assert answers(search(), made) == {"ringbuf": (None, None), "perfbuf": (None, None)}


def test_a_rung_without_results_is_no_answer() -> None:
    made = Made({"ringbuf": 30 * KIB, "perfbuf": 30 * KIB}, invalid="perfbuf@64KiB")
    with pytest.raises(NotBalanced, match="65536 bytes of perfbuf"):
        measure(search(), made.run, ignore)


def test_a_burst_that_was_cut_is_another_load() -> None:
    class Cut(Made):
        def trial(self, experiment: str, arm: Arm, block: int) -> TrialResult:
            made = super().trial(experiment, arm, block)
            return replace(made, storm=replace(made.storm, lowered_from=5_001))

    with pytest.raises(MachineUnfit, match=r"from 5,001 processes .*--burst"):
        measure(search(), Cut({"ringbuf": 0, "perfbuf": 0}).run, ignore)
