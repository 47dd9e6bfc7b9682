# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that failed calls are named by errno, with a remedy for the cause in this process."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from bench.errors import ExitCode
from bench.linux import capabilities, lockdown, procfs, refusal
from bench.linux.capabilities import Capability

ALL = frozenset(Capability)


def error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EMFILE, ("Too many open files (EMFILE)", "ulimit -n, which is ")),
        (errno.ENFILE, ("(ENFILE)", "fs.file-max")),
        (errno.ENOSPC, ("No space left on device (ENOSPC)", "make room")),
        (errno.EDQUOT, ("(EDQUOT)", "make room")),
        (errno.EFBIG, ("(EFBIG)", "ulimit -f")),
        (errno.EROFS, ("(EROFS)", "TMPDIR")),
        (errno.ENOMEM, ("Cannot allocate memory (ENOMEM)", "memory")),
        (errno.EAGAIN, ("(EAGAIN)", "ulimit -u")),
        (errno.ENOSYS, ("(ENOSYS)", "CONFIG_BPF_SYSCALL")),
        (errno.EXDEV, ("Invalid cross-device link (EXDEV)",)),
    ],
)
def test_errno_and_remedy_in_one_line(code: int, words: tuple[str, ...]) -> None:
    found = refusal.refused("it", error(code))
    assert str(found).startswith("it: ")
    assert all(word in str(found) for word in words)
    assert "\n" not in str(found)
    assert found.exit_code == ExitCode.MACHINE_UNFIT


def test_a_remedy_that_is_given_goes_before() -> None:
    assert refusal.refused("it", error(errno.ENOMEM), remedy="other").remedy == "other"


@pytest.fixture
def permitted(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make a process that nothing known forbids anything."""
    monkeypatch.setattr(procfs, "namespace", lambda _: refusal._INITIAL_USER_NAMESPACE)
    monkeypatch.setattr(capabilities, "held", lambda: ALL)
    monkeypatch.setattr(lockdown, "running", lambda: "none")
    monkeypatch.setattr(procfs, "read", lambda _: "Seccomp:\t0\n")
    monkeypatch.setattr(os, "uname", lambda: type("U", (), {"release": "6.18.0"}))
    return monkeypatch


def test_a_user_namespace_is_named(permitted: pytest.MonkeyPatch) -> None:
    permitted.setattr(procfs, "namespace", lambda _: 4_026_532_000)
    assert "user namespace" in refusal.remedy_for(errno.EPERM)


def test_missing_capabilities_are_named(permitted: pytest.MonkeyPatch) -> None:
    permitted.setattr(capabilities, "held", lambda: frozenset({Capability.BPF}))
    assert refusal.remedy_for(errno.EPERM) == "run as root, or grant CAP_PERFMON"


def test_lockdown_is_named(permitted: pytest.MonkeyPatch) -> None:
    permitted.setattr(lockdown, "running", lambda: "confidentiality")
    assert refusal.remedy_for(errno.EPERM) == lockdown.REMEDY


def test_a_seccomp_filter_is_named(permitted: pytest.MonkeyPatch) -> None:
    permitted.setattr(procfs, "read", lambda _: "Name:\tx\nSeccomp:\t2\n")
    assert "seccomp" in refusal.remedy_for(errno.EPERM)


def test_locked_memory_counts_on_old_kernels(permitted: pytest.MonkeyPatch) -> None:
    permitted.setattr(resource, "getrlimit", lambda _: (65_536, 65_536))
    assert "security module" in refusal.remedy_for(errno.EPERM)
    permitted.setattr(os, "uname", lambda: type("U", (), {"release": "5.10.0"}))
    assert refusal.remedy_for(errno.EPERM) == "raise ulimit -l, which is 64 KiB"


def test_perf_event_paranoid_is_named(permitted: pytest.MonkeyPatch) -> None:
    permitted.setattr(capabilities, "held", lambda: ALL - {Capability.SYS_ADMIN})
    for level, named in ((2, False), (3, True), (4, True)):
        permitted.setattr(procfs, "sysctl", lambda _, level=level: level)
        assert ("perf_event_paranoid" in refusal.remedy_for(errno.EACCES)) is named


def test_limits_on_memory_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    infinite = resource.RLIM_INFINITY
    for limited, option in ((resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")):
        monkeypatch.setattr(
            resource,
            "getrlimit",
            lambda limit, it=limited: (1 << 20, infinite) if limit == it else (infinite, infinite),
        )
        assert f"raise ulimit {option}, which is 1024 KiB" in refusal.remedy_for(errno.ENOMEM)


def test_a_namespace_has_its_inode() -> None:
    assert procfs.namespace("user") == Path("/proc/self/ns/user").stat().st_ino
    assert procfs.namespace("none") is None
