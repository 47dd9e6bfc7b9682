# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the kernel tree made for bcc, and the sources handed to it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bench import paths
from bench.tracer import compiler

VARIABLE = "BCC_KERNEL_SOURCE"


def version_code(release: str) -> int:
    text = compiler.kernel_tree(release)["include/linux/version.h"]
    found = re.search(r"LINUX_VERSION_CODE (\d+)", text)
    assert found
    return int(found[1])


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("5.10.0-28-amd64", (5, 10, 0)),
        ("6.1.90", (6, 1, 90)),
        ("6.18.44-fc-v657", (6, 18, 44)),
        ("6.19+deb14-cloud-amd64", (6, 19, 0)),
        ("7.3-rc1", (7, 3, 0)),
        ("4.19.300", (4, 19, 255)),  # as the kernel's own macro ends at 255
    ],
)
def test_the_version_is_the_running_kernels(release: str, version: tuple[int, int, int]) -> None:
    major, patch, sub = version
    assert version_code(release) == (major << 16) + (patch << 8) + sub


@pytest.mark.parametrize("before", [None, "/another/tree"])
def test_the_tree_is_there_while_it_is_needed(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if before:
        monkeypatch.setenv(VARIABLE, before)
    with compiler.installed("6.1.0"):
        folder = Path(os.environ[VARIABLE])
        for name, text in compiler.kernel_tree("6.1.0").items():
            assert (folder / name).read_text() == text
    assert not folder.exists()
    assert os.environ.get(VARIABLE) == before


@pytest.mark.parametrize("variant", ["ringbuf", "perfbuf", "noop"])
def test_sources_are_whole_without_includes(variant: str) -> None:
    folder = paths.bpf_sources()
    text = compiler.flattened(folder / variant / "exitsnoop.bpf.c", folder)
    assert '#include "' not in text
    assert "int exitsnoop(void *ctx)" in text


def test_includes_of_includes(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text('first\n#include "b.h"\n#include <kept.h>\nlast\n')
    (tmp_path / "b.h").write_text('#include "c/d.h"\n')
    (tmp_path / "c").mkdir()
    (tmp_path / "c/d.h").write_text("inmost\n")
    flat = compiler.flattened(tmp_path / "a.c", tmp_path)
    assert flat.split() == ["first", "inmost", "#include", "<kept.h>", "last"]
