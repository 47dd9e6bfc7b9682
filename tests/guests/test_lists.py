# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test lists of kernels in JSON, as CI systems have them for their matrices."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.guests.lists import expand

# The form of cilium/ci-kernels' versions.json, which its workflow outputs as its matrix.
MATRIX = [
    {"version": "7.1-rc2", "static_tag": "mainline"},
    {"version": "6.19.12", "static_tag": "stable"},
    {"version": "5.10.252", "static_tag": ""},
]
LABELS = ["ci-kernels:7.1rc2", "ci-kernels:6.19.12", "ci-kernels:5.10.252"]


def test_words_are_taken_as_they_are() -> None:
    words = ["6.12", "./bzImage", "ci-kernels:6.12"]
    assert expand(words) == words


def test_a_matrix_of_ci_kernels_is_its_images() -> None:
    assert expand([json.dumps(MATRIX)]) == LABELS
    assert expand(["6.1", json.dumps(MATRIX, indent=2), "host"]) == ["6.1", *LABELS, "host"]


def test_a_list_of_names_is_those_names() -> None:
    assert expand(['["6.12", "oci:./x:6.6"]']) == ["6.12", "oci:./x:6.6"]


def test_a_list_may_be_a_file_or_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "versions.json"
    path.write_text(f"\n{json.dumps(MATRIX)}\n\n")
    assert expand([f"@{path}"]) == LABELS
    monkeypatch.setattr("sys.stdin", io.StringIO('["6.12"]\n'))
    assert expand(["-", "6.1"]) == ["6.12", "6.1"]


@pytest.mark.parametrize(
    "word",
    [
        *("[", "[]", "[3]", '[""]', '[["6.1"]]', '[{"static_tag": "stable"}]', '[{"version": 6}]'),
        *("[null]", json.dumps(["6.1"] * 201), json.dumps(["x" * 500]), '["6.1"] "6.2"'),
    ],
)
def test_another_list_is_refused_in_a_line(word: str) -> None:
    with pytest.raises(UsageError, match="a list of kernels cannot be read: ") as refusal:
        expand([word])
    assert "\n" not in str(refusal.value)
    assert refusal.value.remedy.startswith('give JSON like ["6.1"')


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json cannot be read: No such file"):
        expand(["@nowhere.json"])
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="bytes is not text"):
        expand([f"@{tmp_path}/bytes"])
    (tmp_path / "object").write_text('{"version": "6.1"}')
    with pytest.raises(UsageError, match="a list of kernels cannot be read"):
        expand([f"@{tmp_path}/object"])
