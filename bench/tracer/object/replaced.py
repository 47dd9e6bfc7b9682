# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Replace programs that libbpf has loaded by rewritten ones, before it attaches them.

A descriptor keeps its number and gets another program, so that libbpf attaches that one, by
whatever its section says.
"""

from __future__ import annotations

import ctypes as ct
import os
import re
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.errors import KernelRefused, MachineUnfit
from bench.linux import bpf, refusal
from bench.linux.bpf import Instruction
from bench.tracer.libbpf import Libbpf, last_reason
from bench.tracer.object import instructions
from bench.tracer.object.instructions import Code, Counter
from bench.tracer.object.loaded import Program

_LOG_BYTES: Final = 1 << 20
_LSM: Final = 29  # BPF_PROG_TYPE_LSM
_LINE: Final = struct.Struct("=8Q")
_STACK: Final = re.compile(r"^stack depth ([0-9]+)", re.MULTILINE)

Rewrite = Callable[[Code, Callable[[], int]], list[Instruction]]
"""Of a program, and what gives the bytes of its stack that it uses."""


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
    return bpf.decoded(ct.string_at(library.bpf_program__insns(program.handle), 8 * count))


def replace(library: Libbpf, programs: Sequence[Program], licence: bytes, rewrite: Rewrite) -> None:
    """Replace every program that sends, or none: KernelRefused if one cannot be replaced."""
    with ExitStack() as stack:
        found = []
        for each in programs:
            code = code_of(library, each)
            if instructions.helpers(code) & instructions.SENDS:
                load = partial(_load, library, each, licence, stack)
                fd, _ = load(rewrite(code, partial(_stack_bytes, load, code)))
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
    library: Libbpf, program: Program, licence: bytes, stack: ExitStack, code: Code
) -> tuple[int, str]:
    """Load ``code`` as one of the object's programs; return its descriptor and the log."""
    handle, log = program.handle, ct.create_string_buffer(_LOG_BYTES)
    kind = library.bpf_program__type(handle)
    attach_type = library.bpf_program__expected_attach_type(handle)
    btf_type = 0
    if kind in (bpf.TRACING, _LSM):
        of = program.section.partition("/")[2]
        btf_type = max(0, library.libbpf_find_vmlinux_btf_id(of.encode(), attach_type))
    try:
        fd = bpf.load_code(
            kind, bpf.encoded(code), name=program.name, licence=licence,
            attach_type=attach_type, btf_type=btf_type,
            flags=library.bpf_program__flags(handle), log=log,
        )  # fmt: skip
    except OSError as error:
        shown, reason = refusal.named(error), last_reason(log.value.decode(errors="replace"))
        raise KernelRefused(
            f"program {program.name}, rewritten: {f'{reason} ({shown})' if reason else shown}"
        ) from error
    stack.callback(os.close, fd)
    return fd, log.value.decode(errors="replace")
