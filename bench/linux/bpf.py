# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Issue commands of bpf(2) for which bcc has no stable interface.

Source: include/uapi/linux/bpf.h. All raise OSError with the kernel's errno.
"""

from __future__ import annotations

import ctypes as ct
import os
import resource
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from bench.linux import libc, procfs

ARRAY: Final = 2  # BPF_MAP_TYPE_ARRAY
PERCPU_HASH: Final = 5  # BPF_MAP_TYPE_PERCPU_HASH
PERF_EVENT_ARRAY: Final = 4  # BPF_MAP_TYPE_PERF_EVENT_ARRAY
RINGBUF: Final = 27  # BPF_MAP_TYPE_RINGBUF
OVERWRITE: Final = 1 << 19  # BPF_F_RB_OVERWRITE, a flag of it (6.19)
MMAPABLE: Final = 1 << 10  # BPF_F_MMAPABLE, a flag of an array (5.5)
SOCKET_FILTER: Final = 1  # BPF_PROG_TYPE_SOCKET_FILTER, which :func:`run_once` can run
TRACEPOINT: Final = 5  # BPF_PROG_TYPE_TRACEPOINT
PERF_EVENT: Final = 7  # BPF_PROG_TYPE_PERF_EVENT
TRACING: Final = 26  # BPF_PROG_TYPE_TRACING
TRACE_RAW_TP: Final = 23  # an attach type of it: BPF_TRACE_RAW_TP

Instruction = tuple[int, int, int, int]  # code, registers (source in the upper half), offset, value

_INSTRUCTION: Final = struct.Struct("=BBhi")
_FUNCTION: Final = struct.Struct("=II")  # struct bpf_func_info: where it begins, its type
_MOST_FUNCTIONS: Final = 256  # BPF_MAX_SUBPROGS
_MAP_CREATE: Final = 0
_MAP_LOOKUP: Final = 1
_MAP_UPDATE: Final = 2
_MAP_DELETE: Final = 3
_PROG_FD_BY_ID: Final = 13
_PROG_LOAD: Final = 5
_PROG_TEST_RUN: Final = 10
_MAP_NEXT_ID: Final = 12
_MAP_FD_BY_ID: Final = 14
_INFO_BY_FD: Final = 15
_RAW_TRACEPOINT_OPEN: Final = 17
_MAP_TAKE_BATCH: Final = 25  # BPF_MAP_LOOKUP_AND_DELETE_BATCH
_LINK_FD_BY_ID: Final = 30
_LINK_NEXT_ID: Final = 31
_ENABLE_STATS: Final = 32
_ATTRIBUTE_BYTES: Final = 128
_PROG_INFO_BYTES: Final = 256
_RUN_TIME_OFFSET: Final = 192  # of run_time_ns in struct bpf_prog_info; run_cnt follows
_FUNCTIONS: Final = struct.Struct("=132xIQI")  # in the same: bytes of one, address, count
_NAME_OFFSET: Final = 64  # in the same
_LINK_RAW_TRACEPOINT: Final = 1
_LINK_INFO: Final = struct.Struct("=IIIIQIIQ")  # type, id, program, -, address and size of a name
_LINK_INFO_BYTES: Final = 64
_MAP_INFO: Final = struct.Struct("=IIIIII16s")  # type, id, key, value, entries, flags, name
_LOG_STATS: Final = 4  # BPF_LOG_STATS
_PACKET_BYTES: Final = 64  # any that holds an Ethernet header


def _bpf(command: int, form: str, *fields: int | bytes) -> int:
    return _bpf_in(command, _attributes(form, *fields))


def _bpf_in(command: int, block: ct.Array[ct.c_char]) -> int:
    return libc.call("syscall", libc.SYS_BPF, command, block, _ATTRIBUTE_BYTES)


def _attributes(form: str, *fields: int | bytes) -> ct.Array[ct.c_char]:
    return ct.create_string_buffer(struct.pack(form, *fields), _ATTRIBUTE_BYTES)


def load(kind: int, instructions: Sequence[Instruction]) -> int:
    """Return the descriptor of a program of this kind, close-on-exec."""
    return load_code(kind, encoded(instructions))


def encoded(instructions: Sequence[Instruction]) -> bytes:
    """Return instructions in the kernel's encoding."""
    return b"".join(_INSTRUCTION.pack(*each) for each in instructions)


def decoded(code: bytes) -> list[Instruction]:
    """Return encoded instructions."""
    return [each for each in _INSTRUCTION.iter_unpack(code)]  # noqa: C416  mypy considers them Any


def load_code(
    kind: int,
    code: bytes,
    *,
    name: str = "",
    licence: bytes = b"GPL",
    attach_type: int = 0,
    btf_type: int = 0,
    btf_fd: int = 0,
    functions: Sequence[tuple[int, int]] = (),
    flags: int = 0,
    log: ct.Array[ct.c_char] | None = None,
) -> int:
    """Return the descriptor of a program of encoded instructions.

    ``btf_type``: what it traces. ``functions``: where each begins, and its type in ``btf_fd``.
    ``log`` gets the verifier's reasons and statistics (5.2).
    """
    code_block = ct.create_string_buffer(code, len(code))
    licence_block, count = ct.create_string_buffer(licence), len(code) // _INSTRUCTION.size
    logged = (0, 0, 0) if log is None else (_LOG_STATS, len(log), ct.addressof(log))
    rows = b"".join(_FUNCTION.pack(*each) for each in functions)
    functions_block = ct.create_string_buffer(rows, len(rows))
    typed = (btf_fd, _FUNCTION.size, ct.addressof(functions_block), len(functions))
    return _bpf(
        _PROG_LOAD, "=IIQQIIQ4xI16s4xIIIQI16xI", kind, count, ct.addressof(code_block),
        ct.addressof(licence_block), *logged, flags, name.encode()[:15], attach_type,
        *(typed if functions else (0,) * len(typed)), btf_type,
    )  # fmt: skip


def open_raw_tracepoint(program_fd: int, name: str = "") -> int:
    """Attach a program to a raw tracepoint, by ``name`` or by the program's own type.

    The program runs for as long as the descriptor that is returned is open.
    """
    block = ct.create_string_buffer(name.encode())
    place = ct.addressof(block) if name else 0
    return _bpf(_RAW_TRACEPOINT_OPEN, "=QI", place, program_fd)


def run_once(program_fd: int) -> None:
    """Run a socket filter on a packet of zeros, attached to nothing (4.12)."""
    packet = ct.create_string_buffer(_PACKET_BYTES)
    _bpf(_PROG_TEST_RUN, "=IIIIQQI", program_fd, 0, len(packet), 0, ct.addressof(packet), 0, 1)


def create_map(
    kind: int, *, key_bytes: int, value_bytes: int, entries: int, name: str, flags: int = 0
) -> int:
    """Return a new map's file descriptor, close-on-exec."""
    fields = kind, key_bytes, value_bytes, entries, flags, 0, 0, name.encode()[:15]
    try:
        return _bpf(_MAP_CREATE, "=IIIIIII16s", *fields)
    except PermissionError:
        # Until 5.11 a map counts against this limit, even root's.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
        return _bpf(_MAP_CREATE, "=IIIIIII16s", *fields)


def update(map_fd: int, key: bytes, value: bytes) -> None:
    """Set an element."""
    _element(_MAP_UPDATE, map_fd, key, ct.create_string_buffer(value, len(value)))


def lookup(map_fd: int, key: bytes, value_bytes: int) -> bytes:
    """Return one element's value; of a per-CPU map, the values of all possible CPUs."""
    value = ct.create_string_buffer(value_bytes)
    _element(_MAP_LOOKUP, map_fd, key, value)
    return value.raw


def delete(map_fd: int, key: bytes) -> None:
    """Remove one element."""
    _element(_MAP_DELETE, map_fd, key, None)


def taken(map_fd: int, key_bytes: int, value_bytes: int, most: int) -> bytes:
    """Remove all elements of a hash, which has ``most`` or fewer; return their values (5.6)."""
    keys, values = ct.create_string_buffer(key_bytes * most), (ct.c_char * (value_bytes * most))()
    token = ct.create_string_buffer(8)
    block = _attributes(
        "=QQQQIIQQ", 0, ct.addressof(token), ct.addressof(keys), ct.addressof(values), most,
        map_fd, 0, 0,
    )  # fmt: skip
    with suppress(FileNotFoundError):  # that was the last bucket
        _bpf_in(_MAP_TAKE_BATCH, block)
    return values.raw[: struct.unpack_from("=I", block, 32)[0] * value_bytes]


def _element(command: int, map_fd: int, key: bytes, value: ct.Array[ct.c_char] | None) -> None:
    key_block = ct.create_string_buffer(key, len(key))
    place = 0 if value is None else ct.addressof(value)
    _bpf(command, "=IIQQ", map_fd, 0, ct.addressof(key_block), place)


def run_time(program_fds: Iterable[int]) -> tuple[int, int]:
    """Return (runs, ns in them) of programs since they were loaded, while statistics were on."""
    found = [struct.unpack_from("=QQ", _info(each), _RUN_TIME_OFFSET) for each in program_fds]
    return sum(runs for _, runs in found), sum(ns for ns, _ in found)


def function_types(program_fd: int) -> list[int]:
    """Return the types in BTF of a program's functions, in the order of their places (5.0).

    Empty without BTF.
    """
    block = ct.create_string_buffer(_MOST_FUNCTIONS * _FUNCTION.size)
    request = _FUNCTIONS.pack(_FUNCTION.size, ct.addressof(block), _MOST_FUNCTIONS)
    _, _, count = _FUNCTIONS.unpack_from(_info(program_fd, request))
    return [kind for _, kind in _FUNCTION.iter_unpack(block.raw[: count * _FUNCTION.size])]


def program_id(program_fd: int) -> int:
    """Return the number by which the kernel knows a program."""
    return int(struct.unpack_from("=II", _info(program_fd))[1])


def program_name(program: int) -> str:
    """Return the name of the program with this id; needs CAP_SYS_ADMIN."""
    with _opened(_PROG_FD_BY_ID, program) as descriptor:
        return _text(_info(descriptor)[_NAME_OFFSET : _NAME_OFFSET + 16])


@dataclass(frozen=True, slots=True, kw_only=True)
class MapInfo:
    """Describe a map as bpf_map_info does."""

    id: int
    kind: int  # RINGBUF ...
    entries: int  # of a ring: its data bytes
    name: str


def maps() -> Iterator[MapInfo]:
    """Yield all maps of this kernel; needs CAP_SYS_ADMIN."""
    for number in _ids(_MAP_NEXT_ID):
        with suppress(FileNotFoundError), opened_map(number) as descriptor:  # it may be gone
            yield map_info(descriptor)


def map_info(map_fd: int) -> MapInfo:
    """Return the kernel's description of a map."""
    kind, number, _, _, entries, _, name = _MAP_INFO.unpack_from(_info(map_fd))
    return MapInfo(id=number, kind=kind, entries=entries, name=_text(name))


def opened_map(number: int) -> AbstractContextManager[int]:
    """Return a descriptor of the map with this id, which is closed on leaving.

    Without BPF_F_RDONLY: do_mmap() takes VM_SHARED off a mapping of such a file, and bpf_map_mmap()
    refuses any that is not shared.
    """
    return _opened(_MAP_FD_BY_ID, number)


def links() -> Iterator[int]:
    """Yield the ids of all links of this kernel; needs CAP_SYS_ADMIN, and 5.8."""
    return _ids(_LINK_NEXT_ID)


def raw_tracepoint_of(link: int) -> tuple[str, int] | None:
    """Return (tracepoint, program id) of a link to a raw tracepoint; None for any other."""
    name = ct.create_string_buffer(128)
    request = _LINK_INFO.pack(0, 0, 0, 0, ct.addressof(name), len(name), 0, 0)
    with _opened(_LINK_FD_BY_ID, link) as descriptor:
        kind, _, program, *_ = _LINK_INFO.unpack_from(_info(descriptor, request, _LINK_INFO_BYTES))
    return (name.value.decode(), program) if kind == _LINK_RAW_TRACEPOINT else None


def _ids(command: int) -> Iterator[int]:
    """Yield the ids that a command returns one after the other."""
    number = 0
    with suppress(FileNotFoundError):  # after the last one
        while True:
            block = _attributes("=I", number)
            _bpf_in(command, block)
            number = struct.unpack_from("=II", block)[1]
            yield number


def _text(name: bytes) -> str:
    return name.split(b"\0", 1)[0].decode(errors="replace")


def _info(descriptor: int, request: bytes = b"", size_bytes: int = _PROG_INFO_BYTES) -> bytes:
    info = ct.create_string_buffer(request, size_bytes)
    _bpf(_INFO_BY_FD, "=IIQ", descriptor, size_bytes, ct.addressof(info))
    return info.raw


@contextmanager
def _opened(command: int, number: int) -> Iterator[int]:
    descriptor = _bpf(command, "=I", number)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def statistics() -> Iterator[bool]:
    """Make the kernel count runs and their time (5.8) in the context; yield whether it does.

    Switching it on needs CAP_SYS_ADMIN.
    """
    with ExitStack() as stack:
        counts = True
        try:
            stack.enter_context(_opened(_ENABLE_STATS, 0))
        except PermissionError:
            counts = procfs.sysctl("kernel.bpf_stats_enabled") == 1
        yield counts
