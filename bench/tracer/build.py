# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the settings of a program's build, and the facts of the kernel that it is built for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from bench.errors import MachineUnfit
from bench.linux import capabilities, lockdown, tracefs, version
from bench.plan.config import Attach
from bench.tracer import btf, probes

HAS_FETCH_ADD: Final = "HAS_FETCH_ADD"
_FETCH_ADD: Final = (5, 12)  # when BPF got the instruction; older kernels preempt no program


@dataclass(frozen=True, slots=True)
class Kernel:
    """Hold facts of the running kernel that a build needs."""

    release: str
    macros: Mapping[str, int]
    facts: Mapping[str, str]
    dynptr: bool = True  # ring buffers can be written by dynptr
    overwrites: bool = False  # ring buffers that overwrite can be made

    @classmethod
    def by_types(cls) -> Self:
        """Read from BTF alone what rings can do, without privileges; MachineUnfit without BTF."""
        with btf.opened() as types:
            return cls(os.uname().release, {}, {}, **_abilities(types))

    @classmethod
    def probe(cls) -> Self:
        """Read BTF and tracefs; MachineUnfit if that fails or privileges are missing."""
        if missing := capabilities.missing_to_trace(capabilities.held()):
            raise MachineUnfit(  # before bcc tries, which would blame the program
                "this process may not load BPF programs",
                remedy=f"run as root, or grant {' and '.join(map(str, missing))}",
            )
        lockdown.require_open()
        probes.require()
        fields = btf.tracepoint_fields(tracefs.exit_format())
        with btf.opened() as types:
            macros = btf.offsets(types)
            facts = btf.kernel_facts(types, fields)
            abilities = _abilities(types)
        if "group_dead" in fields:
            macros["OFFSET_GROUP_DEAD"] = fields["group_dead"]
        release = os.uname().release
        if adds_atomically(release):
            macros[HAS_FETCH_ADD] = 1
        return cls(release, macros, facts, **abilities)


def adds_atomically(release: str) -> bool:
    """Return whether preemptible programs can count correctly on a kernel."""
    return version.numbers(release) >= _FETCH_ADD


def _abilities(types: btf.Btf) -> dict[str, bool]:
    dynptr = types.field("bpf_dynptr_kern", "data") is not None
    return {"dynptr": dynptr, "overwrites": btf.overwrites(types)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Hold the settings of one program. Two trials with the same build share it."""

    variant: str  # the folder under bpf/
    macros: tuple[tuple[str, int], ...] = ()
    name: str = "exitsnoop"  # of the file, and of the function in it
    tracepoint: str = tracefs.EXIT
    attach: Attach = Attach.TRACEPOINT
    paired: bool = False  # NAME_second is a program too

    @property
    def functions(self) -> tuple[str, ...]:
        """Return the functions that are attached, each a program."""
        return (self.name, f"{self.name}_second") if self.paired else (self.name,)

    @property
    def event(self) -> str:
        """Return the tracepoint's name without its system."""
        return self.tracepoint.partition(":")[2]
