# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Kernels of another architecture than this machine's programs are not booted over its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_up_archive import arm64_image, vmlinuz
from tracing import bufbench

from bench.guests import boot
from bench.guests.sources import local

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="of x86-64")


@pytest.mark.parametrize(
    ("label", "foreign"),
    [
        ("6.12", False),
        ("6.12-rt", False),
        ("6.12-amd64", False),
        ("host", False),
        ("/arm64/bzImage", False),  # a folder says nothing
        ("6.12-arm64", True),
        ("./Image-arm64", True),
    ],
)
def test_by_its_name(label: str, foreign: bool) -> None:
    assert bool(boot.why_foreign(label)) is foreign


def test_by_its_image(tmp_path: Path) -> None:
    path = tmp_path / "Image"
    path.write_bytes(arm64_image())
    assert "of amd64, and it is of arm64" in boot.why_foreign(str(path), local.image(str(path)))
    path.write_bytes(vmlinuz("6.1.0"))
    assert not boot.why_foreign(str(path), local.image(str(path)))


def test_it_has_its_row_and_nothing_is_fetched(tmp_path: Path) -> None:
    done = bufbench("kernels", "run", "6.12-arm64", "--output", str(tmp_path / "out"))
    assert done.returncode == 3
    last = done.stderr.splitlines()[-1]
    assert "6.12-arm64 unavailable: its guest would run this machine's programs" in last
    assert "bufbench kernels exact 6.12-arm64 counts its instructions" in last
    assert "fetching" not in done.stderr
