# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the interface of a transport: its buffers for a trial, and their description."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.amounts import counted, size
from bench.errors import MachineUnfit, UsageError
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import Call, Reader, Wake
from bench.plan.traits import Traits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.plan.config import Producer, TrialConfig
    from bench.record.footprint import Footprint
    from bench.tracer.build import Kernel
    from bench.tracer.capture import Capture
    from bench.tracer.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferRequest:
    """Request the buffers of a trial."""

    config: TrialConfig  # its budget is over the buffers of the CPUs that share it
    cpus: tuple[int, ...]  # online: each has a buffer, since exits happen on all of them
    sharing: tuple[int, ...] = ()  # the CPUs that the storm may use; (): all

    def pages_per_cpu(self) -> int:
        """Return the data pages of each CPU's buffer; UsageError if the budget does not divide."""
        return self.pages_each(len(self.sharing or self.cpus), "CPU")

    def pages_each(self, buffers: int, sharer: str) -> int:
        """Return the data pages of each of ``buffers`` buffers; UsageError as above."""
        budget_bytes, whole_bytes = self.config.budget_bytes, buffers * PAGE_BYTES
        pages, *other = budgets.perf_pages_per_cpu(budget_bytes, buffers)
        if other or pages * whole_bytes != budget_bytes:
            sizes = " or ".join(budgets.label(size * whole_bytes) for size in (pages, *other))
            raise UsageError(
                f"{size(budget_bytes)} over {counted(buffers, sharer)} is no power of two of pages "
                "each",
                remedy=f"take {sizes}",
            )
        return pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Hold allocated buffers that ``capture`` has mapped."""

    footprint: Footprint
    map_fds: tuple[int, ...]  # whose fdinfo is read
    drain: Callable[[], None]  # blocks until capture.stop(), then until all is empty
    lost_told: Callable[[], dict[str, int]] = dict  # the kernel's and the library's loss counts
    overwritten_bytes: Callable[[], int | None] = lambda: None  # unread; None: it refuses instead
    counted: Callable[[], Mapping[int, tuple[int, int]] | None] = lambda: None
    # by CPU what was counted, of all and of the storm's own; None: records were sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Hold buffers without a program. A ring is allocated at once, a perf buffer when mapped."""

    footprint: Footprint
    mapped_bytes: int  # by formula: lengths of all mappings that a consumer makes
    map_fds: tuple[int, ...]  # whose fdinfo is read
    map: Callable[[], object]  # map what is not mapped yet, and read every page once


@dataclass(frozen=True, kw_only=True)
class Transport(Traits):
    """Define a path from the tracer to the consumer."""

    made_by: str = ""  # the module beside this one that makes its buffers
    flags: int = 0  # of its rings
    only_native: str = ""  # why no other reader can take its records

    def rings(self, cpus: tuple[int, ...]) -> int:  # noqa: ARG002
        """Return how many rings the program chooses from: 1, or one per CPU."""
        return 1

    def having(self, setting: str) -> Transport:
        """Return the transport with ``parameter=K`` in its name; UsageError for another setting."""
        raise UsageError(f"{self.name} has no {setting[:40]!r}", remedy="leave it out")

    def number_of(self, setting: str, most: int) -> int:
        """Return K of a setting ``parameter=K``, from 1 to ``most``; UsageError for any other."""
        found, _, number = setting.partition("=")
        usable = number.isascii() and number.isdecimal() and len(number) <= len(str(most))
        value = int(number) if usable else 0
        if found != self.parameter or not 1 <= value <= most or number != str(value):
            raise UsageError(
                f"{self.name} has no {setting[:40]!r}",
                remedy=f"write {self.name}:{self.parameter}=K, with K from 1 to {most}",
            )
        return value

    def macros(self, producer: Producer, cpus: tuple[int, ...]) -> dict[str, int]:
        """Return the macros of its program, besides those that all have."""
        if not self.calls:
            return {}
        found = {"MAX_RINGS": self.rings(cpus)}
        if producer.call is not Call.RESERVE:
            found |= {f"CALL_{producer.call.name}": 1}
        if self.flags:
            found |= {"RING_FLAGS": self.flags}  # which all rings of an array of maps share
        return found

    def require(self, producer: Producer, kernel: Kernel) -> None:
        """Raise MachineUnfit if the kernel lacks a function that the program would call."""
        if self.calls and kernel.facts.get("ring_buffer") == "no":
            raise MachineUnfit(
                "this kernel has no BPF ring buffer, which came with Linux 5.8",
                remedy="measure perfbuf alone, or a later kernel: bufbench kernels list",
            )
        if self.calls and producer.call is Call.DYNPTR and not kernel.dynptr:
            raise MachineUnfit(
                "this kernel has no bpf_ringbuf_reserve_dynptr(), which came with Linux 5.19",
                remedy="write by reserve or output",
            )

    def require_reader(self, reader: Reader, wake: Wake = Wake.ADAPTIVE) -> None:
        """Raise UsageError for a reader that cannot drain it, MachineUnfit for a missing one."""
        if self.only_native and reader is not Reader.NATIVE:
            raise UsageError(self.only_native, remedy="leave out --reader")
        if reader is Reader.LIBBCC and not self.calls and wake in (Wake.NONE, Wake.BYTES):
            raise UsageError(
                f"bcc's reader of {self.name} counts records, not bytes, and is always woken",
                remedy="take --wakeup adaptive, forced or N, or leave out --reader",
            )
        if reader is Reader.LIBBPF and self.calls:
            from bench.tracer import libbpf

            libbpf.require("ring__consume_n", "1.5")

    def allocated(self, request: BufferRequest) -> AbstractContextManager[Allocation]:
        """Make the same buffers without a program, to examine their memory; KernelRefused."""
        made: AbstractContextManager[Allocation] = self._maker().allocated(self, request)
        return made

    def open(
        self, program: Program, capture: Capture, request: BufferRequest
    ) -> AbstractContextManager[Opened]:
        """Make the buffers, give them to the program and map them; UsageError, MachineUnfit."""
        self.require_reader(request.config.consumer.reader, request.config.producer.wake)
        made: AbstractContextManager[Opened] = self._maker().opened(self, program, capture, request)
        return made

    def _maker(self) -> Any:
        """Import the module that makes the buffers: reports need the traits alone."""
        return importlib.import_module(f"bench.tracer.{self.made_by}")
