# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench on arm64 in an emulated guest: generator, capture, offsets, by their own tests."""

from __future__ import annotations

import re
from pathlib import Path

import arm64
import pytest
from real_kernels import provided

TESTS = (
    "tests/tracer/test_btf.py::test_the_running_kernel_has_what_the_tracer_needs",
    *("tests/tracer/test_offsets.py", "tests/tracer/test_capture.py"),
    "tests/workloads/test_counts.py",
)
# As Debian does when it installs bcc: its source warns when it is compiled, and tests want none.
JOB = f"""python3 -W ignore -m compileall -q /usr/lib/python3/dist-packages/bcc
python3 -m pytest -p no:cacheprovider -q --color=no -m "not slow" {" ".join(TESTS)}
"""


@pytest.mark.guests
@pytest.mark.live
@pytest.mark.slow
def test_its_own_tests_pass_there(tmp_path: Path) -> None:
    if lacking := arm64.lacking():
        pytest.skip(f"there is no {lacking}")
    kernel = provided("6.12-arm64")
    disk = arm64.ram_disk(tmp_path, JOB)
    said = arm64.said_by(kernel.vmlinuz, disk, tmp_path, timeout_s=900)
    assert "ended: 0" in said.splitlines(), said
    passed = re.search(r"(\d+) passed", said)
    assert passed
    assert int(passed[1]) > 70
