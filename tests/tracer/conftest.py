# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compile a program that knows how each of its processes ended, for the session."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

FLAGS = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]


@pytest.fixture(scope="session")
def truths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the program that trace/truths.c becomes."""
    program = tmp_path_factory.mktemp("truths") / "truths"
    source = Path(__file__).with_name("truths.c")
    subprocess.run(["gcc", *FLAGS, source, "-o", program], check=True)
    return program
