# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Collect what a worker reports of its machine: versions, type, why it cannot measure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from bench.doctor import doctor
from bench.fleet import engine
from bench.linux import capabilities, lockdown, machine, procfs

KEY = "bufbench"
"""The key under which Dask's scheduler keeps the facts of a worker."""

WHOLE_MACHINE = {"bufbench machine": 1}
"""The Dask resource of which a worker has one, and each task takes it: one task at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Hold what the fleet must know of a machine before it measures."""

    bufbench: str
    dask: str
    hostname: str
    cpu_model: str
    cpus: int
    architecture: str
    kernel: str
    virtualisation: str
    unfit: str = ""  # why it cannot measure; "": it can

    @property
    def type(self) -> str:
        """Return the type: machines of one type may replace each other."""
        cpus = f"{self.cpus} x {self.cpu_model}"
        return f"{cpus}, {self.architecture}, Linux {self.kernel}, {self.virtualisation}"

    def objection(self) -> str:
        """Return why the machine is not used by this process; "" if it is."""
        for what, found, own in (
            ("bufbench", self.bufbench, machine.harness_version()),
            ("Dask", self.dask, engine.version()),
        ):
            if found != own:
                return f"has {what} {found}, not {own}: install the same version there"
        return self.unfit


def look() -> Facts:
    """Collect this machine's facts without a bpf(2) call: another measurement may be running."""
    seen = os.uname()
    return Facts(
        bufbench=machine.harness_version(),
        dask=engine.version(),
        hostname=seen.nodename,
        cpu_model=machine.cpu_model(procfs.read(procfs.PROC / "cpuinfo") or ""),
        cpus=len(procfs.online_cpus()),
        architecture=seen.machine,
        kernel=seen.release,
        virtualisation=machine.virtualisation().kind,
        unfit=next(_failures(), ""),
    )


def read(said: object) -> Facts | None:
    """Return the facts that a worker reported; None if the worker is not bufbench's."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Facts).validate_python(said)
    except ValidationError:
        return None


def _failures() -> Iterator[str]:
    for found in (
        doctor.privileges(capabilities.held()),
        doctor.check("kernel", os.uname().release),
        doctor.check("BTF", os.access(doctor.BTF, os.R_OK)),
        doctor.lockdown_of(lockdown.running()),
    ):
        if found.status is doctor.Status.FAIL:
            yield f"{found.name}: {found.seen}; {found.remedy}"
