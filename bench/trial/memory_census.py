# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Take the memory census: what every instrument reports about each transport's buffers.

No tracer runs: only buffers are made, examined and released. A trial cannot do this, since charges
and free pages show only with many copies.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import product
from statistics import median
from typing import Final

import psutil

from bench.amounts import size
from bench.errors import BufbenchError
from bench.host import memory_group
from bench.linux import procfs
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import TrialConfig
from bench.record.footprint import MemoryLine
from bench.tracer import transports
from bench.tracer.buffers import MAPPINGS
from bench.tracer.transport import BufferRequest, Transport
from bench.trial.competition import risen

COPIES: Final = 64
_ROUNDS: Final = 5  # of copies; the median counts, since other processes allocate meanwhile ...
_LARGE_BYTES: Final = 256 * budgets.MIB  # ... which is negligible beside this
_MOST: Final = 4  # copies may take this fraction of the memory: a quarter
_FILES: Final = resource.RLIMIT_NOFILE
_LOCKED: Final = resource.RLIMIT_MEMLOCK
_CALM_S: Final = 0.05
_LONGEST_CALM_S: Final = 2.0


def census(budgets_bytes: Iterable[int], *, copies: int = COPIES) -> tuple[MemoryLine, ...]:
    """Measure every transport at each budget, smallest first. Needs root; leaves nothing behind.

    Overwriting rings are left out, as they take the same memory, and counts, which are not buffers.
    If the kernel refuses buffers, the line holds the reason and no numbers.
    """
    ways = map(transports.find, transports.names())
    names = [way.name for way in ways if way.streams and not way.overwrites]
    wanted = product(sorted(set(budgets_bytes)), names)
    with _more_allowed():
        return tuple(_look(name, budget_bytes, copies) for budget_bytes, name in wanted)


def _look(name: str, budget_bytes: int, copies: int) -> MemoryLine:
    way, cpus, data_bytes = transports.find(name), procfs.online_cpus(), budget_bytes
    if way.per_cpu:  # the size below if it does not divide
        data_bytes = budgets.shareable_bytes(budget_bytes, way.buffers(len(cpus)))
    config = TrialConfig(transport=name, budget_bytes=data_bytes)
    request = BufferRequest(config=config, cpus=cpus)
    line = MemoryLine(
        transport=name,
        budget_bytes=budget_bytes,
        data_bytes=data_bytes,
        cpus=len(cpus),
        page_size_bytes=PAGE_BYTES,
    )
    try:
        _one(way, request, line)  # the first call makes the interpreter grow
        return _many(way, request, _one(way, request, line), copies)
    except BufbenchError as refused:
        return replace(line, untold={"footprint": refused.message})


def _one(way: Transport, request: BufferRequest, line: MemoryLine) -> MemoryLine:
    """Measure one set of buffers, with all of it mapped and read once."""
    before, mapped_before = procfs.process_memory(), procfs.mappings(MAPPINGS)
    with way.allocated(request) as got:
        got.map()
        after, mapped = procfs.process_memory(), procfs.mappings(MAPPINGS)
        memlock_bytes = procfs.memlock_bytes(got.map_fds)
    return replace(
        line,
        footprint=got.footprint,
        mapped_formula_bytes=got.mapped_bytes,
        mapped_bytes=mapped.length_bytes - mapped_before.length_bytes,
        mapped_rss_bytes=mapped.rss_bytes - mapped_before.rss_bytes,
        rss_bytes=after.rss_bytes - before.rss_bytes,
        pinned_bytes=after.pinned_bytes - before.pinned_bytes,
        locked_bytes=after.locked_bytes - before.locked_bytes,
        memlock_bytes=memlock_bytes,
    )


def _many(way: Transport, request: BufferRequest, line: MemoryLine, copies: int) -> MemoryLine:
    """Measure what many sets charge to a memory cgroup and take from the system's free pages."""
    memory_bytes = psutil.virtual_memory().total
    if copies * request.config.budget_bytes * _MOST > memory_bytes:
        why = f"{copies} copies would take more than a quarter of {size(memory_bytes)} of memory"
        return replace(line, untold={"memcg_bytes": why, "free_bytes": why})
    with ExitStack() as stack:
        charged: Callable[[], int | None] = _nothing
        untold: dict[str, str] = {}
        try:
            charged = stack.enter_context(memory_group.entered())
        except memory_group.NoMemoryGroup as lack:
            untold["memcg_bytes"] = str(lack)
        times = 1 if copies * request.config.budget_bytes >= _LARGE_BYTES else _ROUNDS
        rounds = [_round(way, request, copies, charged) for _ in range(times)]
    if None in (free := [each[1] for each in rounds]):
        untold["free_bytes"] = "/proc/zoneinfo does not say"
    return replace(
        line,
        copies=copies,
        memcg_bytes=_each([each[0] for each in rounds], copies),
        free_bytes=_each(free, copies),
        untold=untold,
    )


def _nothing() -> None:
    """Replace the charge where there is none to see."""


def _round(
    way: Transport, request: BufferRequest, copies: int, charged: Callable[[], int | None]
) -> tuple[int | None, int | None]:
    """Return (charge, free bytes) that all copies took."""
    _calm()
    before = charged(), procfs.free_pages()
    with ExitStack() as stack:
        for _ in range(copies):
            stack.enter_context(way.allocated(request))
        after = charged(), procfs.free_pages()
    charge, pages = map(risen, before, after)
    return charge, None if pages is None else -pages * PAGE_BYTES


def _calm() -> None:
    """Wait until released memory is free again: the kernel frees maps a grace period later."""
    until = time.monotonic() + _LONGEST_CALM_S
    last = procfs.free_pages()
    while time.monotonic() < until:
        time.sleep(_CALM_S)
        now = procfs.free_pages()
        if now is None or last is None or now <= last:
            return
        last = now


def _each(values: list[int | None], copies: int) -> int | None:
    known = [value for value in values if value is not None]
    return round(median(known) / copies) if known else None


@contextmanager
def _more_allowed() -> Iterator[None]:
    """Raise the limit on descriptors, and on 5.10 that on locked memory, as far as possible."""
    limits = {which: resource.getrlimit(which) for which in (_FILES, _LOCKED)}
    try:
        for which, (_, hard) in limits.items():
            resource.setrlimit(which, (hard, hard))
        with suppress(OSError, ValueError):  # exceeding the hard limit needs a capability
            resource.setrlimit(_LOCKED, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        yield
    finally:
        for which, (soft, _) in limits.items():
            _, hard = resource.getrlimit(which)
            resource.setrlimit(which, (soft, hard))
