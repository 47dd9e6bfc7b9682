# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide the generator under test: the installed one, or one compiled from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workloads.generator import EXECUTABLE

PARTS = ("forkstorm", "limits", "options", "privileges", "shapes")
FLAGS = ["-std=gnu17", "-static", "-O2", "-Wall", "-Wextra", "-Werror"]


@pytest.fixture(scope="session")
def forkstorm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of forkstorm; tiny stands beside it."""
    if EXECUTABLE.exists():  # a checkout has none
        return EXECUTABLE
    tiny, *sources = (EXECUTABLE.with_name(f"{name}.c") for name in ("tiny", *PARTS))
    if not shutil.which("gcc"):
        pytest.fail("there is no gcc to build the generator: install it, or the package")
    folder = tmp_path_factory.mktemp("forkstorm")
    subprocess.run(["gcc", *FLAGS, *sources, "-o", folder / "forkstorm"], check=True)
    subprocess.run(["gcc", *FLAGS, tiny, "-o", folder / "tiny"], check=True)
    return folder / "forkstorm"


@pytest.fixture
def two_cpus() -> None:
    """Skip where ping-pong has nowhere to go."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
