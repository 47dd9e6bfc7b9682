# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that what the generator notes of each child agrees with what it reports."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from workloads import truth
from workloads.generator import Generator
from workloads.storm import Shape, Spawn, Storm, StormReport


def known(
    storm: Storm, *, kill_every: int = 0, room: int = 0
) -> tuple[StormReport, truth.Children]:
    """Run a storm; return its report and its children."""
    with truth.kept(room or storm.count, kill_every=kill_every) as kept:
        with Generator(storm, truth=kept) as generator:
            generator.go()
            report = generator.wait(30)
        return report, kept.children()


@pytest.mark.parametrize("spawn", Spawn)
@pytest.mark.parametrize("shape", [Shape.STORM, Shape.BURST, Shape.CHAIN, Shape.THREADS])
def test_every_child_is_there_once_with_its_status(shape: Shape, spawn: Spawn) -> None:
    storm = Storm(shape=shape, spawn=spawn, count=600, burst_size=100, exit_code=None)
    report, children = known(storm)
    assert len(children) == 600 == report.reaped - storm.workers
    assert len(np.unique(children["pid"])) == 600
    statuses = Counter(map(int, children["status"]))
    statuses[0] += storm.workers  # which are not its children
    assert statuses == report.exit_statuses
    assert (np.diff(children["reaped_ns"].astype(np.int64)) >= 0).all()
    assert report.start_ns <= children["reaped_ns"][0] <= children["reaped_ns"][-1] <= report.end_ns


def test_a_chain_s_child_is_reaped_before_its_parent() -> None:
    _, children = known(Storm(shape=Shape.CHAIN, count=160, depth=8))
    at = {int(pid): place for place, pid in enumerate(children["pid"])}
    pairs = [
        (place, at[int(parent)])
        for place, parent in enumerate(children["parent"])
        if int(parent) in at
    ]
    assert len(pairs) == 160 * 7 // 8
    assert all(child < parent for child, parent in pairs)


@pytest.mark.parametrize("spawn", Spawn)
def test_some_kill_themselves(spawn: Spawn) -> None:
    report, children = known(Storm(spawn=spawn, count=160, workers=2), kill_every=16)
    assert Counter(map(int, children["status"])) == {0: 150, 9: 10}
    assert report.exit_statuses == {0: 152, 9: 10}


def test_no_more_is_written_than_there_is_room_for() -> None:
    _, children = known(Storm(count=300), room=100)
    assert len(children) == 100
