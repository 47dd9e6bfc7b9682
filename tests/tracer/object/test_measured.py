# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that objects without usable buffers are refused by name."""

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
from bench.tracer.libbpf import last_reason
from bench.tracer.object import measured


def test_an_array_of_events_with_too_few_elements_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refuse an array to which an object gives fewer elements than this machine has CPUs."""

    def update(*_: Any) -> None:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))

    monkeypatch.setattr(buffers, "perf_buffer", lambda *_: 0)
    monkeypatch.setattr(bpf, "update", update)
    refused = pytest.raises(KernelRefused, match=r"the object's buffers cannot be opened: .*E2BIG")
    with ExitStack() as stack, refused:
        measured._open(Capture(1), [], [0], 1 << 20, stack)


PROCESSED = "processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0"
SUBPROGRAMS = """\
subprog 0 (handler) global insns_self 9 insns_total 21 stack 40
subprog 1 (send) static insns_self 12 insns_total 12 stack 8
"""


@pytest.mark.parametrize(
    "said",
    [
        f"verification time 52 usec\nstack depth 40+8\n{PROCESSED}\n",
        f"verification time 52 usec\nstack depth max 48\n{PROCESSED}\n{SUBPROGRAMS}",  # 7.3
    ],
)
def test_the_stack_of_the_program_itself_is_read_from_statistics_which_are_no_reason(
    said: str,
) -> None:
    assert measured._stack_bytes(lambda _: (0, said), []) == 40
    assert last_reason(f"R1 type=ctx expected=fp\n{said}") == "R1 type=ctx expected=fp"
