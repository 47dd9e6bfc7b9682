# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plan the calls to be counted, and the boots; guest/ makes the calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Final

from bench.errors import MachineUnfit
from bench.guests import disk
from bench.guests.machines import MACHINES
from bench.record.layout import RECORD_BYTES

RUNS: Final = 256
"""Repetitions of each call, as in guest/guest.h."""

EMPTY: Final = "empty"
"""The program without a call: its instructions are subtracted from all others."""

RESERVE: Final = "reserve-submit"
PERF: Final = "perf-output"
"""The operation whose buffer is not contiguous: records that cross a page cost more."""

SEED: Final = 1
OTHER_SEED: Final = 2
BOOTS: Final = (SEED, OTHER_SEED, SEED)
"""The seed of each boot of a kernel: the second must agree in modes, the third in bytes."""

_BYTES: Final = tuple(RECORD_BYTES + padding for padding in (0, 256, 1024, 4096))
_PROGRAMS: Final = Path(__file__).parent


class Buffer(StrEnum):
    """Name the state of the buffer; guest/guest.h explains them."""

    ROOMY = "roomy"
    FULL = "full"
    OVERWRITE = "overwrite"
    SHARDED = "sharded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Describe one call of the kernel, or a pair of calls that writes one record."""

    name: str
    operation: str
    bytes: int = RECORD_BYTES  # of a record
    wake: bool = False
    buffer: Buffer = Buffer.ROOMY

    def __str__(self) -> str:
        """Return the line of the guest's plan."""
        woken = "wake" if self.wake else "quiet"
        return f"{self.name} {self.operation} {self.bytes} {woken} {self.buffer}"


def _calls() -> Iterator[Call]:
    yield Call(name=EMPTY, operation=EMPTY, bytes=0)
    main = (RESERVE, "ring-output", PERF)
    for operation in (RESERVE, "reserve-fill-submit", "ring-output", "dynptr-write-submit", PERF):
        for each in _BYTES:
            yield Call(name=operation, operation=operation, bytes=each)
    for operation in main:
        yield Call(name=f"{operation}-wake", operation=operation, wake=True)
    for operation in main:
        name = f"{operation.removesuffix('-submit')}-refused"
        yield Call(name=name, operation=operation, buffer=Buffer.FULL)
    for operation in ("reserve-discard", "dynptr-submit"):
        yield Call(name=operation, operation=operation)
    for buffer in (Buffer.SHARDED, Buffer.OVERWRITE):
        yield Call(name=f"{RESERVE}-{buffer}", operation=RESERVE, buffer=buffer)


CALLS: Final = tuple(_calls())
NAMES: Final = tuple(dict.fromkeys(call.name for call in CALLS if call.name != EMPTY))


def find(name: str, size: int) -> Call | None:
    """Return a call of the plan."""
    return next((each for each in CALLS if (each.name, each.bytes) == (name, size)), None)


def ram_disk(architecture: str) -> bytes:
    """Return the initial RAM disk: the first process, and its plan.

    MachineUnfit if the package was built without a compiler for that architecture.
    """
    path = _PROGRAMS / f"first-process-{architecture}"
    try:
        program = path.read_bytes()
    except OSError as error:
        packages = MACHINES[architecture].compiler_packages
        raise MachineUnfit(
            f"{path} cannot be read: {error.strerror}",
            remedy=f"apt-get install {packages}, and then install the package, which builds it",
        ) from error
    plan = "".join(f"{call}\n" for call in CALLS)
    made = BytesIO()
    disk.write(made, [disk.file("/init", program, 0o755), disk.file("/plan", plan.encode())])
    return made.getvalue()
