# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Load a build from an object that was made with the package, by libbpf.

A macro for bcc is a variable in the object (bpf/common/prebuilt.h). Some macros choose the object
instead: they change what a kernel must support to verify it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from errno import E2BIG
from typing import Final

from bench import paths
from bench.errors import KernelRefused, MachineUnfit
from bench.host.signals import uninterrupted
from bench.plan.config import Attach, Call
from bench.tracer import libbpf
from bench.tracer.build import HAS_FETCH_ADD, Build, Kernel
from bench.tracer.loader import INSTALL, SIMPLER, TOO_COMPLEX
from bench.tracer.object import loaded

_COMPILED_IN: Final = {f"CALL_{call.name}": call.value for call in Call}
_OF_RECORDS: Final = ("CHECKED", "PADDED", "WAKE_BY_BYTES", "DELAY")  # others imply these
_PLAIN: Final = "SIZE_0"  # compiled in where none of these is set
_OF_KERNEL: Final = HAS_FETCH_ADD  # which preemptible objects need
_RAW: Final = "PREEMPTIBLE"
_TIMED: Final = "TIMED_WRITES"
_ELSEWHERE: Final = frozenset(
    {_OF_KERNEL, _RAW, _TIMED, "RAW_ARGUMENTS", "MAX_RINGS", "RING_FLAGS", *_COMPILED_IN}
)
_MISSED: Final = "count_missed"


class Prebuilt:
    """Load a build from its object; KernelRefused, or MachineUnfit if it has no object."""

    def __init__(self, build: Build, kernel: Kernel) -> None:
        macros = {**kernel.macros, **dict(build.macros)}
        name = _object_of(build, macros)
        path = paths.bpf_sources() / f"{name}.bpf.o"
        if not path.exists():
            raise _needs_bcc(f"there is no object {path.name}")
        self._stack = ExitStack()
        with self._stack, libbpf.loaded() as library:
            self._object = self._stack.enter_context(
                loaded.opened(library, path.read_bytes(), name)
            )
            self._set_up(build, macros)
            try:
                self._object.load()
            except KernelRefused as error:
                cause = error.__cause__
                if not (isinstance(cause, OSError) and cause.errno in TOO_COMPLEX):
                    raise
                # bcc's programs take fewer steps, but have as many branches.
                remedy = f"{SIMPLER}, or {INSTALL}" if cause.errno == E2BIG else SIMPLER
                raise MachineUnfit(
                    f"this tracer is too complex for the verifier: {error.message}", remedy=remedy
                ) from error
            self._stack = self._stack.pop_all()

    def _set_up(self, build: Build, macros: Mapping[str, int]) -> None:
        numbers = {name: value for name, value in macros.items() if name not in _ELSEWHERE}
        if unknown := self._object.set_numbers(numbers) - {_PLAIN}:
            raise _needs_bcc(f"objects have no {', '.join(sorted(unknown))}")
        if rings := macros.get("MAX_RINGS"):
            self._object.set_array_of_rings("rings_map", rings, macros.get("RING_FLAGS", 0))
        wanted = dict.fromkeys(build.functions, build.attach)
        if macros.get("COUNT_MISSED"):
            wanted[_MISSED] = Attach.RAW
        for program in self._object.programs():
            if (attach := wanted.get(program.name)) is None:
                self._object.leave_out(program)
            elif attach is Attach.TP_BTF:
                self._object.trace_by_type(program, build.event)

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map."""
        return self._object.map_fd(f"{name}_map")

    def load(self, function: str, attach: Attach) -> int:  # noqa: ARG002
        """Return the program, which was loaded with the object."""
        return self._object.program_fd(function)

    def close(self) -> None:
        """Remove it from the kernel."""
        with uninterrupted():
            self._stack.close()


def _object_of(build: Build, macros: Mapping[str, int]) -> str:
    """Return the name of the object; MachineUnfit if this kernel can use none."""
    if _RAW in macros and _OF_KERNEL not in macros:
        raise _needs_bcc("objects for raw tracepoints need Linux 5.12")
    words = [build.variant, *(word for call, word in _COMPILED_IN.items() if macros.get(call))]
    if any(macros.get(each) for each in (*_OF_RECORDS, _RAW)):
        words.append("any")
    if _RAW in macros:
        words.append("raw")
    if _TIMED in macros:
        words.append("timed")
    return "-".join(words)


def _needs_bcc(why: str) -> MachineUnfit:
    return MachineUnfit(f"this variant of the tracer needs bcc: {why}", remedy=INSTALL)
