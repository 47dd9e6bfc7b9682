# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold the counts of all kernels, as in JSON.

Nothing in it depends on this machine, except the build of QEMU, so that two runs are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import JournalError, clean
from bench.journal import saved

FORMAT: Final = 1
_LONGEST_NAME: Final = 24

Key = tuple[str, int]
"""Name of a call, and bytes of its record."""

Times = tuple[tuple[int, int], ...]
"""Values, and how often each was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Hold the counts of a call in one boot, in instructions beyond the empty program's mode."""

    seed: int
    mode: int
    times: int  # the mode was seen
    first: int  # the first call, which often differs
    others: Times  # second values
    crossings: Times  # of records that cross one more page than others
    ticks: Times  # of calls within which something else ran


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCount:
    """Hold a call's instructions in one function of the kernel, beyond the empty program's."""

    name: str
    instructions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCount:
    """Hold the count of a call on one kernel."""

    name: str
    bytes: int
    instructions: int | None  # None: the kernel refused it
    reproducible: bool
    why: str = ""  # why it is not reproducible, or was refused
    distributions: tuple[Distribution, ...] = ()  # of both seeds
    functions: tuple[FunctionCount, ...] = ()  # the longest first

    def __str__(self) -> str:
        return f"{clean(self.name)}, {self.bytes} bytes"

    @property
    def counted(self) -> int | None:
        """Return its instructions if they are reproducible."""
        return self.instructions if self.reproducible else None

    @property
    def by_function(self) -> Mapping[str, int]:
        """Return its instructions by function."""
        return {each.name: each.instructions for each in self.functions}

    @property
    def explained(self) -> int:
        """Return the sum of its functions' instructions."""
        return sum(self.by_function.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCount:
    """Hold all counts of a kernel; one without calls has a reason."""

    label: str
    release: str = ""
    origin: str = ""
    reason: str = ""
    machine: str = ""  # as in uname -m
    jit: bool = False
    clock: str = ""
    sha256: str = ""  # of console and report of the first boot
    empty: int = 0  # instructions of the empty program, subtracted from all others
    calls: tuple[CallCount, ...] = ()
    unexplained: str = ""  # why its calls have no functions

    @property
    def name(self) -> str:
        """Return the label, or the end of a long path."""
        label = clean(self.label)
        return label if len(label) <= _LONGEST_NAME else f"…{label[1 - _LONGEST_NAME :]}"

    @property
    def by_key(self) -> Mapping[Key, CallCount]:
        """Return its calls by name and bytes."""
        return {(each.name, each.bytes): each for each in self.calls}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Describe what counted the kernels of one architecture."""

    qemu: str  # version of the build
    options: tuple[str, ...]
    parameters: tuple[str, ...]  # of the kernels
    program_sha256: str  # of the initial RAM disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Hold the counts of all kernels and what counted them, as in JSON.

    The set-up is that of the first kernel's architecture; ``others`` has the other set-ups.
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
        raise JournalError(f"{path} is empty", remedy="create it again")
    return found
