# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Load an object on either transport with its sending counted, to read its buffers here.

Programs that libbpf has loaded are replaced by rewritten ones before it attaches them: a descriptor
keeps its number and gets another program, which libbpf then attaches as its section says.
"""

from __future__ import annotations

import ctypes as ct
import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Final

from bench.errors import BufbenchError, KernelRefused, MachineUnfit, UsageError
from bench.linux import bpf, procfs, refusal
from bench.linux.bpf import Instruction
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import Producer
from bench.record.footprint import Footprint, perfbuf_footprint, ringbuf_footprint
from bench.tracer import buffers
from bench.tracer.capture import Capture
from bench.tracer.libbpf import Libbpf, last_reason
from bench.tracer.object import instructions, loaded
from bench.tracer.object.instructions import SENDS, Code, Counter, Helper
from bench.tracer.object.package import Package

_OTHER: Final = {bpf.RINGBUF: bpf.PERF_EVENT_ARRAY, bpf.PERF_EVENT_ARRAY: bpf.RINGBUF}
_OF_A_RING: Final = frozenset(each for each in Helper if each.name.startswith("RINGBUF"))
_TRANSPORTS: Final = {bpf.RINGBUF: "ringbuf", bpf.PERF_EVENT_ARRAY: "perfbuf"}
_LOG_BYTES: Final = 1 << 20
_LSM: Final = 29  # BPF_PROG_TYPE_LSM
_LINE: Final = struct.Struct("=8Q")
_STACK: Final = re.compile(r"^(?:stack depth|subprog 0 \(.*\) .* stack) ([0-9]+)", re.MULTILINE)
"""The program's own line: 7.3 reports one for each of its functions."""

Rewrite = Callable[[Code, Callable[[], int]], list[Instruction]]
"""Takes a program, and a function that returns how many bytes of its stack it uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Describe what can be measured of an object."""

    transports: tuple[str, ...]  # through which it sends
    other: str  # the transport that it can be carried over to; "": none
    alone: str  # why there is none
    uncounted: str  # why its sending cannot be counted; "": it can be
    budget_bytes: int  # that it requests itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Count calls that sent, and how many of them the kernel refused."""

    attempted: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """Hold an object that is loaded and has its buffers; nothing is attached yet."""

    reader: Capture
    counters: int  # descriptor of the array in which rewritten programs count
    uncounted: str  # why nothing is counted; "": all sending is
    footprint: Footprint
    helpers: frozenset[Helper]  # that its programs call
    attached: AbstractContextManager[None]
    programs: tuple[int, ...]  # descriptors of those that send
    events: tuple[int, ...]  # of perf buffers

    def counts(self) -> Counts | None:
        """Return what was sent so far, on all CPUs; None where that is not counted."""
        if self.uncounted:
            return None
        found = bpf.lookup(self.counters, struct.pack("=I", 0), instructions.COUNTERS_BYTES)
        sums = [sum(each) for each in zip(*_LINE.iter_unpack(found), strict=True)]
        return Counts(
            attempted=sums[Counter.OUTPUTS] + sums[Counter.RESERVES],
            failed=sums[Counter.OUTPUTS_FAILED] + sums[Counter.RESERVES_FAILED],
        )

    def runs(self) -> tuple[int, int]:
        """Return runs of the programs that send, and ns in them, while statistics were on."""
        return bpf.run_time(self.programs)

    def refused(self) -> int | None:
        """Return the kernel's count of records for which perf buffers had no room (6.0)."""
        return buffers.lost(self.events) if self.events else None


def look(library: Libbpf, package: Package, budget_bytes: int | None) -> Looks:
    """Find out what can be measured, by loading the object on both transports and unloading it."""
    with loaded.opened(library, package.elf, package.name) as opened:
        kinds = {each.kind for each in opened.maps()} & _OTHER.keys()
        asked = budget_bytes or _asked(opened)
        opened.prepare(None if budget_bytes is None else PAGE_BYTES)
    with measuring(library, package, asked) as own:
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
                with measuring(library, package, asked, other):
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
def measuring(
    library: Libbpf,
    package: Package,
    budget_bytes: int,
    transport: str = "",
    *,
    stamp_at: int = -1,
    stamped_from_ns: int = 0,
) -> Iterator[Measuring]:
    """Load an object with buffers of this budget; KernelRefused if that is impossible.

    ``transport``: to carry it over to; "": as it is. ``stamp_at``: where its records have a u64 of
    CLOCK_MONOTONIC ns, invalid if earlier than ``stamped_from_ns``; -1: nowhere.
    """
    to = {name: kind for kind, name in _TRANSPORTS.items()}.get(transport)
    with loaded.opened(library, package.elf, package.name) as opened, ExitStack() as stack:
        count = sum(each.kind in _OTHER for each in opened.maps())
        each_bytes = _share(budget_bytes, count)
        opened.prepare(_prepared(opened, each_bytes, to))
        opened.load()
        programs = opened.programs()
        codes = {each.name: _code_of(library, each) for each in programs}
        rings, perfs = (opened.descriptors(kind) for kind in (bpf.RINGBUF, bpf.PERF_EVENT_ARRAY))
        maps: Mapping[int, int] = {}
        if to is not None:
            entries = each_bytes if to == bpf.RINGBUF else max(procfs.online_cpus()) + 1
            make = partial(buffers.make_map, to, "buffer on the other transport", stack)
            maps = {fd: make(entries=entries, name=_TRANSPORTS[to][:4]) for fd in rings + perfs}
            rings, perfs = ([*maps.values()] if to == kind else [] for kind in _TRANSPORTS)
        counters = buffers.make_map(
            bpf.ARRAY, "map to count in", stack, value_bytes=instructions.COUNTERS_BYTES,
            entries=1, name="counts",
        )  # fmt: skip
        uncounted = ""
        try:
            if any(each.kind == loaded.PROGRAM_ARRAY for each in opened.maps()):
                raise UsageError("it makes tail calls, to programs that stay as they are")
            rewrite = partial(instructions.rewritten, counters_fd=counters, to=to, maps=maps)
            load = partial(_load, library, btf_fd=opened.btf_fd(), licence=package.licence)
            _replace(library, programs, load, rewrite)
        except BufbenchError as error:
            if to is not None:
                raise
            uncounted = error.message
        reader = Capture(1)
        reader.tally(stamp_at, stamped_from_ns)
        stack.callback(reader.unmap)
        footprint, events = _open(reader, rings, perfs, each_bytes, stack)
        senders = (each for each in programs if instructions.helpers(codes[each.name]) & SENDS)
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
        each.bytes if each.kind == bpf.RINGBUF else cpus * loaded.USUAL_PER_CPU_BYTES
        for each in opened.maps()
        if each.kind in _OTHER
    ]
    return max(sum(sizes), PAGE_BYTES)


def _share(budget_bytes: int, count: int) -> int:
    """Return the share of a budget that each of ``count`` maps has: a power of two of pages."""
    pages = max(1, budget_bytes // (max(1, count) * PAGE_BYTES))
    return PAGE_BYTES << (pages.bit_length() - 1)


def _prepared(opened: loaded.Object, each_bytes: int, to: int | None) -> int:
    """Return the data bytes of its own rings or, without rings, of a CPU's perf buffer."""
    if to == bpf.PERF_EVENT_ARRAY:
        return PAGE_BYTES
    rings = any(each.kind == bpf.RINGBUF for each in opened.maps())
    return each_bytes if rings else max(PAGE_BYTES, each_bytes // len(procfs.online_cpus()))


def _in_the_way(helpers: frozenset[Helper], to: int) -> str:
    """Name what cannot be carried over to this kind of map; "" if everything can."""
    family = _OF_A_RING if to == bpf.PERF_EVENT_ARRAY else frozenset(Helper) - _OF_A_RING
    found = instructions.not_carried(helpers & family, to)
    return f"it calls {', '.join(each.title for each in found)}" if found else ""


def _open(
    reader: Capture, rings: list[int], perfs: list[int], each_bytes: int, stack: ExitStack
) -> tuple[Footprint, tuple[int, ...]]:
    """Give the reader all buffers; return their footprint, and the events of perf buffers."""
    events, cpus = list[int](), procfs.online_cpus()
    pages = budgets.perf_pages_per_cpu(each_bytes, len(cpus))[0]
    map_event = partial(reader.add_perf, data_bytes=pages * PAGE_BYTES)
    try:
        for fd in rings:
            reader.add_ring(fd, each_bytes)
        for fd in perfs:
            for cpu in cpus:
                events.append(buffers.perf_buffer(cpu, pages, Producer(), stack, map_event))
                buffers.put(fd, cpu, events[-1], stack)
    except OSError as error:
        raise refusal.refused("the object's buffers cannot be opened", error) from error
    parts = [ringbuf_footprint(each_bytes) for _ in rings]
    parts += [perfbuf_footprint(pages, cpus=len(cpus)) for _ in perfs]
    sums = {of.name: sum(getattr(each, of.name) for each in parts) for of in fields(Footprint)}
    return Footprint(**sums), tuple(events)


def _code_of(library: Libbpf, program: loaded.Program) -> list[Instruction]:
    """Return the instructions of a loaded program as the kernel got them."""
    count = library.bpf_program__insn_cnt(program.handle)
    return bpf.decoded(ct.string_at(library.bpf_program__insns(program.handle), 8 * count))


def _replace(
    library: Libbpf,
    programs: Sequence[loaded.Program],
    load: Callable[[loaded.Program, ExitStack, Code], tuple[int, str]],
    rewrite: Rewrite,
) -> None:
    """Replace every program that sends, or none: KernelRefused if one cannot be replaced."""
    with ExitStack() as stack:
        found = []
        for each in programs:
            code = _code_of(library, each)
            if instructions.helpers(code) & SENDS:
                load_one = partial(load, each, stack)
                fd, _ = load_one(rewrite(code, partial(_stack_bytes, load_one, code)))
                found.append((fd, library.bpf_program__fd(each.handle)))
        for fd, place in found:
            os.dup2(fd, place, inheritable=False)


def _stack_bytes(load: Callable[[Code], tuple[int, str]], code: Code) -> int:
    """Return how much of its stack a program uses, as the verifier reports it."""
    _, log = load(code)
    found = _STACK.search(log)
    if found is None:
        raise MachineUnfit("this kernel does not report how much of its stack a program uses")
    return int(found[1])


def _load(
    library: Libbpf,
    program: loaded.Program,
    stack: ExitStack,
    code: Code,
    *,
    btf_fd: int,
    licence: bytes,
) -> tuple[int, str]:
    """Load ``code`` as one of the object's programs; return its descriptor and the log."""
    handle, log = program.handle, ct.create_string_buffer(_LOG_BYTES)
    types = bpf.function_types(library.bpf_program__fd(handle))
    kind = library.bpf_program__type(handle)
    attach_type = library.bpf_program__expected_attach_type(handle)
    btf_type = 0
    if kind in (bpf.TRACING, _LSM):
        of = program.section.partition("/")[2]
        btf_type = max(0, library.libbpf_find_vmlinux_btf_id(of.encode(), attach_type))
    try:
        fd = bpf.load_code(
            kind, bpf.encoded(code), name=program.name, licence=licence,
            attach_type=attach_type, btf_type=btf_type, btf_fd=btf_fd,
            functions=instructions.typed(code, types),
            flags=library.bpf_program__flags(handle), log=log,
        )  # fmt: skip
    except OSError as error:
        shown, reason = refusal.named(error), last_reason(log.value.decode(errors="replace"))
        raise KernelRefused(
            f"program {program.name}, rewritten: {f'{reason} ({shown})' if reason else shown}"
        ) from error
    stack.callback(os.close, fd)
    return fd, log.value.decode(errors="replace")
