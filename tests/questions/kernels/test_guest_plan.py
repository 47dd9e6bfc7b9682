# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what a guest runs within its time, by its own clock: said first, and nothing cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.plan.experiments import Experiment, Stage
from bench.questions.kernels import guest, profile, schedule
from bench.tracer import loader

LEFT_S = 300.0


class Guest:
    """Stand in for a campaign: every block takes as long as it would at this speed."""

    def __init__(self, progress: Path, rate_per_s: float, slowness: Sequence[float]) -> None:
        self.now_s, self.rate_per_s = 1_000.0, rate_per_s
        self.slowness = list(slowness)  # of the first experiment, the second ...; the last goes on
        self.progress, self.said = progress, list[str]()
        self.blocks: dict[str, int] = {}
        self.planned: dict[str, int] = {}
        self.no_time_for: tuple[str, ...] = ()
        self.trials: tuple[Any, ...] = ()
        facts = {"ring_buffer": "yes"}
        self.rig = SimpleNamespace(usable=(0, 1), kernel=SimpleNamespace(facts=facts))

    def monotonic(self) -> float:
        return self.now_s

    def census(self, _: object) -> None:
        self.now_s += 10.0

    def intend(self, *stages: Stage) -> None:
        for each in stages:
            self.planned.setdefault(each.experiment, each.blocks)

    def leave_out(self, *what: str) -> None:
        self.no_time_for = what

    def run(self, experiment: Experiment, _: object, *, first_block: int) -> tuple[Any, ...]:
        self.said.append(self.progress.read_text())
        if experiment.name == profile.CALIBRATION:
            self.now_s += 0.7
            return (
                SimpleNamespace(storm=SimpleNamespace(rate_per_s=self.rate_per_s), ledger=None),
            )
        assert experiment.blocks == first_block + 1
        if first_block == 0 and len(self.slowness) > 1 and self.blocks:
            self.slowness.pop(0)
        self.blocks[experiment.name] = experiment.blocks
        on = profile.Setting(rate_per_s=self.rate_per_s, cpus=2)
        (whole,) = (each for each in profile.experiments(on) if each.name == experiment.name)
        self.now_s += self.slowness[0] * schedule.seconds(whole, on) / whole.blocks
        return ()


def ran(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rate_per_s: float, *slowness: float
) -> tuple[Guest, float, tuple[str, ...]]:
    """Return the guest, how long it took, and what it left out."""
    one = Guest(folder / guest.PROGRESS, rate_per_s, slowness or (1.0,))
    monkeypatch.setattr(guest, "time", one)
    left_out = guest._run(one, folder, LEFT_S)  # type: ignore[arg-type]
    return one, one.now_s - 1_000.0, left_out


@pytest.mark.parametrize("rate_per_s", [60.0, 100.0, 150.0, 280.0, 550.0, 900.0, 8_000.0])
@pytest.mark.parametrize("slowness", [(1.0,), (0.7,), (1.4,), (1.0, 1.6), (1.5, 1.5, 0.8)])
def test_what_begins_ends(
    rate_per_s: float, slowness: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is slower than was thought, or becomes so after the first experiment."""
    one, seconds, left_out = ran(tmp_path, monkeypatch, rate_per_s, *slowness)
    if len(one.blocks) > 1:  # the most important one is run in any case
        assert seconds < LEFT_S * (1.15 if len(set(slowness)) == 1 else 1.4)
        assert not [each for each in left_out if "block" in each]
        for name, blocks in one.blocks.items():
            assert blocks == one.planned[name] >= (2 if name == "torn" else profile.BLOCKS)
    assert {*one.blocks, *left_out} >= {*schedule.IMPORTANCE}
    assert one.no_time_for == left_out
    assert {*one.planned} == {*schedule.IMPORTANCE}  # so that the journal shows what is missing


@pytest.mark.parametrize(
    ("release", "loads", "left_out"),
    [("5.10.0-46-amd64", "prebuilt", 1), ("5.10.0-46-amd64", "bcc", 0), ("5.12.0", "prebuilt", 0)],
)
def test_what_cannot_be_loaded_is_left_out_with_the_reason(
    release: str, loads: str, left_out: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest.os, "uname", lambda: SimpleNamespace(release=release))
    monkeypatch.setenv(loader.VARIABLE, loads)
    why = ["torn: left out, prebuilt tracers for raw tracepoints need Linux 5.12"]
    assert [*guest.unloadable()] == why[:left_out]
    one, _, lacking = ran(tmp_path, monkeypatch, 900.0)
    assert lacking == ()
    assert ("torn" in one.planned) is (left_out == 0)


def test_a_quick_guest_leaves_out_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _, left_out = ran(tmp_path, monkeypatch, 900.0)
    assert left_out == ()
    assert list(one.blocks) == [
        *("storm", "chain", "storm-duet", "trickle-duet", "storm-noise", "cost", "refused"),
        *("memory-spread", "memory-onecpu", "torn"),
    ]


def test_a_slow_one_says_at_its_first_experiment_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _, left_out = ran(tmp_path, monkeypatch, 200.0)
    assert left_out
    first = next(line for line in one.said if line.startswith("storm "))
    assert "; at 200 processes a second: " in first
    assert f"no time for {', '.join(left_out)}" in first
    assert "memory-spread" in first or "memory-spread" in one.blocks


def test_time_that_is_left_serves_what_seemed_to_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_expected, _, _ = ran(tmp_path, monkeypatch, 300.0)
    quicker, _, _ = ran(tmp_path, monkeypatch, 300.0, 0.6)
    assert {*quicker.blocks} > {*as_expected.blocks}
