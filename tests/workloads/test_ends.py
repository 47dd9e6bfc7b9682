# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that nothing is left of a storm, however it ends, and that it reports where it can."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tracing import eventually

from bench.errors import StormFailed
from bench.host import process
from workloads.generator import Generator
from workloads.storm import Shape, Spawn, Storm

pytestmark = pytest.mark.slow

ENDLESS = {
    "storm": Storm(count=10_000_000),
    "fork": Storm(count=10_000_000, spawn=Spawn.FORK, workers=4),
    "exec": Storm(count=10_000_000, execute=True),
    "burst": Storm(shape=Shape.BURST, count=10_000_000, burst_size=200, workers=3),
    "pause": Storm(shape=Shape.BURST, count=10_000, burst_size=10, pause_ms=60_000.0),
    "chain": Storm(shape=Shape.CHAIN, count=10_000_000, depth=100),
    "pingpong": Storm(shape=Shape.PINGPONG, count=10_000_000),
    "hotcpu": Storm(shape=Shape.HOTCPU, count=10_000_000),
    "trickle": Storm(shape=Shape.TRICKLE, count=10_000, rate_per_s=0.1, workers=1),
    "uneven": Storm(shape=Shape.UNEVEN, count=10_000_000, rate_per_s=0.1),
    "threads": Storm(shape=Shape.THREADS, count=10_000_000, threads=16),
}

endless = pytest.mark.parametrize("name", ENDLESS)


@contextmanager
def running(name: str, executable: Path, *, after_s: float = 0.15) -> Iterator[Generator]:
    """Yield a storm that has been let loose a moment ago."""
    if name in ("pingpong", "uneven") and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    with Generator(ENDLESS[name], executable=executable) as generator:
        generator.go()
        # The generator and all of its workers, however long it takes to make them.
        fewest = 1 + ENDLESS[name].real_workers
        assert eventually(lambda: len(process.members(generator.session)) >= fewest)
        time.sleep(after_s)
        yield generator


def await_none(number: int) -> None:
    """Wait until nothing runs in the session; the kernel takes a moment to end a process."""
    deadline = time.monotonic() + 10
    while left := process.members(number):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.01)


@endless
def test_sigterm_reaps_all_and_reports(name: str, forkstorm: Path) -> None:
    with running(name, forkstorm) as generator:
        os.kill(generator.session, signal.SIGTERM)
        report = generator.wait(10)
        assert process.members(generator.session) == set()
    assert report.stopped_by == "signal"
    assert report.made == report.reaped >= ENDLESS[name].workers


@endless
def test_leaving_early_leaves_nothing(name: str, forkstorm: Path) -> None:
    with running(name, forkstorm) as generator:
        number = generator.session
    assert process.members(number) == set()


@endless
def test_a_killed_generator_takes_its_own_along(name: str, forkstorm: Path) -> None:
    with running(name, forkstorm) as generator:
        os.kill(generator.session, signal.SIGKILL)
        with pytest.raises(StormFailed, match="killed by SIGKILL"):
            generator.wait(10)
        await_none(generator.session)


def test_a_generator_that_cannot_run_is_ended_too(forkstorm: Path) -> None:
    with running("burst", forkstorm) as generator:
        number = generator.session
        for pid in process.members(number):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
    assert process.members(number) == set()


def first_worker(number: int) -> int:
    """Return the first worker, which leads the process group of all but the generator."""
    return next(iter({os.getpgid(pid) for pid in process.members(number)} - {number}))


def test_a_worker_that_does_not_end_is_killed_and_reported(forkstorm: Path) -> None:
    with running("trickle", forkstorm) as generator:
        os.kill(first_worker(generator.session), signal.SIGSTOP)
        os.kill(generator.session, signal.SIGTERM)
        with pytest.raises(StormFailed, match="had to be killed"):
            generator.wait(20)
        assert process.members(generator.session) == set()


def test_a_killed_worker_spoils_the_counts(forkstorm: Path) -> None:
    with running("trickle", forkstorm) as generator:
        os.kill(first_worker(generator.session), signal.SIGKILL)
        with pytest.raises(StormFailed, match="worker 0 ended with wait status 9"):
            generator.wait(20)
        assert process.members(generator.session) == set()


HARNESS = """
import sys, time
from pathlib import Path
from workloads.generator import Generator
from workloads.storm import Shape, Storm
storm = Storm(shape=Shape(sys.argv[2]), count=10_000_000, burst_size=100)
with Generator(storm, executable=Path(sys.argv[1])) as generator:
    if sys.argv[3] == "go":
        generator.go()
    print(generator.session, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("shape", ["storm", "burst", "chain"])
@pytest.mark.parametrize("when", ["ready", "go"])
def test_a_killed_harness_takes_the_storm_along(shape: str, when: str, forkstorm: Path) -> None:
    command = [sys.executable, "-c", HARNESS, str(forkstorm), shape, when]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout
        number = int(harness.stdout.readline())
        assert process.members(number)
        harness.kill()
        harness.wait()
        await_none(number)


def test_a_closed_go_descriptor_means_that_the_harness_is_gone(forkstorm: Path) -> None:
    report_from, report_to = os.pipe()
    go_from, go_to = os.pipe()
    words = [forkstorm, "--report-fd", str(report_to), "--go-fd", str(go_from), "--seconds", "60"]
    with subprocess.Popen(words, pass_fds=(report_to, go_from)) as process:
        os.close(report_to)
        os.close(go_from)
        with os.fdopen(report_from) as report:
            assert report.readline() == "ready 4\n"  # two workers, a child each
            os.close(go_to)
            assert report.read().endswith("stopped_by=signal\nend\n")
        assert process.wait(5) == 0


def test_time_is_a_bound(forkstorm: Path) -> None:
    storm = Storm(count=10_000_000, seconds=1.0)
    with Generator(storm, executable=forkstorm) as generator:
        generator.go()
        report = generator.wait(10)
    assert report.stopped_by == "seconds"
    assert report.reaped == report.made > 2
    assert report.seconds >= 1.0


def test_waiting_has_an_end(forkstorm: Path) -> None:
    with running("storm", forkstorm) as generator:
        number = generator.session
        with pytest.raises(StormFailed, match="in time"):
            generator.wait(0.1)
    assert process.members(number) == set()


def test_ctrl_c_ends_the_storm(forkstorm: Path) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    generator = Generator(ENDLESS["storm"], executable=forkstorm)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_until_interrupted(generator)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert process.members(generator.session) == set()


def run_until_interrupted(generator: Generator) -> None:
    with generator:
        generator.go()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        generator.wait(20)


def test_descriptors_are_closed(forkstorm: Path) -> None:
    def open_fds() -> set[str]:
        return {entry.name for entry in Path("/proc/self/fd").iterdir()}

    before = open_fds()
    with Generator(Storm(count=10), executable=forkstorm) as generator:
        generator.go()
        generator.wait(10)
    assert open_fds() == before
