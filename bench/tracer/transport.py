# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a transport is to the harness. One file each; `find` looks them up by name."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from bench.errors import UsageError
from bench.plan import budgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.plan.config import Consumer, Producer
    from bench.record.footprint import Footprint
    from bench.tracer._capture import Capture
    from bench.tracer.allocation import Allocation
    from bench.tracer.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What buffers are wanted."""

    budget_bytes: int  # over the buffers of the CPUs that share it
    cpus: tuple[int, ...]  # online: each has a buffer, since exits happen on all of them
    producer: Producer
    consumer: Consumer
    page_bytes: int = 4096
    sharing: tuple[int, ...] = ()  # the CPUs that the storm may use; (): all

    def pages_per_cpu(self) -> int:
        """Data pages of each CPU's buffer; UsageError where the budget cannot be shared so."""
        cpus = len(self.sharing or self.cpus)
        pages, *other = budgets.perf_pages_per_cpu(self.budget_bytes, cpus, self.page_bytes)
        if other or pages * cpus * self.page_bytes != self.budget_bytes:
            sizes = " or ".join(
                budgets.label(size * cpus * self.page_bytes) for size in (pages, *other)
            )
            raise UsageError(
                f"{budgets.label(self.budget_bytes)} over {cpus} CPUs is no power of two of "
                "pages each",
                remedy=f"take {sizes}",
            )
        return pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Buffers that the kernel has and ``capture`` has mapped."""

    footprint: Footprint
    map_fds: tuple[int, ...]  # whose fdinfo people look at
    drain: Callable[[], None]  # blocks until capture.stop(), then until all is empty
    lost_told: Callable[[], dict[str, int]]  # the kernel's and the library's own loss counts


class Transport(Protocol):
    """A way from the tracer to the consumer."""

    name: str
    variant: str  # folder under bpf/

    def rings(self, cpus: tuple[int, ...]) -> int:
        """How many rings the program is to choose from: 1, or one per CPU."""

    def macros(self, producer: Producer, cpus: tuple[int, ...]) -> dict[str, int]:
        """What its program has to be compiled with, beside what all have."""

    def allocated(self, request: Request) -> AbstractContextManager[Allocation]:
        """The same buffers without a program, for looking at their memory; KernelRefused."""

    def open(
        self, program: Program, capture: Capture, request: Request
    ) -> AbstractContextManager[Opened]:
        """Make the buffers, hand them to the program and map them; UsageError, MachineUnfit."""


@cache
def names() -> tuple[str, ...]:
    """The names of all transports. They are looked up once: a folder is slow to list in a guest."""
    from bench.tracer import transports

    return tuple(sorted(module.name for module in pkgutil.iter_modules(transports.__path__)))


def find(name: str, *, beside: tuple[str, ...] = ()) -> Transport:
    """Return the transport of that name, from bench/tracer/transports; UsageError if there is none.

    ``beside``: what else the caller takes, for the error.
    """
    known = names()
    if name not in known:
        raise UsageError(
            f"no transport {name!r}", remedy=f"choose from {', '.join((*known, *beside))}"
        )
    module = importlib.import_module(f"bench.tracer.transports.{name}")
    found: Transport = module.TRANSPORT
    return found
