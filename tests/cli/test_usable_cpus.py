# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test runs that may not use every online CPU, or not all of their time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_trials import blocks, header, machine
from tracing import bufbench, on_one_cpu

from bench.host import process
from bench.journal.reader import read_journal
from bench.journal.writer import JournalWriter
from bench.linux import cpus, procfs
from bench.linux.machine import Machine

BURST = ["--workload", "burst", "--count", "1000", "--burst", "500", "--budget", "64KiB"]
ONE = ["--blocks", "1", "--quiet"]
SOME = replace(machine(), online_cpus="0-3", usable_cpus="0-3", cpus_online=4)


def on_last(*arguments: str) -> process.Completed:
    return bufbench(*arguments, before=on_one_cpu())


def made_up(path: Path, of: Machine) -> str:
    """Write a journal of ``of``: eight blocks of both transports."""
    with JournalWriter(path) as writer:
        writer.write(replace(header(), machine=of))
        for arm in ("ringbuf@64KiB", "perfbuf@64KiB"):
            # The name makes them other trials than those of another journal.
            for trial in blocks(arm, [{}] * 8, p50_ns=10_000 + len(path.name)):
                writer.write(replace(trial, started_utc=f"2026-01-02T03:04:05Z {path.name}"))
    return str(path)


@pytest.fixture
def several() -> tuple[int, ...]:
    usable = cpus.usable()
    if len(usable) < 2:
        pytest.skip("one CPU cannot be restricted")
    return usable


@pytest.mark.slow
@pytest.mark.live
def test_a_restricted_run_shares_budgets_among_its_cpus_and_says_so(
    tmp_path: Path, several: tuple[int, ...]
) -> None:
    journal = tmp_path / "run.jsonl"
    done = on_last("run", *BURST, *ONE, "--output", str(journal))
    assert done.returncode == 0, done
    said = f"restricted to CPUs {several[-1]} of {cpus.list_format(procfs.online_cpus())}"
    assert said in done.stderr
    (run,) = read_journal(journal).runs
    assert run.header.machine.usable_cpus == str(several[-1])
    assert run.header.machine.online_cpus == cpus.list_format(procfs.online_cpus())
    for trial in run.trials:
        assert trial.config.budget_bytes == 64 << 10
        assert trial.memory is not None
        buffers = len(procfs.online_cpus()) if trial.config.transport == "perfbuf" else 1
        assert trial.memory.footprint.data_bytes == buffers * 64 << 10
        assert trial.ledger is not None
        own = [share.cpu for share in trial.by_cpu if share.attempted > 500]
        assert own == [several[-1]]
    shown = bufbench("report", str(journal))
    assert f"CPUs {several[-1]} of" in shown.stdout


@pytest.mark.live
@pytest.mark.parametrize("option", ["--cpus", "--consumer-cpu"])
def test_no_cpu_is_taken_that_is_withheld(option: str, several: tuple[int, ...]) -> None:
    done = on_last("run", *BURST, *ONE, option, str(several[0]))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"CPU {several[0]} is not" in line
    assert "allowed to this process" in line


@pytest.mark.live
def test_the_doctor_warns_of_withheld_cpus(several: tuple[int, ...]) -> None:
    done = on_last("doctor", "--json")
    found = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    assert found["CPUs"]["status"] == "warn"
    assert (
        f"1 of {len(procfs.online_cpus())} online may be used ({several[-1]})"
        in (found["CPUs"]["seen"])
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (replace(SOME, usable_cpus="1"), "A used 4 CPUs and B CPUs 1 of 0-3"),
        (replace(SOME, cpu_quota=1.5), "A used 4 CPUs and B 4 CPUs (quota 1.5)"),
    ],
)
def test_runs_on_other_cpus_of_one_machine_are_not_compared(
    changed: Machine, said: str, tmp_path: Path
) -> None:
    before, after = made_up(tmp_path / "a.jsonl", SOME), made_up(tmp_path / "b.jsonl", changed)
    done = bufbench("compare", before, after)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "other", [SOME, machine(), replace(SOME, hostname="another", usable_cpus="1")]
)
def test_others_are_compared_and_what_they_used_is_shown(other: Machine, tmp_path: Path) -> None:
    before, after = made_up(tmp_path / "a.jsonl", SOME), made_up(tmp_path / "b.jsonl", other)
    done = bufbench("compare", before, after)
    assert done.returncode == 0, done
    assert ("CPUs 1 of 0-3" in done.stdout) == (other.usable_cpus == "1")
