# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Use one BPF ring buffer that overwrites its oldest records instead of refusing new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.errors import MachineUnfit, UsageError
from bench.plan.config import Call, Producer
from bench.plan.traits import Look
from bench.tracer.transports.ringbuf import Ringbuf

if TYPE_CHECKING:
    from bench.tracer.build import Kernel


class Overwrite(Ringbuf):
    """Send by a BPF_MAP_TYPE_RINGBUF with BPF_F_RB_OVERWRITE, Linux 6.19."""

    def require(self, producer: Producer, kernel: Kernel) -> None:
        """Raise MachineUnfit where rings cannot overwrite, UsageError for discarded records."""
        super().require(producer, kernel)
        if producer.call is Call.DISCARD:
            raise UsageError(
                "nobody counts the discarded records that an overwriting ring overwrote",
                remedy="take ringbuf",
            )
        if not kernel.overwrites:
            raise MachineUnfit(
                "this kernel's ring buffers cannot overwrite, which came with Linux 6.19",
                remedy="measure it in a guest of a later kernel: bufbench kernels list",
            )


TRANSPORT = Overwrite(
    name="overwrite",
    title="the overwriting ring",
    short="overwriting",
    made_by="rings",
    flags=1 << 19,  # bench.linux.bpf.OVERWRITE, without importing it
    only_native="only bufbench's reader notices a record that was overwritten while it was read",
    variant="ringbuf",
    look=Look(colour="#882255", dark="#CC6699", shape="triangle-down", dash=(4, 2)),
    rank=3,
    ordered=True,
    calls=True,
    wakes_seen=True,
    overwrites=True,
)
