# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what others did during a trial: the accounts, the bounds, and real hogs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil
import pytest
from trials import KIB, run

from bench.amounts import seconds
from bench.linux import procfs
from bench.measure.ledger import Ledger
from bench.plan.config import TrialConfig
from bench.trial.assess import FOREIGN_CPUS_BOUND, state_of
from bench.trial.competition import Accounts, Competition, between, read
from bench.trial.result import Conditions, State
from bench.trial.rig import Rig
from workloads.generator import Generator
from workloads.storm import Shape, Storm

QUIET = Conditions(steal_share=0.0, load_1m=1.0, other_exits=0, foreign_cpus=0.0)
ACCOUNT = Ledger(
    attempted=6_100,
    delivered=6_100,
    dropped=0,
    dropped_by_cause={},
    own_exits=6_000,
    own_attempted=6_000,
    own_delivered=6_000,
    own_dropped=0,
    reaped=6_000,
    missed=0,
    residues=(),
)
BEFORE = Accounts(at_s=100.0, working_s=50.0, own_s=9.0, stalled_s={"cpu": 3.0, "io": 1.0})
STEADY = Storm(shape=Shape.TRICKLE, count=400, rate_per_s=400.0)


def test_what_others_used_is_what_all_did_less_what_the_trial_did() -> None:
    after = Accounts(at_s=102.0, working_s=53.0, own_s=10.0, stalled_s={"cpu": 4.0, "io": 1.5})
    assert between(BEFORE, after, cpus=2) == Competition(
        foreign_cpus=1.0, foreign_cpus_error=pytest.approx(0.15), stalled={"cpu": 0.5, "io": 0.25}
    )


def test_a_short_trial_and_many_cpus_are_sampled_worse() -> None:
    errors = [
        between(BEFORE, replace(BEFORE, at_s=100.0 + passed_s), cpus=cpus).foreign_cpus_error
        for passed_s, cpus in ((8.0, 2), (0.08, 2), (2.0, 128))
    ]
    assert errors == pytest.approx([0.075, 0.75, 1.2])


def test_ticks_that_fell_otherwise_are_nothing_below_nothing() -> None:
    after = Accounts(at_s=102.0, working_s=51.0, own_s=10.5, stalled_s={"cpu": 2.9, "memory": 7.0})
    found = between(BEFORE, after, cpus=2)
    assert (found.foreign_cpus, found.stalled) == (0.0, {"cpu": 0.0})
    assert between(BEFORE, BEFORE, cpus=2).foreign_cpus == 0.0


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(1.0, 1.25, 0.25), (1.0, 1.0, 0.0), (None, 1.0, None)]
)
def test_a_quota_s_stops_are_those_of_the_trial(
    before: float | None, after: float | None, expected: float | None
) -> None:
    first, last = (replace(BEFORE, throttled_s=each) for each in (before, after))
    assert between(first, last, cpus=2).throttled_s == expected


@pytest.mark.parametrize(
    ("within", "beyond", "reason"),
    [
        (
            {"throttled_s": 0.0},
            {"throttled_s": 0.351},
            "the CPU quota of the cgroup (cpu.max) stopped tasks for 351 ms (bound: 0)",
        ),
        ({"throttled_s": None}, {"throttled_s": 1e-4}, "the CPU quota"),
        (
            {"foreign_cpus": 0.25},
            {"foreign_cpus": 0.951},
            "others' processes used 0.95 CPU seconds a second (bound: 0.25)",
        ),
        (
            {"other_exits": 300},
            {"other_exits": 2_496},
            "2,496 processes outside the storm exited beside its 6,000 records (bound: 5 %)",
        ),
        (
            {"stalled": {"memory": 0.1, "io": 0.1, "cpu": 1.0}},
            {"stalled": {"memory": 0.5}},
            "tasks waited for memory in 50.0 % of the time (bound: 10 %)",
        ),
        (
            {"stalled": {}},
            {"stalled": {"io": 0.11}},
            "tasks waited for io in 11.0 % of the time (bound: 10 %)",
        ),
        (
            {"foreign_cpus": 0.7, "foreign_cpus_error": 0.75},
            {"foreign_cpus": 0.76, "foreign_cpus_error": 0.75},
            "others' processes used 0.76 CPU seconds a second (bound: 0.75)",
        ),
        ({"foreign_cpus": None}, {"foreign_cpus": 1.0}, "others' processes used 1.00"),
    ],
)
def test_each_bound_is_named_where_it_is_exceeded(
    within: dict[str, object], beyond: dict[str, object], reason: str
) -> None:
    assert state_of(ACCOUNT, replace(QUIET, **within)) == (State.VALID, ())  # type: ignore[arg-type]
    state, reasons = state_of(ACCOUNT, replace(QUIET, **beyond))  # type: ignore[arg-type]
    assert state is State.NOISY
    assert len(reasons) == 1
    assert reasons[0].startswith(reason)


def test_without_an_account_nobody_counts_exits() -> None:
    assert state_of(None, replace(QUIET, other_exits=9_999)) == (State.VALID, ())


@contextmanager
def hog(*words: str) -> Iterator[int]:
    """Run a busy loop on the last CPU, started through ``words``; yield its pid."""
    cpu = str(max(os.sched_getaffinity(0)))
    loop = ["taskset", "-c", cpu, "sh", "-c", "echo; while :; do :; done"]
    with subprocess.Popen([*words, *loop], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Bracketed:
    """Hold what a trial read of the accounts, and an amount just before and just after."""

    before: float
    account: Accounts
    after: float


@contextmanager
def bracketed(amount: Callable[[], float]) -> Iterator[list[Bracketed]]:
    """List what trials read of the accounts: at the start of each, and at its end."""
    seen: list[Bracketed] = []

    def noted(*beside: Iterable[int]) -> Accounts:
        before, account = amount(), read(*beside)
        seen.append(Bracketed(before, account, amount()))
        return account

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.trial.competition.read", noted)
        yield seen


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("words", [(), ("chrt", "-f", "50"), ("nice", "-n", "19")])
@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf", "none"])
def test_a_busy_loop_is_a_cpu_second_a_second(
    rig: Rig, transport: str, words: tuple[str, ...]
) -> None:
    config = TrialConfig(transport=transport, budget_bytes=1024 * KIB, storm=STEADY)

    def at_least_s(pid: int) -> float:
        """Return the hog's time less all stolen time, which is in it but not in the machine's."""
        return procfs.process_cpu_s(pid) - procfs.cpu_times().steal_s

    with hog(*words) as pid, bracketed(lambda: at_least_s(pid)) as seen:
        trial = run(rig, config)
    begin, end = seen
    by_hog = (end.before - begin.after) / (end.account.at_s - begin.account.at_s)
    used, error = trial.conditions.foreign_cpus, trial.conditions.foreign_cpus_error
    assert used is not None
    assert used > by_hog - error  # others may add to it
    named = any(f"used {used:.2f} CPU seconds a second" in reason for reason in trial.reasons)
    assert named is (used > max(FOREIGN_CPUS_BOUND, error))
    assert not named or trial.state is State.NOISY


@contextmanager
def quota(folder: Path) -> Iterator[None]:
    """Put this process into a cgroup (v1) of a fifth of a CPU."""
    folder.mkdir()
    try:
        (folder / "cpu.cfs_quota_us").write_text("20000")
        (folder / "cgroup.procs").write_text(str(os.getpid()))
        yield
    finally:
        (folder.parent / "cgroup.procs").write_text(str(os.getpid()))
        folder.rmdir()


V1: Final = Path("/sys/fs/cgroup/cpu")


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.skipif(not (V1 / "cpu.cfs_quota_us").exists(), reason="no cpu cgroup of v1")
def test_a_trial_that_a_quota_stopped_is_noisy(rig: Rig) -> None:
    config = TrialConfig(transport="ringbuf", budget_bytes=1024 * KIB, storm=Storm(count=2_000))
    with quota(V1 / f"bufbench-test-{os.getpid()}"):
        trial = run(rig, config)
    stopped_s = trial.conditions.throttled_s
    assert stopped_s is not None
    assert stopped_s > 0.0
    assert trial.state is State.NOISY
    assert any(f"stopped tasks for {seconds(stopped_s)} " in reason for reason in trial.reasons)


BURN = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ninput()"


def test_a_child_s_time_is_the_trial_s_own_once_while_it_runs_and_after() -> None:
    before = read()
    words = [sys.executable, "-c", BURN]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alone, beside = read(), read([child.pid])
        child.communicate(b"\n")
    after = read()
    assert alone.own_s - before.own_s < 0.25
    assert 0.45 < beside.own_s - before.own_s < 1.0
    assert 0.45 < after.own_s - before.own_s < 1.0


def test_a_thread_s_time_is_the_trial_s_own() -> None:
    def burn() -> None:
        while time.thread_time() < 0.3:
            pass

    before = read()
    thread = threading.Thread(target=burn)
    thread.start()
    thread.join()
    assert 0.3 <= read().own_s - before.own_s < 0.8


TICKS_S: Final = 0.05
"""Times of processes that run are given in ticks of 10 ms."""


def family_cpu_s() -> float:
    """Return the CPU time of this process and all that it started and those started."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    running = psutil.Process().children(recursive=True)
    return (
        own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
        + sum(procfs.process_cpu_s(each.pid) for each in running)
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.live
def test_what_the_storm_and_its_callers_use_is_own(rig: Rig) -> None:
    """Count all that the generator reaped, and callers that still run, whatever is beside them."""
    storm = Storm(count=3_000)
    for callers in (0, 2):
        config = TrialConfig(
            transport="ringbuf", budget_bytes=1024 * KIB, storm=storm, map_callers=callers
        )
        with bracketed(family_cpu_s) as seen:
            run(rig, config)
        begin, end = seen
        used_s = end.account.own_s - begin.account.own_s
        assert end.before - begin.after - TICKS_S < used_s < end.after - begin.before + TICKS_S


@pytest.mark.slow
@pytest.mark.live
def test_another_storm_beside_is_named(rig: Rig) -> None:
    config = TrialConfig(transport="ringbuf", budget_bytes=1024 * KIB, storm=STEADY)
    with Generator(Storm(count=10_000_000, seconds=60.0)) as other:
        other.go()
        trial = run(rig, config)
    assert trial.state is State.NOISY
    exits = trial.conditions.other_exits
    assert any(f"{exits:,} processes outside the storm exited" in each for each in trial.reasons)


def test_more_exits_than_were_reaped_are_a_residue_and_not_skipped() -> None:
    residue = "the generator reaped 5 processes, but 7 were traced"
    account = replace(ACCOUNT, missed=-2, residues=(residue,))
    assert state_of(account, QUIET) == (State.INVALID, (residue,))
