# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bcc and the prebuilt objects: which is used, and that both count and send the same."""

from __future__ import annotations

import ctypes as ct
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from errno import E2BIG, EFAULT
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from trials import KIB, STORMS, assert_balanced, records, run

from bench.errors import KernelRefused, MachineUnfit, UsageError
from bench.judge.duets import paired_ratio
from bench.linux import bpf
from bench.plan import arms
from bench.plan.arms import compose_duet
from bench.plan.config import MIXED, Attach, Call, Duet, Producer, TrialConfig, Wake
from bench.plan.experiments import Arm
from bench.tracer import chooser, libbpf, loader, prebuilt, settings, thread
from bench.tracer.build import Build, Kernel
from bench.tracer.loader import Loader
from bench.tracer.object import loaded
from bench.tracer.program import Program
from bench.tracer.transports import find
from bench.trial import duet
from bench.trial.rig import Rig
from bench.trial.run import Slot
from workloads.storm import Shape

needs_objects = pytest.mark.skipif(not loader.objects(), reason="bufbench was built without clang")


@pytest.fixture
def without_bcc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    monkeypatch.setattr(loader, "find_spec", lambda _: None)


def objects_are(monkeypatch: pytest.MonkeyPatch, *found: Path) -> None:
    monkeypatch.setattr(loader, "objects", lambda: found)


def test_bcc_is_the_default_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    monkeypatch.setattr(loader, "find_spec", lambda _: object())
    objects_are(monkeypatch, Path("x.bpf.o"))
    assert loader.chosen() is Loader.BCC
    monkeypatch.setenv(loader.VARIABLE, "prebuilt")
    assert loader.chosen() is Loader.PREBUILT


@pytest.mark.usefixtures("without_bcc")
def test_without_bcc_there_are_the_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    objects_are(monkeypatch, Path("x.bpf.o"))
    assert loader.chosen() is Loader.PREBUILT
    assert loader.version().startswith("none: prebuilt, libbpf 1.")
    objects_are(monkeypatch)
    assert loader.chosen() is Loader.BCC  # whose error says what to install


def test_emulated_guests_compile_only_where_nothing_is_prebuilt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    objects_are(monkeypatch, Path("x.bpf.o"))
    assert loader.of_emulated() is Loader.PREBUILT
    monkeypatch.setenv(loader.VARIABLE, "bcc")
    assert loader.of_emulated() is Loader.BCC
    monkeypatch.delenv(loader.VARIABLE)
    objects_are(monkeypatch)
    assert loader.of_emulated() is Loader.BCC


def test_objects_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(loader.VARIABLE, "prebuilt")
    objects_are(monkeypatch)
    with pytest.raises(MachineUnfit, match="built without clang") as refused:
        loader.version()
    assert "python3-bpfcc" in str(refused.value)


def test_another_loader_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(loader.VARIABLE, "Bcc")
    with pytest.raises(UsageError, match="BUFBENCH_LOADER is 'Bcc'; set it to bcc or prebuilt"):
        loader.chosen()


def producers() -> Iterator[Producer]:
    """Yield every setting that a program is built with, and most pairs of them."""
    yield Producer(checked=True, payload_bytes=8)
    yield Producer(wake=Wake.BYTES, watermark=4096, records_per_exit=50)
    for attach, scratch in product(Attach, (False, True)):
        yield Producer(attach=attach, checked=True, scratch=scratch, payload_bytes=8)
    for payload_bytes, count in product((0, 8, 512, MIXED), (1, 1000)):
        yield Producer(payload_bytes=payload_bytes, records_per_exit=count)
    yield Producer(delay_ns=1_000, payload_bytes=128)


def builds() -> Iterator[Build]:
    yield from (chooser.BUILD, thread.COUNTER, Build(variant="noop"), Build(variant="aggregate"))
    for name, call, producer in product(("ringbuf", "perfbuf", "overwrite"), Call, producers()):
        way = find(name)
        if not way.calls and call is not Call.RESERVE:
            continue
        written = replace(producer, call=call)
        macros = settings.macros(written) | way.macros(written, (0, 1))
        for more in ({}, chooser.MACROS | {"SECOND_ARM": 1}, {"COUNT_MISSED": 1}):
            yield Build(
                variant=way.variant,
                macros=tuple((macros | more).items()),
                attach=producer.attach,
                paired=producer.checked,
            )


@needs_objects
def test_every_build_has_its_object() -> None:
    """Opened, not loaded: any user may."""
    known: dict[str, set[str]] = {}
    with libbpf.loaded() as library:
        for path in loader.objects():
            with loaded.opened(library, path.read_bytes(), path.name) as found:
                numbers = dict.fromkeys((f"SIZE_{index}" for index in range(4)), 8)
                assert bool(found.set_numbers(numbers)) is ("-any" not in path.name)
                known[path.name] = {each.name for each in found.programs()}
    for build in builds():
        macros = {"HAS_FETCH_ADD": 1, **dict(build.macros)}
        name = f"{prebuilt._object_of(build, macros)}.bpf.o"
        assert {*build.functions} <= known[name], build


@needs_objects
@pytest.mark.parametrize("change", [{"FAULT_TEAR": 3}, {"CALL_MADE_UP": 1}])
def test_what_no_object_has_needs_bcc(change: dict[str, int]) -> None:
    build = Build(variant="ringbuf", macros=(("SIZE_0", 80), *change.items()))
    (name,) = change
    with pytest.raises(MachineUnfit, match=f"needs bcc: objects have no {name}") as refused:
        prebuilt.Prebuilt(build, Kernel("6.1.0", {}, {}))
    assert "python3-bpfcc" in str(refused.value)


@needs_objects
@pytest.mark.parametrize("code", [E2BIG, EFAULT])
def test_what_the_verifier_gives_up_on_says_what_to_do(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: loaded.Object) -> None:
        raise KernelRefused("BPF program is too large") from OSError(code, "")

    monkeypatch.setattr(loaded.Object, "load", load)
    producer, way = Producer(payload_bytes=MIXED, records_per_exit=1_000), find("ringbuf")
    macros = settings.macros(producer) | way.macros(producer, (0, 1)) | chooser.MACROS
    build = Build(variant="ringbuf", macros=tuple(macros.items()))
    with pytest.raises(MachineUnfit, match="too large") as refused:
        prebuilt.Prebuilt(build, Kernel("6.18.0", {}, {}))
    assert "take 100 --records or fewer" in str(refused.value)
    assert ("python3-bpfcc" in str(refused.value)) is (code == E2BIG)


@pytest.mark.parametrize(("records", "most"), [(1, 1), (2, 100), (100, 100), (101, 1_000)])
def test_a_loop_is_no_longer_than_its_records_take(records: int, most: int) -> None:
    assert settings.macros(Producer(records_per_exit=records))["MAX_RECORDS_PER_EXIT"] == most


def test_raw_tracepoints_of_old_kernels_need_bcc() -> None:
    build = Build(variant="ringbuf", macros=(("PREEMPTIBLE", 1),), attach=Attach.RAW)
    with pytest.raises(MachineUnfit, match=r"need Linux 5\.12"):
        prebuilt.Prebuilt(build, Kernel("5.10.0", {}, {}))


BY_BYTES = "ringbuf, woken by bytes"


def config(text: str) -> TrialConfig:
    found = TrialConfig(transport="none", budget_bytes=0, storm=STORMS[Shape.STORM])
    if text != BY_BYTES:
        return arms.made(arms.side(text, find), found, 256 * KIB, cpus=2)[0][0].config
    producer = Producer(wake=Wake.BYTES, watermark=4 * KIB)
    return replace(found, transport="ringbuf", budget_bytes=256 * KIB, producer=producer)


SIDES = (
    *("ringbuf", "ringbuf:output", "ringbuf:largest:payload=mixed", "ringbuf:payload=512"),
    *("ringbuf:dynptr", "ringbuf:forced", "ringbuf:wakeup=16", "ringbuf:delay=2000", BY_BYTES),
    "ringbuf:discard",
    *("ringbuf:records=100", "ringbuf:output:payload=mixed", "ringbuf:checked", "sharded"),
    *("ringbuf:raw", "ringbuf:tp_btf:scratch", "perfbuf", "perfbuf:payload=512"),
    *("perfbuf:payload=mixed", "perfbuf:none:records=1000", "perfbuf:raw:scratch"),
)


@needs_objects
@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("text", SIDES)
def test_ledgers_and_records_agree(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    for each in Loader:
        monkeypatch.setenv(loader.VARIABLE, each)
        with Rig() as rig:
            trial = run(rig, config(text))
            rows = records(rig)
            assert_balanced(trial)
        assert trial.ledger is not None
        own = rows[rows["flags"] & 1 == 1]
        seen.append(
            {
                "exits": trial.ledger.own_exits,
                "attempted": trial.ledger.own_attempted,
                "lengths": sorted({*own["length"].tolist()}),
                "flags": sorted({*own["flags"].tolist()}),
                "comms": sorted({*own["comm"].tolist()}),
                "statuses": sorted({*own["status"].tolist()}),
            }
        )
    assert seen[0] == seen[1]
    assert seen[0]["exits"] >= 1_500


INFO_BY_FD = 15
CALL, MOVE, ADD, WIDE = 0x85, 0xBF, 0x07, 0x18
LOAD, STORE = 1, 3  # classes
STACK = 10  # the register


def timed(program_fd: int) -> Counter[bpf.Instruction]:
    """Return what runs between readings of the clock around a write, but registers and spills."""
    block = ct.create_string_buffer(1 << 20)
    place = struct.pack("=20xI8xQ", len(block), ct.addressof(block))
    info = ct.create_string_buffer(place, 256)
    bpf._bpf(INFO_BY_FD, "=IIQ", program_fd, len(info), ct.addressof(info))
    code = bpf.decoded(block.raw[: struct.unpack_from("=20xI", info)[0]])
    calls = [place for place, each in enumerate(code) if each[0] == CALL and not each[1] >> 4]
    begin, _, end = [each for each in calls if code[each][3] == code[calls[-1]][3]][-3:]
    found = Counter[bpf.Instruction]()
    for operation, registers, offset, value in code[begin + 1 : end]:
        kind, target, source = operation & 7, registers & 15, registers >> 4
        spill = (kind == LOAD and source == STACK) or (kind == STORE and target == STACK)
        if operation != MOVE and not spill:
            where = operation in (CALL, WIDE) or (operation == ADD and value < 0)
            found[operation, 0, offset if kind <= STORE else 0, 0 if where else value] += 1
    return found


@needs_objects
@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "call"), [("perfbuf", Call.RESERVE), *(("ringbuf", each) for each in Call)]
)
def test_a_timed_write_is_the_same_instructions(
    name: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a few: clang and bcc's own need not be of one version."""
    way, producer = find(name), Producer(call=call, wake=Wake.NONE)
    macros = settings.macros(producer) | way.macros(producer, (0, 1)) | chooser.MACROS
    seen = []
    for each in Loader:
        monkeypatch.setenv(loader.VARIABLE, each)
        build = Build(variant=way.variant, macros=tuple(macros.items()))
        with Program(build, Kernel.probe()) as program:
            seen.append(timed(program.load()))
    by_bcc, prebuilt_ = seen
    assert by_bcc.total() > 5
    assert ((by_bcc - prebuilt_) + (prebuilt_ - by_bcc)).total() <= 4


MARGIN = 1.02
FEWEST_STORMS, MOST_STORMS = 48, 400
STORMS_A_LOAD = 8


@needs_objects
@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("text", ["ringbuf:none", "ringbuf:output:none", "perfbuf:none"])
def test_a_write_costs_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a duet of one arm with itself, by bcc and prebuilt: equivalent within 2 %.

    Of the quickest 90 % of the writes, since an interrupt is as long as many; without wake-ups,
    which take many times as long as all else that a write does. Intervals hold however often they
    are looked at, so that storms end once the two are equivalent. Programs are loaded again and
    again: the kernel places each at random (bpf_jit_binary_pack_alloc() in kernel/bpf/core.c),
    which alone makes a write some percent longer or shorter, in all storms of a load, so that a few
    loads may look apart.
    """
    base = TrialConfig(transport="none", budget_bytes=0, storm=STORMS[Shape.STORM], duet=Duet())
    side = arms.side(text, find)
    first, second = compose_duet(
        "test", "", (side, side), base, 1024 * KIB, blocks=MOST_STORMS, cpus=2
    ).arms
    programs: dict[Loader, dict[Build, Program]] = {}
    usual = duet._program

    def by_loader(rig: Rig, arm: Arm, *, marked: bool) -> Program:
        which = Loader.PREBUILT if arm is second else Loader.BCC
        monkeypatch.setenv(loader.VARIABLE, which)
        rig._programs = programs[which]
        return usual(rig, arm, marked=marked)

    monkeypatch.setattr(duet, "_program", by_loader)
    times: list[list[float]] = []
    with Rig() as rig:
        for block in range(MOST_STORMS):
            if block % STORMS_A_LOAD == 0:
                programs = {each: {} for each in Loader}
            place = Slot(experiment="test", block=block, position=0)
            trials = duet.run_duet(rig, (first, second), place, seed=1)
            assert all(each.ledger and not each.ledger.residues for each in trials)
            times.append([each.write.steady_write_ns or 0 for each in trials if each.write])
            found = paired_ratio(*zip(*times, strict=True))
            same = 1 / MARGIN < found.low <= found.high < MARGIN
            if block >= FEWEST_STORMS and same:
                break
    shown = (
        f"{text}: prebuilt writes take {1 / found.point:.4f} of bcc's "
        f"({1 / found.high:.4f} to {1 / found.low:.4f}, {len(times)} storms), {times[0][0]:.0f} ns"
    )
    print(shown)
    assert same, shown
