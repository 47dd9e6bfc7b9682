# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A batch has an end, however fast an object sends."""

from __future__ import annotations

import ctypes as ct
from errno import ECANCELED, EINVAL
from typing import Any

import pytest

from bench.errors import KernelRefused
from bench.linux import capabilities, tracefs
from bench.tracer import libbpf
from bench.tracer.object import loaded
from bench.tracer.object.loaded import Buffers


def test_a_full_batch_stops_the_ring_and_the_next_begins_empty() -> None:
    record, found = ct.create_string_buffer(b"abc"), Buffers()
    for _ in range(2):
        answers = [found.on_sample(None, ct.addressof(record), 3) for _ in range(4_096)]
        assert answers == [*[0] * 4_095, -ECANCELED]
        assert found.batch(0) == [b"abc"] * 4_096
    assert (found.delivered, found.lost) == (8_192, 0)


def test_perf_buffers_report_what_they_lost() -> None:
    record, found = ct.create_string_buffer(b"abc"), Buffers()
    found.on_perf(None, 1, ct.addressof(record), 2)
    found.on_lost(None, 1, 7)
    found.on_lost(None, 0, 3)
    assert found.batch(0) == [b"ab"]
    assert (found.delivered, found.lost) == (1, 10)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("invalid func unknown#198", "this kernel has no bpf_ringbuf_reserve_dynptr"),
        ("invalid func unknown#181", "this kernel has no helper function 181"),
        ("R1 type=scalar expected=fp", "R1 type=scalar expected=fp"),
    ],
)
def test_what_a_kernel_does_not_have_is_named(
    said: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def bpf_object__load(self, _: int) -> int:
            return -EINVAL

    library: Any = Refusing()
    log = f"prog 'one': -- BEGIN PROG LOAD LOG --\n{said}\n-- END PROG LOAD LOG --"
    refusing = libbpf.Libbpf(library, Kept([log]))
    monkeypatch.setattr(capabilities, "missing_to_trace", lambda _: ())
    monkeypatch.setattr(tracefs, "exit_format", lambda: "")
    with pytest.raises(KernelRefused) as refused:
        loaded.Object(refusing, 1).load()
    assert refused.value.message == (
        f"the kernel refuses this object: program one: {reason} (Invalid argument (EINVAL))"
    )


class Kept(list[str]):
    """Warnings that stay."""

    def clear(self) -> None:
        """Keep them."""
