# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test journals in a folder and below."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_up_trials import blocks, header
from tracing import BUFBENCH

from bench.errors import JournalError
from bench.host import process
from bench.journal import files
from bench.journal.writer import JournalWriter


def test_a_place_that_can_hardly_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.jsonl.gz").touch()
        (tmp_path / name / "notes.txt").touch()
    monkeypatch.setattr(files, "_MOST_FOLDERS", 3)
    assert files.below(tmp_path, pytest.fail) == [
        tmp_path / each / "run.jsonl.gz" for each in ("a", "b")
    ]
    (tmp_path / "c").mkdir()
    with pytest.raises(JournalError, match="more than 3 folders; name one"):
        files.below(tmp_path, pytest.fail)


def test_names_that_are_not_utf8_are_written_all_the_same(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl")).touch()
    place = tmp_path / "good.jsonl"
    with JournalWriter(place) as writer:
        writer.write(header())
        for arm in ("ringbuf@8KiB", "perfbuf@8KiB"):
            for trial in blocks(arm, [{}] * 2):
                writer.write(trial)
    for words in ([str(tmp_path)], ["--json", str(place), f"{tmp_path}/\udcff.jsonl"]):
        done = process.run([*BUFBENCH, "report", *words], timeout_s=60, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
        assert r"\udcff.jsonl, line 1: empty" in done.stderr
