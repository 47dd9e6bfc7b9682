# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that counts are exact for every shape, by every call, whatever the children do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.host import process
from workloads.generator import Generator
from workloads.storm import Gap, Shape, Spawn, Storm, StormReport

COUNT = 523  # no multiple of anything that the shapes divide it by
STORM = Storm(count=COUNT, workers=3, burst_size=50, depth=7, threads=3)


def run(storm: Storm, executable: Path) -> StormReport:
    with Generator(storm, executable=executable) as generator:
        generator.go()
        report = generator.wait(storm.seconds + 15)
        assert process.members(generator.session) == set()
    return report


def shaped(shape: Shape) -> Storm:
    if shape is Shape.TRICKLE:
        return replace(STORM, shape=shape, workers=1, rate_per_s=5_000.0)
    if shape is Shape.UNEVEN:
        return replace(STORM, shape=shape, workers=2, rate_per_s=5_000.0)
    if shape is Shape.REPLAY:
        return replace(STORM, shape=shape, schedule=(300, 0, 23, 200), bin_ms=20.0)
    return replace(STORM, shape=shape)


def children_of_the_quiet(storm: Storm, report: StormReport) -> int:
    """Return what an uneven storm's second worker made, beside the `count` of the first."""
    if storm.shape is not Shape.UNEVEN:
        return 0
    quiet = report.made - COUNT - storm.workers
    # It may be 0: so short a storm can be over before the quiet worker gets the CPU.
    assert 0 <= quiet <= 1 + 5_000 * report.seconds
    return quiet


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("spawn", Spawn)
@pytest.mark.parametrize("shape", Shape)
def test_every_process_is_made_and_reaped_once(shape: Shape, spawn: Spawn, forkstorm: Path) -> None:
    storm = replace(shaped(shape), spawn=spawn)
    report = run(storm, forkstorm)
    made = COUNT + storm.workers + children_of_the_quiet(storm, report)
    assert report.made == report.reaped == made
    assert report.exit_statuses == {0: made}
    assert report.failed == {}
    assert report.threads_made == (3 * COUNT if shape is Shape.THREADS else 0)
    assert report.stopped_by == ""
    assert report.lowered_from == 0
    assert 0 < report.start_ns < report.end_ns


@pytest.mark.slow
@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("execute", [False, True])
@pytest.mark.parametrize("shape", Shape)
def test_exit_codes_go_round(shape: Shape, execute: bool, forkstorm: Path) -> None:
    storm = replace(shaped(shape), exit_code=None, execute=execute)
    report = run(storm, forkstorm)
    expected = {code << 8: 2 + (code < COUNT - 512) for code in range(256)}
    expected[0] += storm.workers
    for number in range(children_of_the_quiet(storm, report)):
        expected[number % 256 << 8] += 1
    assert report.exit_statuses == expected


@pytest.mark.usefixtures("two_cpus")
def test_a_quiet_worker_at_rest_does_not_hold_the_storm_up(forkstorm: Path) -> None:
    report = run(Storm(shape=Shape.UNEVEN, count=50, rate_per_s=0.1), forkstorm)
    assert (report.made, report.stopped_by) == (52, "")  # its first child would have come after 5 s


def test_a_given_exit_code_is_every_childs(forkstorm: Path) -> None:
    storm = replace(STORM, exit_code=7)
    assert run(storm, forkstorm).exit_statuses == {0: 3, 7 << 8: COUNT}


@pytest.mark.parametrize("shape", [Shape.STORM, Shape.CHAIN])
def test_a_single_process(shape: Shape, forkstorm: Path) -> None:
    report = run(Storm(shape=shape, count=1, workers=1), forkstorm)
    assert report.reaped == 2


def test_more_workers_than_work(forkstorm: Path) -> None:
    for shape in (Shape.STORM, Shape.BURST, Shape.CHAIN):
        assert run(Storm(shape=shape, count=3, workers=16), forkstorm).reaped == 19


def test_nothing_is_counted_before_go(forkstorm: Path) -> None:
    with Generator(STORM, executable=forkstorm) as generator:
        assert process.members(generator.session) == {generator.session}


@pytest.mark.parametrize("gap", Gap)
def test_paced_arrivals_do_not_come_early(gap: Gap, forkstorm: Path) -> None:
    storm = Storm(shape=Shape.TRICKLE, count=201, rate_per_s=1_000.0, gap=gap)
    report = run(storm, forkstorm)
    assert report.reaped == 202
    # 200 gaps; exponential ones add up to this much or more with the default seed.
    assert report.seconds >= (0.2 if gap is Gap.FIXED else 0.15)


def test_the_rate_is_shared_by_the_workers(forkstorm: Path) -> None:
    report = run(replace(STORM, count=301, rate_per_s=1_000.0), forkstorm)
    assert report.seconds >= 0.295


def test_pauses_stand_between_bursts(forkstorm: Path) -> None:
    storm = Storm(shape=Shape.BURST, count=40, burst_size=10, pause_ms=50.0)
    assert run(storm, forkstorm).seconds >= 0.150
