# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

from pathlib import Path

import pytest

from bench.doctor import doctor
from bench.doctor.doctor import Status
from bench.errors import MachineUnfit
from bench.linux import capabilities, lockdown, procfs, tracefs
from bench.linux.capabilities import Capability
from bench.tracer.build import Kernel


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("[none] integrity confidentiality\n", "none"),
        ("none [integrity] confidentiality\n", "integrity"),
        ("none integrity [confidentiality]\n", "confidentiality"),
        ("none integrity confidentiality\n", "unknown"),
        ("", "unknown"),
        ("[" + "x" * 1000 + "]", "unknown"),
    ],
)
def test_level(tmp_path: Path, text: str, level: str) -> None:
    assert lockdown.parse(text) == level
    (tmp_path / "lockdown").write_text(text)
    assert lockdown.running(tmp_path) == level


def test_what_is_not_reported_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "mount_point", lambda _: Path("/sys/kernel/security"))
    assert lockdown.running(tmp_path) == "unknown"


def looked_at() -> list[procfs.Mount]:
    """Return the mounts of securityfs: others come and go."""
    return [each for each in procfs.mounts() if each.kind == "securityfs"]


def test_looking_privately_leaves_no_mount() -> None:
    before = looked_at()
    assert lockdown.running() in {"none", "integrity", "confidentiality", "unknown"}
    assert looked_at() == before


@pytest.mark.parametrize(
    ("level", "status"),
    [
        ("none", Status.OK),
        ("integrity", Status.OK),
        ("unknown", Status.OK),
        ("confidentiality", Status.FAIL),
    ],
)
def test_the_doctor_says_what_a_level_closes(level: str, status: Status) -> None:
    finding = doctor.lockdown_of(level)
    assert finding.status is status
    assert finding.seen
    if status is Status.FAIL:
        assert "tracefs" in finding.seen
        assert "lockdown" in finding.remedy


def test_an_empty_tracefs_under_lockdown_is_not_called_unmounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockdown, "running", lambda: "confidentiality")
    with pytest.raises(MachineUnfit, match=r"^lockdown=confidentiality closes tracefs"):
        tracefs.exit_format(tmp_path)


def test_a_mounted_tracefs_without_the_tracepoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = procfs.Mount(tmp_path, "/", "tracefs", frozenset())
    monkeypatch.setattr(lockdown, "running", lambda: "none")
    monkeypatch.setattr(procfs, "mounts", lambda: (mounted,))
    with pytest.raises(MachineUnfit, match="has no tracepoint sched:sched_process_exit"):
        tracefs.exit_format(tmp_path)


def test_it_is_named_before_anything_that_it_makes_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen in a guest: the program is refused with EINVAL, and tracefs has no files."""
    monkeypatch.setattr(capabilities, "held", lambda: frozenset(Capability))
    monkeypatch.setattr(lockdown, "running", lambda: "confidentiality")
    with pytest.raises(MachineUnfit, match=r"^lockdown=confidentiality closes tracefs"):
        Kernel.probe()
    for level in ("none", "integrity", "unknown"):
        monkeypatch.setattr(lockdown, "running", lambda level=level: level)
        lockdown.require_open()
