# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What was counted on all kernels: values, as JSON has them.

Nothing in them depends on this machine but for the build of QEMU, so that two runs are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import JournalError
from bench.journal import saved

FORMAT: Final = 1

Times = tuple[tuple[int, int], ...]
"""Values, and how often each was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What a call took in one boot, in instructions beyond the empty program's mode."""

    seed: int
    mode: int
    times: int  # that the mode was seen
    first: int  # the first call, which often differs
    others: Times  # second values
    crossings: Times  # of records that cross one page more than others
    ticks: Times  # within which something else ran


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCount:
    """What a call takes in one function of the kernel, beyond the empty program's."""

    name: str
    instructions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCount:
    """A call on one kernel."""

    name: str
    bytes: int
    instructions: int | None  # None: the kernel refused it
    reproducible: bool
    why: str = ""  # it is not reproducible, or was refused
    distributions: tuple[Distribution, ...] = ()  # of both seeds
    functions: tuple[FunctionCount, ...] = ()  # the longest first


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCount:
    """A kernel; one without calls has a reason."""

    label: str
    release: str
    origin: str
    reason: str = ""
    machine: str = ""  # as uname -m says it
    jit: bool = False
    clock: str = ""
    sha256: str = ""  # of console and report of the first boot
    empty: int = 0  # instructions of the empty program, which all others are without
    calls: tuple[CallCount, ...] = ()
    unexplained: str = ""  # why its calls have no functions


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """By what kernels of one architecture were counted."""

    qemu: str  # version of the build
    options: tuple[str, ...]
    parameters: tuple[str, ...]  # of the kernels
    program_sha256: str  # of the initial RAM disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What was counted on all kernels, and by what; JSON has it.

    How is that of the first kernel's architecture; ``others`` has that of the others.
    """

    format: int
    qemu: str
    options: tuple[str, ...]
    parameters: tuple[str, ...]
    program_sha256: str
    kernels: tuple[KernelCount, ...]
    others: tuple[Setup, ...] = ()


def read(path: Path) -> Study:
    """Return the study that ``--json`` wrote; JournalError if it is not one."""
    found = saved.read(path, Study, number=FORMAT, command="kernels exact --json")
    if not found.kernels:
        raise JournalError(f"{path} is empty", remedy="make it anew")
    return found
