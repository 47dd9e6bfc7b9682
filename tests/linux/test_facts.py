# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.linux import machine


def test_collect_returns_what_it_was_given_and_what_it_saw() -> None:
    found = machine.collect(
        bcc_version="0.26.0", kernel_facts={"pending_pos": "yes"}, wakeup_cost_ns=12.5
    )
    assert found.kernel_release == os.uname().release
    assert found.kernel_facts == {"pending_pos": "yes"}
    assert found.wakeup_cost_ns == 12.5
    assert found.cpus_online >= 1
    assert found.memory_bytes > 1 << 20
    assert found.harness_version


def test_a_machine_s_identity_does_not_show_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name * 32}\n")
        found |= {machine.identity(tmp_path / name) for _ in range(2)}
    assert len(found) == 2
    assert all(len(each) == 16 and each not in "a" * 32 + "b" * 32 for each in found)
    for content in ("", "uninitialized\n"):  # an image's, before its first boot
        (tmp_path / "c").write_text(content)
        assert machine.identity(tmp_path / "c") == ""
    assert machine.identity(tmp_path / "missing") == ""
    monkeypatch.setenv(machine.COUNTED_VARIABLE, "1")
    assert machine.identity(tmp_path / "a") == ""
