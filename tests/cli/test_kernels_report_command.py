# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench kernels report as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_kernels import entry, lost, storms, write
from made_up_trials import trial
from tracing import BUFBENCH, bufbench, unread, within

from bench.trial.result import State

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for each in (entry("6.1", "6.1.1-amd64"), entry("6.12", "6.12.1-amd64")):
        write(tmp_path, each)
    return tmp_path


def test_the_page_lies_beside_the_journals(folder: Path) -> None:
    done = bufbench("kernels", "report", str(folder), "--format", "html")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(folder / "report.html")
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    again = bufbench("kernels", "report", str(folder), "--format", "json")
    assert [each["label"] for each in json.loads(again.stdout)["kernels"]] == ["6.1", "6.12"]


@pytest.mark.parametrize(
    ("gate", "code"), [("ringbuf:causal", 0), ("causal", 1), ("ringbuf:drops", 1), ("songs", 2)]
)
def test_gates_hold_over_all_kernels(folder: Path, gate: str, code: int) -> None:
    done = within("kernels", "report", str(folder), "--fail-on", gate)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("PID COMM\n")
    done = within("kernels", "report", str(tmp_path / "notes.txt"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "notes.txt, line 1: not a line of a journal" in done.stderr


def test_a_kernel_without_a_result_may_fail_the_job(folder: Path) -> None:
    write(folder, lost("6.6", "panicked", "VFS: no root"))
    assert bufbench("kernels", "report", str(folder)).returncode == 0
    done = bufbench("kernels", "report", str(folder), "--fail-on-missing")
    assert done.returncode == 1
    assert "6.6" in done.stderr
    assert "VFS: no root" in done.stdout  # the report comes first


@pytest.mark.parametrize("words", [["--fail-on", "causal"], ["--fail-on-missing"]])
def test_a_gate_holds_whether_anybody_reads_or_not(folder: Path, words: list[str]) -> None:
    write(folder, lost("6.6", "panicked", "VFS: no root"))
    done = unread(*BUFBENCH, "kernels", "report", str(folder), *words)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("bufbench: ")


def test_a_trial_that_does_not_balance_ends_with_4(folder: Path) -> None:
    bad = trial("ringbuf@64KiB", 9, state=State.INVALID, reasons=("2 are gone",))
    write(folder, entry("7.3", "7.3.1-amd64", trials=[*storms(), bad]))
    done = within("kernels", "report", str(folder))
    assert done.returncode == 4
    assert "1 on 7.3" in done.stdout


def test_a_run_shows_no_more_than_its_report(folder: Path) -> None:
    """Leave nothing to boot: every kernel is done."""
    done = within("kernels", "run", "6.1", "6.12", "--resume", "--output", str(folder))
    brief = within("kernels", "report", str(folder))
    assert (done.returncode, done.stdout) == (0, brief.stdout)


def test_an_empty_folder_is_reported_in_a_line(tmp_path: Path) -> None:
    done = within("kernels", "report", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
