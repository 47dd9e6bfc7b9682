# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Put rewritten programs in the place of those that libbpf has loaded, before it attaches them.

A descriptor keeps its number and gets another program, so that libbpf attaches that one, by
whatever its section says.
"""

from __future__ import annotations

import ctypes as ct
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench.errors import KernelRefused
from bench.linux import bpf, refusal
from bench.linux.bpf import Instruction
from bench.tracer.object import instructions
from bench.tracer.object.instructions import Counter
from bench.tracer.object.libbpf import Libbpf, last_reason
from bench.tracer.object.loaded import Program

_LOG_BYTES: Final = 1 << 20
_LSM: Final = 29  # BPF_PROG_TYPE_LSM
_LINE: Final = struct.Struct("=8Q")

Rewrite = Callable[[instructions.Code], list[Instruction]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Calls that sent, and those of them that the kernel refused."""

    attempted: int
    failed: int


class Counters:
    """The array in which rewritten programs count."""

    def __init__(self, stack: ExitStack) -> None:
        try:
            self.fd = bpf.create_map(
                bpf.ARRAY, key_bytes=4, value_bytes=instructions.COUNTERS_BYTES, entries=1,
                name="bufbench_counts",
            )  # fmt: skip
        except OSError as error:
            raise refusal.refused("the kernel gives no map to count in", error) from error
        stack.callback(os.close, self.fd)

    def read(self) -> Counts:
        """Return what was counted so far, on all CPUs."""
        found = bpf.lookup(self.fd, struct.pack("=I", 0), instructions.COUNTERS_BYTES)
        sums = [sum(each) for each in zip(*_LINE.iter_unpack(found), strict=True)]
        return Counts(
            attempted=sums[Counter.OUTPUTS] + sums[Counter.RESERVES],
            failed=sums[Counter.OUTPUTS_FAILED] + sums[Counter.RESERVES_FAILED],
        )


def code_of(library: Libbpf, program: Program) -> list[Instruction]:
    """Return the instructions of a loaded program as the kernel was given them."""
    count = library.bpf_program__insn_cnt(program.handle)
    return instructions.parse(ct.string_at(library.bpf_program__insns(program.handle), 8 * count))


def replace(library: Libbpf, programs: Sequence[Program], licence: bytes, rewrite: Rewrite) -> None:
    """Replace every program that sends; KernelRefused, and none is, where one cannot be."""
    with ExitStack() as stack:
        found = []
        for each in programs:
            code = code_of(library, each)
            if instructions.helpers(code) & instructions.SENDS:
                fd = _load(library, each, licence, rewrite(code))
                stack.callback(os.close, fd)
                found.append((fd, library.bpf_program__fd(each.handle)))
        for fd, place in found:
            os.dup2(fd, place, inheritable=False)


def _load(library: Libbpf, program: Program, licence: bytes, code: instructions.Code) -> int:
    handle, log = program.handle, ct.create_string_buffer(_LOG_BYTES)
    kind = library.bpf_program__type(handle)
    attach_type = library.bpf_program__expected_attach_type(handle)
    options = _Options(
        sz=ct.sizeof(_Options),
        expected_attach_type=attach_type,
        prog_flags=library.bpf_program__flags(handle),
        log_size=_LOG_BYTES,
        log_buf=ct.addressof(log),
    )
    if kind in (bpf.TRACING, _LSM):
        of = program.section.partition("/")[2]
        options.attach_btf_id = max(0, library.libbpf_find_vmlinux_btf_id(of.encode(), attach_type))
    fd = library.bpf_prog_load(
        kind, program.name.encode()[:15], licence, instructions.encode(code), len(code),
        ct.byref(options),
    )  # fmt: skip
    if fd < 0:
        shown = refusal.named(OSError(-fd, os.strerror(-fd)))
        reason = last_reason(log.value.decode(errors="replace"))
        raise KernelRefused(
            f"program {program.name}, rewritten: {f'{reason} ({shown})' if reason else shown}"
        )
    return int(fd)


class _Options(ct.Structure):
    """struct bpf_prog_load_opts of libbpf 1.0."""

    _fields_ = (
        ("sz", ct.c_size_t),
        ("attempts", ct.c_int),
        ("expected_attach_type", ct.c_uint),
        ("prog_btf_fd", ct.c_uint),
        ("prog_flags", ct.c_uint),
        ("prog_ifindex", ct.c_uint),
        ("kern_version", ct.c_uint),
        ("attach_btf_id", ct.c_uint),
        ("attach_prog_fd", ct.c_uint),
        ("attach_btf_obj_fd", ct.c_uint),
        ("fd_array", ct.c_void_p),
        ("func_info", ct.c_void_p),
        ("func_info_cnt", ct.c_uint),
        ("func_info_rec_size", ct.c_uint),
        ("line_info", ct.c_void_p),
        ("line_info_cnt", ct.c_uint),
        ("line_info_rec_size", ct.c_uint),
        ("log_level", ct.c_uint),
        ("log_size", ct.c_uint),
        ("log_buf", ct.c_void_p),
    )
