# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Journals in a folder and below."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import JournalError
from bench.journal import files


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
