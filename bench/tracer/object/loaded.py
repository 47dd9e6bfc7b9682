# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Open an object, load it into the kernel, attach it by its section names, read its buffers."""

from __future__ import annotations

import ctypes as ct
import os
import re
import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from errno import ECANCELED, EOPNOTSUPP, EPERM
from functools import partial
from typing import Any, Final

from bench.amounts import size
from bench.errors import KernelRefused, UsageError
from bench.host.signals import uninterrupted
from bench.linux import bpf, capabilities, refusal, tracefs
from bench.linux.pages import PAGE_BYTES
from bench.linux.version import numbers
from bench.tracer.btf import Btf
from bench.tracer.libbpf import ON_LOST, ON_PERF, ON_SAMPLE, Libbpf
from bench.tracer.object.instructions import Helper

MOST_MAP_BYTES: Final = 256 << 20
"""Of all maps of an object together; more is refused: it would be taken from the machine."""
PROGRAM_ARRAY: Final = 3  # BPF_MAP_TYPE_PROG_ARRAY
USUAL_PER_CPU_BYTES: Final = 64 * PAGE_BYTES  # as in eunomia and bcc
_MOST_RECORDS: Final = 4_096  # of a batch; an object may send endlessly
_CONSTANTS: Final = ".rodata"
_RINGS: Final = frozenset({bpf.RINGBUF, 31})  # BPF_MAP_TYPE_USER_RINGBUF
_PER_CPU: Final = frozenset({5, 6, 10, 21})  # BPF_MAP_TYPE_PERCPU_HASH, ..._ARRAY, LRU, storage
_WITHOUT_MEMORY: Final = frozenset({bpf.PERF_EVENT_ARRAY, 11})  # LPM tries grow as they are used
_CALLBACKS: Final = (5, 13, 0)
_UNCALLED: Final = "number of funcs in func_info doesn't match number of subprogs"
_UNKNOWN_HELPER: Final = re.compile(r"\binvalid func unknown#([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Hold a map of the object, by libbpf's handle."""

    handle: int
    name: str
    kind: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Hold a program of the object that is to be loaded, by libbpf's handle."""

    handle: int
    name: str
    section: str


class Buffers:
    """Read all buffers of an object, rings and perf event arrays; made by :meth:`Object.buffers`.

    Use one thread, not the main one: a callback of ctypes swallows what a signal raises in it.
    """

    def __init__(self) -> None:
        self.lost = 0  # as perf buffers report; rings report nothing
        self.delivered = 0
        self._records: list[bytes] = []
        self._consume: list[Callable[[], int]] = []
        self._poll = select.poll()
        self.on_sample = ON_SAMPLE(self._take)
        self.on_perf = ON_PERF(lambda _, __, data, size: self._take(None, data, size) and None)
        self.on_lost = ON_LOST(self._lose)

    def add(self, consume: Callable[[], int], epoll: int) -> None:
        """Read another buffer, by libbpf's function; ``epoll`` is readable if there are records."""
        self._consume.append(consume)
        self._poll.register(epoll, select.POLLIN)

    def batch(self, timeout_ms: int) -> list[bytes]:
        """Return the records that arrive within ``timeout_ms``; empty if none did."""
        self._drain()
        if not self._records and timeout_ms:
            self._poll.poll(timeout_ms)
            self._drain()
        found, self._records = self._records, []
        self.delivered += len(found)
        return found

    def _drain(self) -> None:
        for consume in self._consume:
            consume()

    def _take(self, _: object, data: int, size: int) -> int:
        self._records.append(ct.string_at(data, size))
        return -ECANCELED if len(self._records) >= _MOST_RECORDS else 0

    def _lose(self, _: object, __: int, count: int) -> None:
        self.lost += count


class Object:
    """Prepare an object that libbpf has opened; nothing of it is in the kernel yet."""

    def __init__(self, library: Libbpf, handle: int, kept: ExitStack) -> None:
        self._library = library
        self._handle = handle
        self._kept = kept  # until the object is closed

    def maps(self) -> list[Map]:
        """Return its maps."""
        library = self._library
        return [
            Map(
                handle=each,
                name=library.bpf_map__name(each).decode(errors="replace"),
                kind=library.bpf_map__type(each),
                bytes=self._map_bytes(each),
            )
            for each in self._all(library.bpf_object__next_map)
        ]

    def programs(self) -> list[Program]:
        """Return its programs, except those that their sections leave out ("?tp/...")."""
        library = self._library
        return [
            Program(
                handle=each,
                name=library.bpf_program__name(each).decode(errors="replace"),
                section=library.bpf_program__section_name(each).decode(errors="replace"),
            )
            for each in self._all(library.bpf_object__next_program)
            if library.bpf_program__autoload(each)
        ]

    def _all(self, following: Callable[[int, int | None], int | None]) -> Iterator[int]:
        each: int | None = None
        while each := following(self._handle, each):
            yield each

    def _map_bytes(self, handle: int) -> int:
        library = self._library
        kind, entries = library.bpf_map__type(handle), library.bpf_map__max_entries(handle)
        if kind in _WITHOUT_MEMORY:
            return 0
        if kind in _RINGS:
            return int(entries)
        value = -(-int(library.bpf_map__value_size(handle)) // 8) * 8
        copies = os.cpu_count() or 1 if kind in _PER_CPU else 1
        found = int(entries) * (int(library.bpf_map__key_size(handle)) + value * copies)
        inner = library.bpf_map__inner_map(handle)  # libbpf makes one as an example
        return found + (self._map_bytes(inner) if inner else 0)

    def load(self) -> None:
        """Load the object, attached to nothing; KernelRefused, with the verifier's reason."""
        if capabilities.missing_to_trace(capabilities.held()):
            raise refusal.refused("objects cannot be loaded", OSError(EPERM, os.strerror(EPERM)))
        tracefs.exit_format()  # which mounts it; libbpf looks up tracepoints there
        self._library.warnings.clear()
        if (failed := self._library.bpf_object__load(self._handle)) < 0:
            error = OSError(-failed, os.strerror(-failed))
            refused = self._library.refused("the kernel refuses this object", -failed)
            message = _UNKNOWN_HELPER.sub(_named, refused.message)
            if numbers(os.uname().release) < _CALLBACKS:
                message = message.replace(_UNCALLED, "this kernel has no callbacks (Linux 5.13)")
            raise KernelRefused(message, remedy=refused.remedy) from error

    @contextmanager
    def buffers(self, bytes_per_cpu: int | None) -> Iterator[Buffers]:
        """Load the prepared object and open its buffers; nothing is attached.

        Perf buffers have ``bytes_per_cpu`` (None: 256 KiB).
        """
        self.load()
        library, found = self._library, Buffers()
        pages = (bytes_per_cpu or USUAL_PER_CPU_BYTES) // PAGE_BYTES
        opening: dict[str, tuple[Any, ...]] = {
            "ring": (bpf.RINGBUF, found.on_sample, None, None),
            "perf": (bpf.PERF_EVENT_ARRAY, pages, found.on_perf, found.on_lost, None, None),
        }
        with ExitStack() as stack:
            for what, (kind, *arguments) in opening.items():
                new, free, consume, epoll_fd = (
                    getattr(library, f"{what}_buffer__{verb}")
                    for verb in ("new", "free", "consume", "epoll_fd")
                )
                for fd in self.descriptors(kind):
                    handle = new(fd, *arguments)
                    if not handle:
                        message = f"libbpf cannot open the {what} buffer"
                        raise library.refused(message, ct.get_errno())
                    stack.callback(free, handle)
                    found.add(partial(consume, handle), epoll_fd(handle))
            yield found

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Attach every program for as long as the context lasts.

        Programs that can be attached to nothing are left to tail calls, if there are any.
        """
        library, alone = self._library, list[KernelRefused]()
        tails = any(each.kind == PROGRAM_ARRAY for each in self.maps())
        programs = [p for p in self.programs() if library.bpf_program__autoattach(p.handle)]
        with ExitStack() as links:
            for each in programs:
                library.warnings.clear()
                with uninterrupted():
                    link, code = library.bpf_program__attach(each.handle), ct.get_errno()
                    if link:
                        links.callback(library.bpf_link__destroy, link)
                        continue
                what = f"program {each.name} cannot be attached to {each.section}"
                alone.append(library.refused(what, code))
                if not tails or code != EOPNOTSUPP or len(alone) == len(programs):
                    raise alone[0]
            yield

    def _map(self, name: str) -> int | None:
        found: int | None = self._library.bpf_object__find_map_by_name(self._handle, name.encode())
        return found

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map, once it is loaded."""
        return int(self._library.bpf_map__fd(self._map(name)))

    def program_fd(self, name: str) -> int:
        """Return the descriptor of a program, once it is loaded."""
        find = self._library.bpf_object__find_program_by_name
        return int(self._library.bpf_program__fd(find(self._handle, name.encode())))

    def btf_fd(self) -> int:
        """Return the descriptor of the object's types, once it is loaded."""
        return int(self._library.bpf_object__btf_fd(self._handle))

    def set_numbers(self, numbers: Mapping[str, int]) -> set[str]:
        """Set constant 64-bit variables before loading; return the names that do not exist."""
        library = self._library
        there = Btf(library, library.bpf_object__btf(self._handle)).variables(_CONSTANTS)
        data = library.bpf_map__initial_value(self._map(_CONSTANTS), ct.byref(ct.c_size_t()))
        for name in numbers.keys() & there.keys():
            ct.c_uint64.from_address(data + there[name]).value = numbers[name]
        return numbers.keys() - there.keys()

    def set_array_of_rings(self, name: str, entries: int, flags: int) -> None:
        """Set how many rings an array of maps holds, and the flags that they share.

        KernelRefused where no ring can have these flags.
        """
        library, handle = self._library, self._map(name)
        library.bpf_map__set_max_entries(handle, entries)
        if not flags:
            return
        # Replace the example ring that libbpf made: from 1.4 on, setting its flags crashes, as it
        # belongs to no object (bpf_map__inner_map() and map_is_created() in libbpf.c).
        try:
            example = bpf.create_map(
                bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=PAGE_BYTES, name=name, flags=flags
            )
        except OSError as error:
            raise refusal.refused("a ring with these flags cannot be made", error) from error
        self._kept.callback(os.close, example)
        library.bpf_map__set_inner_map_fd(handle, example)

    def leave_out(self, program: Program) -> None:
        """Leave a program out of loading."""
        self._library.bpf_program__set_autoload(program.handle, False)

    def trace_by_type(self, program: Program, tracepoint: str) -> None:
        """Attach a program to a tracepoint by BTF, so that it gets typed arguments."""
        library = self._library
        library.bpf_program__set_type(program.handle, bpf.TRACING)
        library.bpf_program__set_expected_attach_type(program.handle, bpf.TRACE_RAW_TP)
        failed = library.bpf_program__set_attach_target(program.handle, 0, tracepoint.encode())
        if failed < 0:
            raise library.refused(f"no type of the tracepoint {tracepoint}", -failed)

    def prepare(self, buffer_bytes: int | None) -> None:
        """Size the buffers, pin nothing; UsageError for an object that cannot be used.

        It has no programs or no buffers, or would take the machine's memory.
        """
        library, maps = self._library, self.maps()
        if not any(each.kind in (bpf.RINGBUF, bpf.PERF_EVENT_ARRAY) for each in maps):
            shown = ", ".join(each.name for each in maps) or "no maps"
            raise UsageError(f"the object has no ring buffer and no perf event array: {shown}")
        if not self.programs():
            raise UsageError("the object has no program")
        for each in maps:
            if each.kind == bpf.RINGBUF and library.bpf_map__map_flags(each.handle) & bpf.OVERWRITE:
                raise UsageError(
                    f"ring buffer {each.name} overwrites its oldest events, and only rings that "
                    "refuse new ones are read",
                    remedy="leave out BPF_F_RB_OVERWRITE in the source",
                )
            library.bpf_map__set_pin_path(each.handle, None)
            if buffer_bytes and each.kind == bpf.RINGBUF:
                library.bpf_map__set_max_entries(each.handle, buffer_bytes)
        per_cpu = (buffer_bytes or 0) * (os.cpu_count() or 1)
        sizes = {
            each.name: per_cpu if each.kind == bpf.PERF_EVENT_ARRAY else each.bytes
            for each in self.maps()
        }
        largest = max(sizes, key=sizes.__getitem__)
        if sum(sizes.values()) > MOST_MAP_BYTES:
            raise UsageError(
                f"the object's maps take more than {size(MOST_MAP_BYTES)}: {largest} has "
                f"{size(sizes[largest])}",
                remedy="make the buffers smaller, or the map in the source",
            )

    def descriptors(self, kind: int) -> list[int]:
        """Return the descriptors of its maps of this kind, once it is loaded."""
        fd = self._library.bpf_map__fd
        return [fd(each.handle) for each in self.maps() if each.kind == kind]


@contextmanager
def opened(library: Libbpf, elf: bytes, name: str) -> Iterator[Object]:
    """Open an object; UsageError where libbpf cannot read it."""
    options: Any = _Options(sz=ct.sizeof(_Options), object_name=name[:15].encode())
    library.warnings.clear()
    handle = library.bpf_object__open_mem(elf, len(elf), ct.byref(options))
    if not handle:
        refused = library.refused("libbpf cannot read this object", ct.get_errno())
        raise UsageError(refused.message, remedy="make it again with bufbench object build")
    with ExitStack() as kept:
        kept.callback(library.bpf_object__close, handle)
        yield Object(library, handle, kept)


def _named(unknown: re.Match[str]) -> str:
    """Name a helper function that is newer than this kernel, as the verifier cannot."""
    number = int(unknown[1])
    known = number in set(Helper)
    return f"this kernel has no {Helper(number).title if known else f'helper function {number}'}"


class _Options(ct.Structure):
    """Lay out the first members of struct bpf_object_open_opts; libbpf takes the rest for zero."""

    _fields_ = (("sz", ct.c_size_t), ("object_name", ct.c_char_p))
