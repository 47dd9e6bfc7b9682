# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that each transport's module makes its buffers, and that what is refused says why."""

from __future__ import annotations

import errno
import importlib
import os
from contextlib import ExitStack
from typing import Any

import pytest

from bench.errors import KernelRefused, UsageError
from bench.linux import bpf, perf_event
from bench.plan.config import Consumer, Reader, TrialConfig
from bench.tracer import buffers
from bench.tracer.transport import BufferRequest
from bench.tracer.transports import find, names


def refuse(monkeypatch: pytest.MonkeyPatch, code: int) -> str:
    def create_map(*_: Any, **__: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(bpf, "create_map", create_map)
    with ExitStack() as stack, pytest.raises(KernelRefused) as refused:
        buffers.make_map(
            bpf.PERCPU_HASH, "hash of 8 elements", stack, entries=8, name="table", smaller="SMALLER"
        )
    return str(refused.value)


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.E2BIG])
def test_a_map_that_is_too_large_should_be_smaller(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refuse(monkeypatch, code)
    assert message.startswith("the kernel gives no hash of 8 elements: ")
    assert message.endswith("SMALLER")


def test_a_map_without_the_privilege_is_not_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "SMALLER" not in refuse(monkeypatch, errno.EPERM)


@pytest.mark.parametrize(
    ("counts", "expected"), [((), 0), ((1, 4), 5), ((1, None), None), ((None, None), None)]
)
def test_losses_are_known_only_of_all_buffers(
    counts: tuple[int | None, ...], expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perf_event, "lost", lambda event: counts[event])
    assert buffers.lost(range(len(counts))) == expected


@pytest.mark.parametrize("name", names())
def test_every_transport_s_buffers_are_made_by_a_module(name: str) -> None:
    made_by = importlib.import_module(f"bench.tracer.{find(name).made_by}")
    assert callable(made_by.allocated)
    assert callable(made_by.opened)


@pytest.mark.parametrize("name", ["overwrite", "aggregate"])
@pytest.mark.parametrize("reader", [Reader.LIBBCC, Reader.COMMAND])
def test_what_other_readers_cannot_read_is_refused(name: str, reader: Reader) -> None:
    consumer = Consumer(reader=reader, command=("cat",))
    config = TrialConfig(transport=name, budget_bytes=1 << 20, consumer=consumer)
    request = BufferRequest(config=config, cpus=(0,))
    nothing: Any = None
    with pytest.raises(UsageError, match=r"only bufbench.*leave out --reader"):
        find(name).open(nothing, nothing, request)
