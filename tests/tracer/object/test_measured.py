# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Objects whose buffers cannot be had are refused by name."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from typing import Any

import pytest

from bench.errors import KernelRefused
from bench.linux import bpf
from bench.tracer import buffers
from bench.tracer.capture import Capture
from bench.tracer.object import measured


def test_an_array_of_events_with_too_few_elements_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An object may give its array fewer elements than this machine has CPUs."""

    def update(*_: Any) -> None:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))

    monkeypatch.setattr(buffers, "perf_buffer", lambda *_: 0)
    monkeypatch.setattr(bpf, "update", update)
    refused = pytest.raises(KernelRefused, match=r"the object's buffers cannot be opened: .*E2BIG")
    with ExitStack() as stack, refused:
        measured._open(Capture(1), [], [0], 1 << 20, stack)
