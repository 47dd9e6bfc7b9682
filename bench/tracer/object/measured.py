# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Load an object on either transport with its sending counted, to read its buffers here."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.errors import BufbenchError, UsageError
from bench.linux import bpf, perf_event, procfs, refusal
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.record.footprint import Footprint, perfbuf_footprint, ringbuf_footprint
from bench.tracer.capture import Capture
from bench.tracer.libbpf import Libbpf
from bench.tracer.object import elf, instructions, loaded
from bench.tracer.object.instructions import Helper
from bench.tracer.object.package import Package
from bench.tracer.object.replaced import Counters, Counts, code_of, replace

_PROGRAM_ARRAY: Final = 3  # BPF_MAP_TYPE_PROG_ARRAY
_OTHER: Final = {bpf.RINGBUF: bpf.PERF_EVENT_ARRAY, bpf.PERF_EVENT_ARRAY: bpf.RINGBUF}
_OF_A_RING: Final = frozenset(each for each in Helper if each.name.startswith("RINGBUF"))
_TRANSPORTS: Final = {bpf.RINGBUF: "ringbuf", bpf.PERF_EVENT_ARRAY: "perfbuf"}
_USUAL_PER_CPU_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What can be measured of an object."""

    transports: tuple[str, ...]  # that it sends through
    other: str  # the transport that it can be carried over to; "": none
    alone: str  # why there is none
    uncounted: str  # why its sending cannot be counted; "": it can
    budget_bytes: int  # that it asks for itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How an object is measured."""

    transport: str = ""  # that it is carried over to; "": as it is
    budget_bytes: int
    stamp_at: int = -1  # where its records have a u64 of CLOCK_MONOTONIC ns; -1: nowhere
    stamped_from_ns: int = 0  # an earlier one is no stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """An object that is loaded and has its buffers; nothing is attached yet."""

    reader: Capture
    counters: Counters
    uncounted: str  # why nothing is counted; "": all sending is
    footprint: Footprint
    helpers: frozenset[Helper]  # that its programs call
    attached: AbstractContextManager[None]
    programs: tuple[int, ...]  # descriptors of those that send
    events: tuple[int, ...]  # of perf buffers

    def counts(self) -> Counts | None:
        """Return what was sent so far; None where that is not counted."""
        return None if self.uncounted else self.counters.read()

    def runs(self) -> tuple[int, int]:
        """Return runs of the programs that send, and ns in them, while statistics were on."""
        found = [bpf.run_time(each) for each in self.programs]
        return sum(runs for runs, _ in found), sum(ns for _, ns in found)

    def refused(self) -> int | None:
        """Return what perf buffers had no room for, as the kernel counts it (6.0)."""
        lost = [count for count in map(perf_event.lost, self.events) if count is not None]
        return sum(lost) if lost and len(lost) == len(self.events) else None


def look(library: Libbpf, package: Package, budget_bytes: int | None) -> Looks:
    """Load the object on both transports, and say what can be measured; it is gone again then."""
    with loaded.opened(library, package.elf, package.name) as opened:
        kinds = {each.kind for each in opened.maps()} & _OTHER.keys()
        asked = budget_bytes or _asked(opened)
        opened.prepare(None if budget_bytes is None else PAGE_BYTES)
    setting = Setting(budget_bytes=asked)
    with measuring(library, package, setting) as own:
        uncounted, helpers = own.uncounted, own.helpers
    other, alone = "", uncounted
    if len(kinds) > 1:
        alone = "it sends through both already"
    elif not uncounted:
        to = _OTHER[next(iter(kinds))]
        alone = _in_the_way(helpers, to)
        if not alone:
            other = _TRANSPORTS[to]
            try:
                with measuring(library, package, Setting(transport=other, budget_bytes=asked)):
                    pass
            except BufbenchError as error:
                other, alone = "", error.message
    return Looks(
        transports=tuple(_TRANSPORTS[each] for each in sorted(kinds, reverse=True)),
        other=other,
        alone=alone,
        uncounted=uncounted,
        budget_bytes=asked,
    )


@contextmanager
def measuring(library: Libbpf, package: Package, setting: Setting) -> Iterator[Measuring]:
    """Load an object with buffers of ``setting``; KernelRefused where that cannot be."""
    to = {name: kind for kind, name in _TRANSPORTS.items()}.get(setting.transport)
    licence = bytes(elf.sections(package.elf).get("license", b"")).split(b"\0", 1)[0]
    with loaded.opened(library, package.elf, package.name) as opened, ExitStack() as stack:
        count = sum(each.kind in _OTHER for each in opened.maps())
        each_bytes = _share(setting.budget_bytes, count)
        opened.prepare(_prepared(opened, each_bytes, to))
        opened.load()
        programs = opened.programs()
        codes = {each.name: code_of(library, each) for each in programs}
        rings, perfs = (opened.descriptors(kind) for kind in (bpf.RINGBUF, bpf.PERF_EVENT_ARRAY))
        maps: Mapping[int, int] = {}
        if to is not None:
            maps = {fd: _made(to, each_bytes, stack) for fd in rings + perfs}
            rings, perfs = ([*maps.values()] if to == kind else [] for kind in _TRANSPORTS)
        counters = Counters(stack)
        uncounted = ""
        try:
            if any(each.kind == _PROGRAM_ARRAY for each in opened.maps()):
                raise UsageError("it makes tail calls, to programs that stay as they are")
            rewrite = partial(instructions.rewritten, counters_fd=counters.fd, to=to, maps=maps)
            replace(library, programs, licence, rewrite)
        except BufbenchError as error:
            if to is not None:
                raise
            uncounted = error.message
        reader = Capture(1)
        reader.tally(setting.stamp_at, setting.stamped_from_ns)
        stack.callback(reader.unmap)
        footprint, events = _open(reader, rings, perfs, each_bytes, stack)
        senders = (
            each for each in programs if instructions.helpers(codes[each.name]) & instructions.SENDS
        )
        yield Measuring(
            reader=reader,
            counters=counters,
            uncounted=uncounted,
            footprint=footprint,
            helpers=frozenset().union(*map(instructions.helpers, codes.values())),
            attached=opened.attached(),
            programs=tuple(library.bpf_program__fd(each.handle) for each in senders),
            events=events,
        )


def _asked(opened: loaded.Object) -> int:
    """Return the data bytes that the object's own buffers have, at the usual 256 KiB a CPU."""
    cpus = len(procfs.online_cpus())
    sizes = [
        each.bytes if each.kind == bpf.RINGBUF else cpus * _USUAL_PER_CPU_BYTES
        for each in opened.maps()
        if each.kind in _OTHER
    ]
    return max(sum(sizes), PAGE_BYTES)


def _share(budget_bytes: int, count: int) -> int:
    """Return what each of ``count`` maps has of a budget: a power of two of pages."""
    pages = max(1, budget_bytes // (max(1, count) * PAGE_BYTES))
    return PAGE_BYTES << (pages.bit_length() - 1)


def _prepared(opened: loaded.Object, each_bytes: int, to: int | None) -> int:
    """Return the data bytes that its own rings have, or where it has none a CPU's perf buffer."""
    if to == bpf.PERF_EVENT_ARRAY:
        return PAGE_BYTES
    rings = any(each.kind == bpf.RINGBUF for each in opened.maps())
    return each_bytes if rings else max(PAGE_BYTES, each_bytes // len(procfs.online_cpus()))


def _in_the_way(helpers: frozenset[Helper], to: int) -> str:
    """Name what cannot be carried over to this kind of map; "": nothing."""
    family = _OF_A_RING if to == bpf.PERF_EVENT_ARRAY else frozenset(Helper) - _OF_A_RING
    found = instructions.not_carried(helpers & family, to)
    return f"it calls {', '.join(each.title for each in found)}" if found else ""


def _made(kind: int, data_bytes: int, stack: ExitStack) -> int:
    """Make a map in the place of one of the object's."""
    ring = kind == bpf.RINGBUF
    size = 0 if ring else 4
    entries = data_bytes if ring else max(procfs.online_cpus()) + 1
    name = f"bufbench_{'ring' if ring else 'perf'}"
    try:
        fd = bpf.create_map(kind, key_bytes=size, value_bytes=size, entries=entries, name=name)
    except OSError as error:
        raise refusal.refused("the kernel gives no buffer on the other transport", error) from error
    stack.callback(os.close, fd)
    return fd


def _open(
    reader: Capture, rings: list[int], perfs: list[int], each_bytes: int, stack: ExitStack
) -> tuple[Footprint, tuple[int, ...]]:
    """Give the reader all buffers; return their footprint, and the events of perf buffers."""
    events = list[int]()
    cpus = procfs.online_cpus()
    pages = budgets.perf_pages_per_cpu(each_bytes, len(cpus))[0]
    try:
        for fd in rings:
            reader.add_ring(fd, each_bytes)
        for fd in perfs:
            for cpu in cpus:
                event = perf_event.open_output(cpu)
                stack.callback(os.close, event)
                reader.add_perf(event, pages * PAGE_BYTES)
                bpf.update(fd, struct.pack("=I", cpu), struct.pack("=I", event))
                events.append(event)
    except OSError as error:
        raise refusal.refused("the object's buffers cannot be opened", error) from error
    parts = [ringbuf_footprint(each_bytes) for _ in rings]
    parts += [perfbuf_footprint(pages, cpus=len(cpus)) for _ in perfs]
    return (
        Footprint(
            data_bytes=sum(each.data_bytes for each in parts),
            page_bytes=sum(each.page_bytes for each in parts),
            bookkeeping_bytes=sum(each.bookkeeping_bytes for each in parts),
        ),
        tuple(events),
    )
