# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that front and generator alike refuse storms that make no sense."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import MachineUnfit, StormFailed, UsageError
from workloads.generator import EXECUTABLE, Generator, check, parse_report, storm_arguments
from workloads.storm import Gap, Shape, Spawn, Storm, StormReport

REFUSED = {
    "--count 0 is out of range; take 1 to 10000000": Storm(count=0),
    "--count 10000001": Storm(count=10_000_001),
    "--workers 0": Storm(workers=0),
    "--workers 8193": Storm(workers=8_193),
    "--burst 0": Storm(burst_size=0),
    "--depth 0": Storm(depth=0),
    "--depth 5000": Storm(depth=5_000),
    "threads 0": Storm(threads=0),
    "seed -1": Storm(seed=-1),
    "exit code 256": Storm(exit_code=256),
    "exit code -1": Storm(exit_code=-1),
    "--rate -1": Storm(rate_per_s=-1.0),
    "--rate nan": Storm(rate_per_s=float("nan")),
    "pause in ms inf": Storm(pause_ms=float("inf")),
    "--seconds 0 ": Storm(seconds=0.0),
    "--seconds 3601": Storm(seconds=3_601.0),
    "a trickle is paced": Storm(shape=Shape.TRICKLE),
    "the quiet half of uneven is paced": Storm(shape=Shape.UNEVEN),
    "a burst has no rate": Storm(shape=Shape.BURST, rate_per_s=5.0),
    "CPU -1 is not online": Storm(cpus=(-1,)),
    "CPU 9999 is not online": Storm(cpus=(0, 9_999)),
    "names one twice": Storm(cpus=(0, 0)),
    "pingpong wants two CPUs": Storm(shape=Shape.PINGPONG, cpus=(0,)),
    "uneven wants two CPUs": Storm(shape=Shape.UNEVEN, rate_per_s=5.0, cpus=(0,)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_storm_that_makes_no_sense_is_refused(message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(REFUSED[message], range(4))
    with pytest.raises(UsageError, match=message):
        Generator(REFUSED[message])


@pytest.mark.parametrize("shape", [Shape.PINGPONG, Shape.UNEVEN])
def test_two_cpus_are_wanted(shape: Shape, forkstorm: Path) -> None:
    storm = Storm(shape=shape, rate_per_s=5.0)
    with pytest.raises(UsageError, match=f"{shape} wants two CPUs"):
        check(storm, (3,))
    check(storm, (3, 7))
    code, _, said = try_generator(storm_arguments(replace(storm, cpus=(0,))), forkstorm)
    assert (code, said) == (2, f"forkstorm: {shape} wants two CPUs, one is available\n")


def try_generator(arguments: list[str], executable: Path) -> tuple[int, str, str]:
    """Return exit code, report and complaint of a generator whose harness goes away at once."""
    report_from, report_to = os.pipe()
    with os.fdopen(report_from) as report, Path("/dev/null").open() as nothing:
        fds = ["--report-fd", str(report_to), "--go-fd", str(nothing.fileno())]
        completed = subprocess.run(
            [executable, *arguments, *fds],
            pass_fds=(report_to, nothing.fileno()),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        os.close(report_to)
        assert completed.stdout == ""
        return completed.returncode, report.read(), completed.stderr


storms = st.builds(
    Storm,
    shape=st.sampled_from(Shape),
    count=st.integers(-1, 10_000_002),
    workers=st.integers(-1, 20) | st.integers(8_190, 8_195),
    spawn=st.sampled_from(Spawn),
    rate_per_s=st.sampled_from([0.0, 1e-300, 0.1, 1e7, 1.1e7, -0.0, -1.0, float("nan")]),
    gap=st.sampled_from(Gap),
    burst_size=st.integers(0, 10),
    pause_ms=st.floats(-1.0, 4e6),
    depth=st.integers(0, 10) | st.integers(4_090, 4_100),
    threads=st.integers(0, 10) | st.integers(250, 260),
    exit_code=st.none() | st.integers(-1, 256),
    seconds=st.floats(-1.0, 4e3),
    seed=st.integers(-1, 2**64),
)


@settings(max_examples=60)
@given(storm=storms)
def test_front_and_generator_agree_on_what_makes_sense(storm: Storm, forkstorm: Path) -> None:
    code, report, said = try_generator(storm_arguments(storm), forkstorm)
    try:
        check(storm, sorted(os.sched_getaffinity(0)))
    except UsageError:
        assert (code, report) == (2, "")
        assert said.startswith("forkstorm: ")
        assert said.count("\n") == 1
    else:
        assert (code, said) == (0, "")
        ready, *lines, end = report.splitlines()
        assert re.fullmatch("ready [1-9][0-9]*", ready)
        assert end == "end"
        parsed = parse_report(lines)
        assert (parsed.made, parsed.reaped, parsed.stopped_by) == (0, 0, "signal")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--shape", "tornado"], "--shape does not know 'tornado'"),
        (["--count", "many"], "--count wants a whole number from 1 to 10000000, not 'many'"),
        (["--count", "-5"], "not '-5'"),
        (["--count", ""], "not ''"),
        (["--count", "99999999999999999999999"], "--count wants"),
        (["--rate", "1e"], "--rate wants a number"),
        (["--cpus", "0,x"], "--cpus wants a whole number"),
        (["--cpus", "1000"], "CPUs can be used"),
        (["--cpus", "0,1000"], "CPU 1000 is not there"),
        (["--tiny", "/no/such/program"], "No such file"),
        (["--storm"], "'--storm' is no option"),
        (["--count"], "--count"),
        (["storm"], "'storm' is no option"),
        (["--report-fd", "999"], "not an open file descriptor"),
    ],
)
def test_the_generator_complains_in_one_line(
    arguments: list[str], complaint: str, forkstorm: Path
) -> None:
    code, report, said = try_generator(arguments, forkstorm)
    assert (code, report) == (2, "")
    assert complaint in said
    assert said.count("\n") == 1


def test_both_descriptors_are_needed(forkstorm: Path) -> None:
    completed = subprocess.run([forkstorm], capture_output=True, text=True, check=False)
    assert completed.returncode == 2
    assert "--report-fd and --go-fd are needed" in completed.stderr


def test_a_missing_generator_has_a_remedy() -> None:
    missing = EXECUTABLE.with_name("no-such-program")
    with pytest.raises(MachineUnfit, match=r"No such file.*install the package"):
        Generator(Storm(), executable=missing).__enter__()


def test_the_generators_own_refusal_is_a_usage_error(forkstorm: Path, tmp_path: Path) -> None:
    alone = tmp_path / "forkstorm"
    alone.write_bytes(forkstorm.read_bytes())  # without tiny beside it
    alone.chmod(0o755)
    with pytest.raises(UsageError, match="tiny: No such file"):
        Generator(Storm(execute=True), executable=alone).__enter__()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 0", "returned 0"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("echo no >&2; exit 7", "returned 7: no"),
        ("eval echo nonsense '>&'$REPORT", "said 'nonsense' instead of ready"),
    ],
)
def test_something_else_is_not_a_generator(script: str, message: str, tmp_path: Path) -> None:
    fake = tmp_path / "fake"
    report = 'for word; do test "$last" = --report-fd && REPORT=$word; last=$word; done'
    fake.write_text(f"#!/bin/bash\n{report}\n{script}\n")
    fake.chmod(0o755)
    with pytest.raises(StormFailed, match=message):
        Generator(Storm(), executable=fake).__enter__()


def test_what_is_not_entered_cannot_go() -> None:
    generator = Generator(Storm())
    with pytest.raises(StormFailed, match="enter it first"):
        generator.go()
    with pytest.raises(StormFailed, match="enter it first"):
        generator.wait(1.0)
    with pytest.raises(StormFailed, match="enter it first"):
        _ = generator.session


REPORT = [
    "made=3", "reaped=3", "start_ns=5", "end_ns=9", "threads_made=0", "lowered_from=0",
    "stopped_by=", "status.0=2", "status.256=1", "failed.EAGAIN=4",
]  # fmt: skip


def test_a_report_is_read() -> None:
    assert parse_report(REPORT) == StormReport(
        made=3,
        reaped=3,
        start_ns=5,
        end_ns=9,
        failed={"EAGAIN": 4},
        exit_statuses={0: 2, 256: 1},
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "incomplete"),
        (REPORT[1:], "incomplete"),
        ([*REPORT, "colour=3"], "another version"),
        ([*REPORT, "made=three"], "garbled: 'made=three'"),
        ([*REPORT, "\ufffd"], "garbled"),
        ([*REPORT, "status.x=1"], "garbled"),
        ([*REPORT, "reaped=2"], "made 3 processes, reaped 2"),
        ([*REPORT, "status.9=1"], "made 3 processes"),
        ([*REPORT, "trouble=it rained"], "cannot be trusted: it rained"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(lines: list[str], message: str) -> None:
    with pytest.raises(StormFailed, match=message):
        parse_report(lines)


def test_the_quiet_worker_counts_among_the_most_processes() -> None:
    storm = Storm(count=1_000, workers=2, rate_per_s=50.0, seconds=3.0)
    assert storm.most_processes == 1_002
    assert replace(storm, shape=Shape.UNEVEN).most_processes == 1_152


def test_speed_and_rate_of_a_report() -> None:
    report = replace(parse_report(REPORT), start_ns=0, end_ns=2_000_000_000)
    assert (report.seconds, report.rate_per_s) == (2.0, 1.5)
