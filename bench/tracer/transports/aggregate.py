# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Count exits in the kernel instead of sending records, for users who need only counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bench.amounts import counted
from bench.errors import UsageError
from bench.plan.config import Attach, Producer
from bench.plan.traits import Look
from bench.tracer.transport import Transport

if TYPE_CHECKING:
    from bench.tracer.build import Kernel

_MOST_KEYS: Final = 10_000_000


class Aggregate(Transport):
    """Count exits by name and status in a BPF_MAP_TYPE_PERCPU_HASH, Linux 4.6.

    With ``keys=K``, also by one of K numbers in turn, like a tracer that counts by user, file or
    endpoint.
    """

    @property
    def keys(self) -> int:
        """Return how many keys one kind of exit has."""
        return int(self.name.partition("keys=")[2] or 1)

    def having(self, setting: str) -> Aggregate:
        """Return the same with ``keys=K``; UsageError for anything else."""
        keys = self.number_of(setting, _MOST_KEYS)
        return replace(
            self,
            name=f"{self.name}:{setting}",
            title=f"counts by {counted(keys, 'key')}",
            plural=True,
            short=f"{counted(keys, 'key')}",
        )

    def macros(self, producer: Producer, cpus: tuple[int, ...]) -> dict[str, int]:
        """Return the macros of all transports, and the number of keys."""
        return {**super().macros(producer, cpus), "KEYS": self.keys}

    def require(self, producer: Producer, kernel: Kernel) -> None:
        """Raise UsageError for settings that only records have."""
        super().require(producer, kernel)
        if (
            producer.payload_bytes
            or producer.delay_ns
            or producer.attach is not Attach.TRACEPOINT
            or producer.checked
        ):
            raise UsageError(
                f"{self.name} sends no records, which could have payload, a delay or a checksum",
                remedy="leave these to the other arms",
            )


TRANSPORT = Aggregate(
    name="aggregate",
    title="counts in the kernel",
    short="counts",
    made_by="tables",
    only_native="only bufbench reads counts",
    plural=True,
    variant="aggregate",
    parameter="keys",
    parameter_help="counts by K keys",
    look=Look(colour="#666666", dark="#B0B0B0", shape="cross", dash=(1, 2)),
    rank=50,
    streams=False,
    header_bytes=0,
    setting="max_entries",
    wake_policy="read it by a timer",
)
