# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Use one ring buffer for each online CPU, or for several CPUs: the ring's answer to contention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Final

from bench.amounts import counted
from bench.linux.pages import PAGE_BYTES
from bench.plan.traits import Look
from bench.tracer.transport import BufferRequest
from bench.tracer.transports.ringbuf import Ringbuf

_Cpus = tuple[int, ...]

_MOST_RINGS: Final = 8192  # the most CPUs of a kernel
_COLOURS: Final = (
    ("#CC79A7", "#E39BC4"),
    ("#E69F00", "#F5B93D"),
    ("#8C6BB1", "#B094D6"),
    ("#A6761D", "#CFA04A"),
)


class Sharded(Ringbuf):
    """Send by an array of maps: a BPF_MAP_TYPE_RINGBUF in each slot, chosen by the CPU's number.

    With ``rings=K`` the slots of several CPUs hold the same ring.
    """

    def having(self, setting: str) -> Sharded:
        """Return K rings for all CPUs: ``rings=K``; one for each, where there are fewer CPUs."""
        rings = self.number_of(setting, _MOST_RINGS)
        colour, dark = _COLOURS[(rings.bit_length() - 1) % len(_COLOURS)]
        return replace(
            self,
            name=f"{self.name}:{setting}",
            title=f"{counted(rings, 'ring')} for all CPUs",
            short=counted(rings, "ring"),
            plural=rings > 1,
            look=Look(colour=colour, dark=dark, shape="diamond", dash=(rings % 7 + 2, 2)),
            rank=self.rank + rings,
            most_buffers=rings,
            ordered=rings == 1,
            share=" for each ring",
        )

    def rings(self, cpus: tuple[int, ...]) -> int:
        """Return the slots for all CPUs up to the highest online; those offline have none."""
        return cpus[-1] + 1

    def slots(self, request: BufferRequest) -> Mapping[tuple[int, ...], int]:
        """Return an equal share of the budget for each ring; rings of unused CPUs are as large.

        With K rings, CPUs that the storm may not use join those of the others.
        """
        if self.most_buffers is None:
            size_bytes = request.pages_per_cpu() * PAGE_BYTES
            return {(cpu,): size_bytes for cpu in request.cpus}
        from bench.linux.cpus import nodes

        sharing = request.sharing or request.cpus
        rings = [[*each] for each in shared_out(sharing, self.most_buffers, nodes())]
        for ring, cpu in zip(cycle(rings), sorted({*request.cpus} - {*sharing}), strict=False):
            ring.append(cpu)
        size_bytes = request.pages_each(len(rings), self.sharer) * PAGE_BYTES
        return {tuple(ring): size_bytes for ring in rings}


def shared_out(
    cpus: Sequence[int], rings: int, nodes: Sequence[Sequence[int]]
) -> tuple[_Cpus, ...]:
    """Return the CPUs of each of ``rings`` rings, at most one ring for each CPU.

    Rings do not cross nodes unless there are fewer rings than nodes; then neighbouring nodes share
    one. Within a node a ring's CPUs follow one another, and rings differ by one CPU at most.
    """
    groups = [found for node in nodes if (found := sorted({*node} & {*cpus}))]
    if elsewhere := sorted({*cpus} - {cpu for group in groups for cpu in group}):
        groups.append(elsewhere)
    rings = min(rings, len(cpus))
    while len(groups) > rings:
        at = min(range(len(groups) - 1), key=lambda each: len(groups[each] + groups[each + 1]))
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
    shares = [1] * len(groups)
    while sum(shares) < rings:
        fullest = max(range(len(groups)), key=lambda each: len(groups[each]) / shares[each])
        shares[fullest] += 1
    cut = (
        sorted(group[place * len(group) // share : (place + 1) * len(group) // share])
        for group, share in zip(groups, shares, strict=True)
        for place in range(share)
    )
    return tuple(sorted(map(tuple, cut)))


TRANSPORT = Sharded(
    name="sharded",
    title="sharded",
    short="sharded",
    made_by="rings",
    variant="ringbuf",
    parameter="rings",
    parameter_help="has K rings for all CPUs",
    look=Look(colour="#009E73", dark="#2CC79B", shape="triangle-up", dash=(2, 2)),
    rank=2,
    per_cpu=True,
    calls=True,
    wakes_seen=True,
    share=" for each CPU's ring",
)
