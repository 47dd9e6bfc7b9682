# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a second measurement is refused or waits, and that a tracer beside it may stay."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tracing import BUFBENCH, bufbench, eventually, reaches
from victim import Victim, victim

from bench.host import process

pytestmark = [pytest.mark.live, pytest.mark.slow]

LONG = ["run", "--wait", "--count", "500", "--blocks", "1000", "--output"]
SHORT = ["run", "--count", "50", "--blocks", "1", "--quiet", "--output"]
OTHERS = {
    "run": [*BUFBENCH, *SHORT],
    "claims": [*BUFBENCH, "claims", "--only", "rb-order", "--output"],
    "size": [*BUFBENCH, "size", "--rate", "1000", "--output"],
    "suite": [sys.executable, "-m", "bench.suite", "-q", "-k", "trickle", "--journal"],
}


@contextmanager
def first_one(folder: Path) -> Iterator[Victim]:
    """Yield a run that goes on and on, with its first trials done."""
    journal = folder / "long.jsonl"
    with victim(folder, [*LONG, str(journal)]) as first:
        assert reaches(
            first.process, lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 3
        ), first.stderr()
        assert first.running(), first.stderr()
        yield first


@contextmanager
def waiting_one(folder: Path) -> Iterator[Victim]:
    """Yield a run that waits for another to end."""
    own = folder / "second"
    own.mkdir()
    with victim(own, [*SHORT, str(own / "run.jsonl"), "--wait"]) as second:
        assert eventually(lambda: "waiting, another measurement" in second.stderr())
        yield second


def test_a_second_one_is_refused_with_the_holder_named(tmp_path: Path) -> None:
    with first_one(tmp_path) as first:
        for name, command in OTHERS.items():
            journal = tmp_path / f"second-{name}.jsonl"
            done = process.run([*command, journal], timeout_s=60, check=False)
            assert done.returncode == 3, done
            said = done.stdout + done.stderr
            assert f"another measurement is running: process {first.pid} since " in said, done
            assert "--blocks 1000" in said, done
            assert not journal.exists(), name
            assert "Traceback" not in said, done
            assert first.running(), name


def test_one_that_waits_begins_when_the_first_is_dead(tmp_path: Path) -> None:
    with first_one(tmp_path) as first, waiting_one(tmp_path) as second:
        assert str(first.pid) in second.stderr()
        first.process.kill()
        assert second.process.wait(timeout=60) == 0, second.stderr()


def test_one_that_waits_can_be_interrupted(tmp_path: Path) -> None:
    with first_one(tmp_path) as first, waiting_one(tmp_path) as second:
        second.process.terminate()
        second.ended_after_s()
        assert second.process.returncode == 143
        assert first.running()


def test_judging_an_old_journal_needs_no_lock(tmp_path: Path) -> None:
    with first_one(tmp_path) as first:
        journal = str(tmp_path / "long.jsonl")
        done = bufbench("claims", "--from", journal, "--only", "rb-order")
        assert done.returncode == 0, done
        assert bufbench("report", journal).returncode == 0
        assert first.running()
