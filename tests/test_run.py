# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The script at the root, as far as it may be run without installing anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import process

RUN = Path(__file__).parents[1] / "run"


def stub(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["bench", "tests"]])
def test_what_is_not_one_session_is_wrong_usage(arguments: list[str]) -> None:
    done = process.run([RUN, *arguments], timeout_s=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ./run SESSION")


def test_without_root_what_is_missing_is_named(tmp_path: Path) -> None:
    stub(tmp_path, "id", "echo 1000")
    stub(tmp_path, "dpkg-query", "echo 'gcc:install ok installed'")
    stub(tmp_path, "apt-get", "echo 'apt-get was called' >&2; exit 1")
    path = f"{tmp_path}:/usr/bin:/bin"
    done = process.run([RUN, "bench"], timeout_s=30, check=False, env={"PATH": path})
    assert done.returncode == 3
    assert "python3-bpfcc" in done.stderr
    assert "stress-ng" not in done.stderr  # only the tests want it
    assert "gcc" not in done.stderr.split()  # that one is there
    assert "apt-get was called" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
