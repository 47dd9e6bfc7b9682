# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a batch has an end, however fast an object sends."""

from __future__ import annotations

import ctypes as ct
import os
import sys
from contextlib import ExitStack, nullcontext
from errno import ECANCELED, EINVAL
from typing import Any

import pytest

from bench.errors import KernelRefused
from bench.linux import bpf, capabilities, tracefs
from bench.tracer import libbpf, loader
from bench.tracer.object import loaded
from bench.tracer.object.loaded import Buffers

NUMA_NODE = 1 << 2  # BPF_F_NUMA_NODE


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
        loaded.Object(refusing, 1, ExitStack()).load()
    assert refused.value.message == (
        f"the kernel refuses this object: program one: {reason} (Invalid argument (EINVAL))"
    )


class Kept(list[str]):
    """Keep warnings that are to be cleared."""

    def clear(self) -> None:
        """Keep them."""


@pytest.mark.live
@pytest.mark.parametrize("flags", [0, NUMA_NODE])
def test_all_rings_of_an_array_have_the_flags_that_were_set(flags: int) -> None:
    """They are those of an example ring, which cannot be changed from libbpf 1.4 on."""
    path = next(each for each in loader.objects() if b"rings_map" in each.read_bytes())
    with libbpf.loaded() as library, loaded.opened(library, path.read_bytes(), "made-up") as made:
        made.set_array_of_rings("rings_map", 2, flags)
        for program in made.programs():
            made.leave_out(program)
        made.load()
        for given in (0, NUMA_NODE):
            ring = bpf.create_map(
                bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=4096, name="ring", flags=given
            )
            element = bytes(4), ring.to_bytes(4, sys.byteorder)
            with nullcontext() if given == flags else pytest.raises(OSError, match="Invalid"):
                bpf.update(made.map_fd("rings_map"), *element)
            os.close(ring)
