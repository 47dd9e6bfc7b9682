# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that what the BPF programs write is what Python reads: layouts as a compiler has them."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import paths
from bench.plan.config import MIXED, Producer, Wake
from bench.record import layout
from bench.record.records import CAPTURED, RECORD
from bench.tracer import counters, settings


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    program = tmp_path_factory.mktemp("layouts") / "layouts"
    source = Path(__file__).with_name("layouts.c")
    subprocess.run(["gcc", "-w", f"-I{paths.bpf_sources()}", source, "-o", program], check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(number) for name, number in (line.split() for line in printed.splitlines())}


def test_the_record(compiled: dict[str, int]) -> None:
    assert compiled["exit_record"] == layout.RECORD_BYTES == RECORD.itemsize
    for name in RECORD.names or ():
        assert RECORD.fields
        assert compiled[f"exit_record.{name}"] == RECORD.fields[name][1]


def test_both_views_of_a_captured_row() -> None:
    assert layout.ROW.size == CAPTURED.itemsize
    row = layout.CapturedRecord(*range(1, 12), b"comm", 13, 14, 15)
    seen = np.frombuffer(layout.ROW.pack(*row), dtype=CAPTURED)[0]
    assert {name: seen[name] for name in row._fields} == row._asdict()


def test_the_flags(compiled: dict[str, int]) -> None:
    assert {flag.name: compiled[flag.name or ""] for flag in layout.Flag} == {
        flag.name: flag.value for flag in layout.Flag
    }


@pytest.mark.parametrize(
    ("field", "code", "producer", "value"),
    [
        ("wake_flags", "Q", Producer(wake=Wake.ADAPTIVE), 0),
        ("wake_flags", "Q", Producer(wake=Wake.NONE), 1),
        ("wake_flags", "Q", Producer(wake=Wake.FORCED), 2),
        ("wake_flags", "Q", Producer(wake=Wake.WATERMARK, watermark=7), 1),
        ("watermark", "I", Producer(wake=Wake.WATERMARK, watermark=7), 7),
        ("watermark", "I", Producer(wake=Wake.NONE, watermark=7), 2**32 - 1),
        ("records_per_exit", "I", Producer(records_per_exit=321), 321),
        ("session", "I", Producer(), 4_711),
        ("rings", "I", Producer(), 5),
        ("delay_ns", "I", Producer(delay_ns=999), 999),
        ("delay_cpu", "i", Producer(delay_cpu=-1), -1),
        ("delay_cpu", "i", Producer(delay_cpu=3), 3),
        ("session_namespace", "Q", Producer(), Path("/proc/self/ns/pid").stat().st_ino),
    ],
)
def test_the_settings(
    compiled: dict[str, int], field: str, code: str, producer: Producer, value: int
) -> None:
    text = settings.encode(producer, session=4_711, rings=5)
    assert len(text) == compiled["tracer_settings"]
    assert struct.unpack_from(f"={code}", text, compiled[f"tracer_settings.{field}"]) == (value,)


def test_record_lengths_are_compiled_in() -> None:
    producer = Producer()
    assert settings.macros(producer)["SIZE_0"] == layout.RECORD_BYTES
    padded = settings.macros(replace(producer, payload_bytes=128))
    assert (padded["SIZE_0"], padded["PADDED"]) == (layout.RECORD_BYTES + 128, 1)
    mixed = settings.macros(replace(producer, payload_bytes=MIXED))
    lengths = [mixed[f"SIZE_{index}"] for index in range(4)]
    assert lengths == sorted(set(lengths))
    assert all(length % 8 == 0 for length in lengths)


def test_every_cause_of_a_drop_is_asked_for_once() -> None:
    assert sorted(counters.causes()) == [*range(counters.CAUSES)]


def test_the_counters(compiled: dict[str, int]) -> None:
    assert compiled["tracer_counters"] == counters.BYTES_PER_CPU
    assert compiled["drop_counters"] == counters.DROP_BYTES_PER_CPU
    assert compiled["CAUSES"] == counters.CAUSES

    def value(kind: str, **numbers: int) -> bytes:
        text = bytearray(compiled[kind])
        for name, number in numbers.items():
            struct.pack_into("=Q", text, compiled[f"{kind}.{name}"], number)
        return bytes(text)

    silent = value("tracer_counters")
    seen = value(
        "tracer_counters", exits=50, attempted=60, own_exits=30, own_attempted=40, dropped=21
    )
    assert counters.dropped(silent + seen + seen) == 42
    lost = value("drop_counters", all=7, own=5)
    assert counters.of_cause(lost * 3) == 21
    drops = {cause: value("drop_counters") * 2 + lost for cause in (0, 28, 95, 1_000)}
    decoded = counters.decode(silent + seen + seen, drops, (0, 2, 4))
    assert [cpu.cpu for cpu in decoded] == [2, 4]  # the first saw no exit
    assert (decoded[0].dropped, decoded[0].own_dropped) == ({}, {})
    last = decoded[1]
    assert (last.exits, last.attempted, last.own_exits, last.own_attempted) == (50, 60, 30, 40)
    # The kernel's names: Python calls 95 ENOTSUP, too.
    lost = ("refused", "ENOSPC", "EOPNOTSUPP", "errno 1000")
    assert last.dropped == dict.fromkeys(lost, 7)
    assert last.own_dropped == dict.fromkeys(lost, 5)
