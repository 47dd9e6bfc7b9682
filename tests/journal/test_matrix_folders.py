# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test folders of journals, one kernel each: whatever lies in them is a row, or is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from made_up_kernels import entry, lost, memory_line, write

from bench.errors import JournalError
from bench.journal.reader import read_journal
from bench.questions.kernels.folders import read_matrix


def test_a_run_comes_back_with_every_kernel(tmp_path: Path) -> None:
    line = memory_line("perfbuf", untold={"memcg_bytes": "no memory cgroup is mounted"})
    done = entry("6.12", "6.12.1-amd64", memory=(line,))
    write(tmp_path, done)
    write(tmp_path, lost("5.4", "unavailable", "no such kernel"))
    (tmp_path / "run.json").write_text("{}")
    gone, found = read_matrix([tmp_path])
    assert (gone.label, gone.status, gone.reason) == ("5.4", "unavailable", "no such kernel")
    assert gone.content.runs == ()
    assert (found.label, found.status, found.reason) == ("6.12", "done", "")
    assert found.content.runs == done.content.runs


def test_artefacts_of_jobs_lie_at_any_depth(tmp_path: Path) -> None:
    for label in ("6.1", "6.12"):
        write(tmp_path / f"job-{label}/results/kernels-x", entry(label, f"{label}.1-amd64"))
    assert [each.label for each in read_matrix([tmp_path])] == ["6.1", "6.12"]
    parts = sorted(tmp_path.iterdir())
    assert [each.label for each in read_matrix(parts)] == ["6.1", "6.12"]


def test_a_journal_alone_is_a_kernel_that_is_done(tmp_path: Path) -> None:
    place = write(tmp_path, entry("6.12", "6.12.1-amd64"))
    (place / "outcome.json").unlink()
    (by_folder,) = read_matrix([tmp_path])
    assert (by_folder.label, by_folder.status) == ("6.12", "done")
    shutil.copy(place / "journal.jsonl", tmp_path / "quick.jsonl")
    (by_file,) = read_matrix([tmp_path / "quick.jsonl"])
    assert (by_file.label, by_file.status) == ("", "done")
    assert by_file.content.runs == by_folder.content.runs


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": 7}', '{"reason": "x"}', "[" * 9_999])
def test_an_outcome_that_says_nothing_is_no_result(tmp_path: Path, text: str) -> None:
    (tmp_path / "6.12").mkdir()
    (tmp_path / "6.12/outcome.json").write_text(text)
    (found,) = read_matrix([tmp_path])
    assert found.status in {"torn", "failed"}
    assert found.reason


def test_done_without_a_journal_is_torn(tmp_path: Path) -> None:
    (tmp_path / "6.12").mkdir()
    (tmp_path / "6.12/outcome.json").write_text('{"status": "done"}')
    (found,) = read_matrix([tmp_path])
    assert (found.status, found.label) == ("torn", "6.12")


def test_what_was_left_out_and_complained_of_is_kept(tmp_path: Path) -> None:
    place = write(tmp_path, entry("6.12", "6.12.1-amd64"))
    outcome = {"status": "done", "left_out": ["trickle: 4 blocks"], "complaints": ["WARNING: x"]}
    (place / "outcome.json").write_text(json.dumps(outcome))
    (found,) = read_matrix([tmp_path])
    assert found.notes == ("left out: trickle: 4 blocks", "kernel: WARNING: x")


def test_nothing_there_is_reported(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(JournalError):
            read_matrix([place])


def test_a_torn_line_on_memory_costs_itself_alone(tmp_path: Path) -> None:
    place = write(tmp_path, entry("6.12", "6.12.1-amd64", memory=(memory_line("ringbuf"),)))
    path = place / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][: len(lines[1]) // 2] + b"\n"
    path.write_bytes(b"".join(lines))
    content = read_journal(path)
    assert [fault.line for fault in content.faults] == [2]
    assert len(content.trials) == len(lines) - 2
    assert content.runs[0].memory == ()


def test_a_kernel_of_a_long_path_has_one_row(tmp_path: Path) -> None:
    name = "home_user_linux_arch_x86_boot_" + "x" * 20
    write(tmp_path, lost(name, "failed", "QEMU did not start"))
    asked = [{"label": f"/{name}", "folder": name}, {"label": "7.3", "folder": "7.3"}]
    (tmp_path / "run.json").write_text(json.dumps({"kernels": asked}))
    assert [each.status for each in read_matrix([tmp_path])] == ["failed", "not run"]


def test_a_stopped_run_has_a_row_for_each_kernel_however_many(tmp_path: Path) -> None:
    asked = [{"label": f"6.{number}", "folder": f"6.{number}"} for number in range(30)]
    (tmp_path / "run.json").write_text(json.dumps({"kernels": asked}))
    assert len(read_matrix([tmp_path])) == 30
