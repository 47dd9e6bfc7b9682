# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the generator stays below the machine's limits on processes, and says so."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.errors import MachineUnfit
from bench.trial.result import shortfall
from workloads.generator import Generator
from workloads.storm import Shape, Spawn, Storm, StormReport
from workloads.user import StormUser

BURST = Storm(shape=Shape.BURST, count=400, burst_size=200, workers=2)


def run(storm: Storm, executable: Path, user: StormUser | None = None) -> StormReport:
    with Generator(storm, executable=executable, user=user) as generator:
        generator.go()
        return generator.wait(storm.seconds + 15)


def wrapper(folder: Path, *lines: str) -> Path:
    """Return a program that does something to itself and becomes the generator."""
    script = folder / "wrapped"
    script.write_text("\n".join(["#!/bin/sh", "set -e", *lines]) + "\n")
    script.chmod(0o755)
    return script


def pids_folder() -> Path | None:
    """Return the folder of this process's pids cgroup, in which others can be made."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        v1 = Path("/sys/fs/cgroup/pids")
        folder = Path("/sys/fs/cgroup", path[1:]) if not controllers else v1 / path[1:]
        if not controllers:
            with suppress(OSError):
                if "pids" in (folder / "cgroup.subtree_control").read_text().split():
                    return folder
        elif "pids" in controllers.split(",") and os.access(folder, os.W_OK):
            return folder
    return None


@contextmanager
def temporary_cgroup(folder: Path, name: str) -> Iterator[Path]:
    group = folder / name
    group.mkdir()
    try:
        yield group
    finally:
        group.rmdir()


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """Yield a pids cgroup within another: limits of both bind."""
    parent = pids_folder()
    if os.geteuid() != 0 or parent is None:
        pytest.skip("needs root and a pids cgroup to make others in")
    with temporary_cgroup(parent, f"storm-{os.getpid()}") as outer:
        control = outer / "cgroup.subtree_control"
        if control.exists():
            control.write_text("+pids")
        with temporary_cgroup(outer, "inner") as inner:
            yield inner


def within(cgroup: Path, folder: Path, executable: Path) -> Path:
    return wrapper(folder, f"echo $$ > {cgroup}/cgroup.procs", f'exec {executable} "$@"')


@pytest.mark.parametrize("binding", ["own", "ancestor"])
def test_a_burst_is_lowered_below_pids_max(
    binding: str, cgroup: Path, forkstorm: Path, tmp_path: Path
) -> None:
    (cgroup if binding == "own" else cgroup.parent).joinpath("pids.max").write_text("80")
    report = run(BURST, within(cgroup, tmp_path, forkstorm))
    assert report.lowered_from == 202
    assert 2 < report.at_once < 80
    assert report.failed == {}
    assert report.reaped == 402


def test_a_burst_of_few_is_not_lowered_for_what_it_never_has(
    cgroup: Path, forkstorm: Path, tmp_path: Path
) -> None:
    (cgroup / "pids.max").write_text("80")
    few = Storm(shape=Shape.BURST, count=30, burst_size=1_000, workers=2)
    report = run(few, within(cgroup, tmp_path, forkstorm))
    assert (report.at_once, report.lowered_from) == (32, 0)
    assert shortfall(few, report) == ()


@pytest.mark.parametrize(
    ("storm", "at_once"),
    [
        (Storm(count=300, workers=100), 200),
        (Storm(shape=Shape.CHAIN, count=300, workers=4, depth=200), 804),
        (Storm(shape=Shape.THREADS, count=20, workers=1, threads=200), 202),
        (Storm(shape=Shape.THREADS, count=20, workers=20, threads=10), 240),
    ],
)
def test_other_shapes_are_lowered_too(
    storm: Storm, at_once: int, cgroup: Path, forkstorm: Path, tmp_path: Path
) -> None:
    (cgroup / "pids.max").write_text("80")
    report = run(storm, within(cgroup, tmp_path, forkstorm))
    assert report.lowered_from == at_once
    assert report.failed == {}
    assert storm.count < report.reaped <= storm.count + storm.workers


@pytest.mark.parametrize(
    ("storm", "at_once"),
    [
        (BURST, 202),
        (Storm(shape=Shape.BURST, count=30, burst_size=200, workers=2), 32),
        (Storm(count=50, workers=5), 10),
        (Storm(shape=Shape.TRICKLE, count=5, rate_per_s=1_000.0, workers=5), 2),
        (Storm(shape=Shape.CHAIN, count=50, workers=2, depth=5), 12),
        (Storm(shape=Shape.THREADS, count=5, workers=1, threads=3), 5),
    ],
)
def test_how_many_there_were_at_once_is_reported(
    storm: Storm, at_once: int, forkstorm: Path
) -> None:
    report = run(storm, forkstorm)
    assert (report.at_once, report.lowered_from) == (at_once, 0)
    assert shortfall(storm, report) == ()


def test_no_room_is_an_unfit_machine(cgroup: Path, forkstorm: Path, tmp_path: Path) -> None:
    (cgroup / "pids.max").write_text("10")
    with pytest.raises(MachineUnfit, match=r"room for 0, at least 2 are needed; raise pids\.max"):
        run(Storm(), within(cgroup, tmp_path, forkstorm))


@pytest.mark.usefixtures("two_cpus")
def test_uneven_is_not_run_with_half_its_workers(
    cgroup: Path, forkstorm: Path, tmp_path: Path
) -> None:
    (cgroup / "pids.max").write_text("20")
    storm = Storm(shape=Shape.UNEVEN, rate_per_s=10.0)
    with pytest.raises(MachineUnfit, match="room for 3, at least 4 are needed"):
        run(storm, within(cgroup, tmp_path, forkstorm))


@pytest.mark.slow
@pytest.mark.parametrize("spawn", Spawn)
def test_failures_are_counted_and_the_storm_goes_on(
    spawn: Spawn, cgroup: Path, forkstorm: Path, tmp_path: Path
) -> None:
    storm = Storm(count=10_000_000, seconds=0.5, workers=8, spawn=spawn)
    with Generator(storm, executable=within(cgroup, tmp_path, forkstorm)) as generator:
        # Only now: a limit that nobody could know of.
        (cgroup / "pids.max").write_text("12")
        generator.go()
        report = generator.wait(20)
    assert report.failed.keys() == {"EAGAIN"}
    assert report.made == report.reaped > 8


def test_a_burst_that_cannot_be_made_whole_still_ends(
    cgroup: Path, forkstorm: Path, tmp_path: Path
) -> None:
    with Generator(BURST, executable=within(cgroup, tmp_path, forkstorm)) as generator:
        (cgroup / "pids.max").write_text("40")
        generator.go()
        report = generator.wait(20)
    assert report.failed["EAGAIN"] >= 2
    assert 2 < report.at_once <= 40
    assert 2 < report.made == report.reaped < 402


def test_a_burst_is_lowered_below_rlimit_nproc(forkstorm: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("prlimit"):
        pytest.skip("needs root, to become a user that runs nothing else, setpriv and prlimit")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # pytest's own folders are closed to other users
        shutil.copy(forkstorm, folder)
        become = "setpriv --reuid 54321 --regid 54321 --clear-groups"
        script = wrapper(folder, f'exec prlimit --nproc=80 {become} {folder}/forkstorm "$@"')
        report = run(BURST, script, StormUser())
    assert report.lowered_from == 202
    assert 2 < report.at_once < 80
    assert report.failed == {}
    assert report.reaped == 402
