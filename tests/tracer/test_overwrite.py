# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the overwriting ring on kernels that lack it, and where it cannot serve."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from bench.errors import MachineUnfit, UsageError
from bench.linux import procfs
from bench.plan import arms
from bench.plan.config import Consumer, Producer, Reader, TrialConfig
from bench.tracer import btf, live
from bench.tracer.build import Kernel
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import BufferRequest
from bench.tracer.transports import find
from bench.trial import memory_census

WAY = find("overwrite")


class Types:
    """Stand in for BTF in which these members of struct bpf_ringbuf lie at these places."""

    def __init__(self, **places: int) -> None:
        self.places = places

    def field(self, structure: str, name: str) -> btf.Field | None:
        assert structure == "bpf_ringbuf"
        return btf.Field(self.places[name], "long") if name in self.places else None


@pytest.mark.parametrize(
    ("places", "known"),
    [
        ({"producer_pos": 8192, "pending_pos": 8200, "overwrite_pos": 8208}, True),
        ({"producer_pos": 8192, "pending_pos": 8200}, False),
        ({"producer_pos": 8192, "overwrite_pos": 8200}, False),  # not where the capture reads it
        ({}, False),
    ],
)
def test_the_kernel_s_types_say_whether_it_can(places: dict[str, int], known: bool) -> None:
    assert btf.overwrites(cast("btf.Btf", Types(**places))) is known


def test_an_older_kernel_is_refused_in_one_line() -> None:
    kernel = Kernel("6.18.0", {}, {})
    with pytest.raises(MachineUnfit, match=r"cannot overwrite.*Linux 6\.19") as refused:
        WAY.require(Producer(), kernel)
    assert "\n" not in str(refused.value)
    find("ringbuf").require(Producer(), kernel)
    WAY.require(Producer(), Kernel("6.19.0", {}, {}, overwrites=True))


@pytest.mark.parametrize("name", ["ringbuf", "sharded", "overwrite"])
def test_a_kernel_without_ring_buffers_is_refused_in_one_line(name: str) -> None:
    kernel = Kernel("5.7.0", {}, {"ring_buffer": "no"}, overwrites=True)
    with pytest.raises(MachineUnfit, match=r"no BPF ring buffer.*Linux 5\.8") as refused:
        find(name).require(Producer(), kernel)
    assert "\n" not in str(refused.value)
    find("perfbuf").require(Producer(), kernel)


def test_libbpf_s_reader_and_a_live_trace_are_refused() -> None:
    consumer = Consumer(reader=Reader.LIBBCC)
    config = TrialConfig(transport="overwrite", budget_bytes=4096, consumer=consumer)
    request = BufferRequest(config=config, cpus=procfs.online_cpus())
    with pytest.raises(UsageError, match="--reader"):
        WAY.open(cast("Program", None), cast("Capture", None), request)
    with pytest.raises(UsageError, match="trace with ringbuf"), live.opened("overwrite", None):
        pass


def test_rings_are_made_with_the_flag_that_their_array_has() -> None:
    source = Path("bpf/ringbuf/exitsnoop.bpf.c").read_text(encoding="utf-8")
    assert "RING_FLAGS" in source
    assert WAY.macros(Producer(), (0, 1))["RING_FLAGS"] == 1 << 19
    assert "RING_FLAGS" not in find("ringbuf").macros(Producer(), (0, 1))


@pytest.mark.parametrize(
    "text", ["overwrite:scratch", "ringbuf:dynptr:checked", "ringbuf:largest:raw"]
)
def test_checked_records_are_written_otherwise(text: str) -> None:
    with pytest.raises(UsageError, match="written by reserve or output"):
        arms.side(text, find)


def test_its_memory_is_not_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(memory_census, "_look", lambda name, *_: looked.append(name))
    memory_census.census([4096])
    assert "ringbuf" in looked
    assert "overwrite" not in looked
