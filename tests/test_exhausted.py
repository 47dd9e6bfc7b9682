# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test a limit on processes and threads, as Python reports it, and what merely looks like one."""

from __future__ import annotations

import os
from errno import EAGAIN, ENOENT

import pytest

from bench.errors import MachineUnfit
from bench.linux import refusal

# What a write to a full pipe says that does not block.
FULL_PIPE = BlockingIOError(EAGAIN, "write could not complete without blocking", 0)


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), OSError(EAGAIN, os.strerror(EAGAIN))]
)
def test_a_limit_is_reported_as_one(error: Exception) -> None:
    words = r"limit on their number.*pids\.max"
    with pytest.raises(MachineUnfit, match=words) as caught, refusal.explain():
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("other"), OSError(ENOENT, "gone"), FULL_PIPE])
def test_what_is_another_error_stays_it(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, refusal.explain():
        raise error
    assert caught.value is error
