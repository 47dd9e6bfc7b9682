# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Live tests run where they can; elsewhere they are skipped, and the reason is named."""

from __future__ import annotations

import os

import pytest

from bench import doctor
from bench.machine import procfs


def why_not_live() -> str | None:
    """What keeps live tests from running on this machine; None if nothing does."""
    if os.geteuid() != 0:
        return "not root"
    findings = [
        doctor.privileges(procfs.capabilities()),
        doctor.kernel(os.uname().release),
        doctor.btf(doctor.BTF.exists()),
    ]
    return next((f.seen for f in findings if f.status == doctor.Status.FAIL), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not_live()
    if reason:
        for item in items:
            if item.get_closest_marker("live"):
                item.add_marker(pytest.mark.skip(reason=f"live test: {reason}"))
