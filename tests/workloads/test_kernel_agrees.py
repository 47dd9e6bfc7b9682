# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare the report with the kernel's own account of forks and exits, which shows the shapes."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from kernel_events import Event, Process, Unavailable, listening

from workloads.generator import Generator
from workloads.storm import Gap, Shape, Spawn, Storm, StormReport

pytestmark = pytest.mark.slow

STORM = Storm(count=600, workers=2, burst_size=100, depth=8, threads=3, exit_code=None)


def run(storm: Storm, executable: Path) -> tuple[StormReport, list[Event]]:
    try:
        with listening() as kernel, Generator(storm, executable=executable) as generator:
            generator.go()
            report = generator.wait(storm.seconds + 15)
            return report, kernel.of_session(generator.session)
    except Unavailable as why:
        pytest.skip(f"cannot listen to the kernel's process events ({why}): run as root")


def forks(events: list[Event]) -> list[Event]:
    """Return forks of processes, not of threads."""
    return [e for e in events if e.status is None and not e.of_thread]


def ends(events: list[Event]) -> dict[Process, Event]:
    """Return exits of whole processes."""
    return {e.process: e for e in events if e.status is not None and not e.of_thread}


def parents(events: list[Event]) -> dict[Process, Process | None]:
    return {e.process: e.process.parent for e in forks(events)}


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("spawn", Spawn)
@pytest.mark.parametrize("shape", Shape)
def test_every_exit_is_in_the_report(shape: Shape, spawn: Spawn, forkstorm: Path) -> None:
    rate_per_s = 5_000.0 if shape in (Shape.TRICKLE, Shape.UNEVEN) else 0.0
    storm = replace(STORM, shape=shape, spawn=spawn, rate_per_s=rate_per_s)
    if shape is Shape.REPLAY:
        storm = replace(storm, schedule=(100, 0, STORM.count - 100), bin_ms=20.0)
    report, events = run(storm, forkstorm)
    assert report.made == len(parents(events))
    assert report.reaped == len(ends(events))
    assert report.exit_statuses == Counter(e.status for e in ends(events).values())
    assert report.threads_made == sum(e.status is not None and e.of_thread for e in events)


def test_exits_after_exec_are_in_the_report(forkstorm: Path) -> None:
    report, events = run(replace(STORM, execute=True), forkstorm)
    assert report.exit_statuses == Counter(e.status for e in ends(events).values())


@pytest.mark.parametrize("spawn", Spawn)
def test_a_chain_has_its_depth_and_no_branches(spawn: Spawn, forkstorm: Path) -> None:
    _, events = run(replace(STORM, shape=Shape.CHAIN, count=596, spawn=spawn), forkstorm)
    parent_of = parents(events)
    children = Counter(parent_of.values())
    workers = {process for process, parent in parent_of.items() if parent not in parent_of}
    depths: Counter[int] = Counter()
    for process in parent_of.keys() - children.keys() - workers:  # the last of each chain
        depth, link = 1, process
        while (parent := parent_of[link]) is not None and parent not in workers:
            assert children[parent] == 1
            depth, link = depth + 1, parent
        depths[depth] += 1
    assert depths == {8: 74, 4: 1}


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("spawn", Spawn)
def test_pairs_end_on_two_cpus_and_alternate(spawn: Spawn, forkstorm: Path) -> None:
    _, events = run(replace(STORM, shape=Shape.PINGPONG, spawn=spawn), forkstorm)
    parent_of, end_of = parents(events), ends(events)
    workers = {process for process, parent in parent_of.items() if parent not in parent_of}
    pairs = [
        (end_of[child], end_of[parent])
        for child, parent in parent_of.items()
        if child not in workers and parent not in workers
    ]
    assert len(pairs) == 300
    assert all(child.cpu != parent.cpu for child, parent in pairs)
    assert len({child.cpu for child, _ in pairs}) > 1


def test_a_hot_cpu_sees_every_exit(forkstorm: Path) -> None:
    _, events = run(replace(STORM, shape=Shape.HOTCPU), forkstorm)
    assert len({e.cpu for e in ends(events).values()}) == 1


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("spawn", Spawn)
def test_uneven_has_a_hot_cpu_and_a_quiet_one(spawn: Spawn, forkstorm: Path) -> None:
    # Long enough for the quiet worker to make some children even where others compete for its CPU.
    storm = replace(STORM, shape=Shape.UNEVEN, count=4_000, spawn=spawn, rate_per_s=1_000.0)
    report, events = run(storm, forkstorm)
    parent_of, end_of = parents(events), ends(events)
    hot, quiet = (each for each, parent in parent_of.items() if parent not in parent_of)
    children = Counter(
        (parent_of[each], end_of[each].cpu) for each in parent_of.keys() - {hot, quiet}
    )
    cpus = sorted(os.sched_getaffinity(0))
    paced = report.made - 4_002
    assert paced > 0
    assert children == {(hot, cpus[0]): 4_000, (quiet, cpus[-1]): paced}


def test_a_burst_is_complete_before_it_ends(forkstorm: Path) -> None:
    _, events = run(replace(STORM, shape=Shape.BURST), forkstorm)
    parent_of, end_of = parents(events), ends(events)
    made = [e for e in forks(events) if e.process.parent in parent_of]
    made.sort(key=lambda event: event.time_ns)
    for first in range(0, 600, 100):
        burst = made[first : first + 100]
        assert burst[-1].time_ns < min(end_of[event.process].time_ns for event in burst)


def test_every_process_has_its_threads(forkstorm: Path) -> None:
    _, events = run(replace(STORM, shape=Shape.THREADS), forkstorm)
    threads = [e.process for e in events if e.status is not None and e.of_thread]
    assert Counter(Counter(threads).values()) == {3: 600}


def test_exponential_gaps_vary(forkstorm: Path) -> None:
    # The gaps are many times as long as a process takes, which would otherwise even them out.
    storm = Storm(shape=Shape.TRICKLE, count=400, rate_per_s=200.0, gap=Gap.EXPONENTIAL)
    _, events = run(storm, forkstorm)
    made_ns = [e.time_ns for e in forks(events)][1:]
    gaps_ns = [later - earlier for earlier, later in pairwise(made_ns)]
    # The coefficient of variation is 1 for exponential gaps, 0 for fixed ones.
    assert statistics.stdev(gaps_ns) / statistics.mean(gaps_ns) > 0.7
