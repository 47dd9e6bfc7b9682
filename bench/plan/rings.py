# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Assign CPUs to fewer rings."""

from __future__ import annotations

from collections.abc import Sequence

Cpus = tuple[int, ...]


def shared_out(cpus: Sequence[int], rings: int, nodes: Sequence[Sequence[int]]) -> tuple[Cpus, ...]:
    """Return the CPUs of each of so many rings, at most one ring for each CPU.

    Rings do not cross nodes unless there are fewer rings than nodes; then neighbouring nodes share
    one whole. Within a node a ring's CPUs follow one another, and rings differ by one CPU at most.
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
