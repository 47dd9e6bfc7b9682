# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test which CPUs share a ring: on 8 and 64 CPUs, with and without nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tracer.transports.sharded import shared_out

EIGHT, SIXTY_FOUR = range(8), range(64)
HALVES = [range(32), range(32, 64)]
EVEN_AND_ODD = [range(0, 8, 2), range(1, 8, 2)]  # as some firmware numbers them


@pytest.mark.parametrize(
    ("rings", "nodes", "expected"),
    [
        (1, [], [(0, 1, 2, 3, 4, 5, 6, 7)]),
        (2, [], [(0, 1, 2, 3), (4, 5, 6, 7)]),
        (3, [], [(0, 1), (2, 3, 4), (5, 6, 7)]),
        (8, [], [(cpu,) for cpu in EIGHT]),
        (64, [], [(cpu,) for cpu in EIGHT]),
        (1, EVEN_AND_ODD, [(0, 1, 2, 3, 4, 5, 6, 7)]),
        (2, EVEN_AND_ODD, [(0, 2, 4, 6), (1, 3, 5, 7)]),
        (3, EVEN_AND_ODD, [(0, 2), (1, 3, 5, 7), (4, 6)]),
        (4, EVEN_AND_ODD, [(0, 2), (1, 3), (4, 6), (5, 7)]),
        (2, [range(6), range(6, 8)], [(0, 1, 2, 3, 4, 5), (6, 7)]),
        (4, [range(6), range(6, 8)], [(0, 1), (2, 3), (4, 5), (6, 7)]),
        (2, [range(2), range(2, 4), range(4, 8)], [(0, 1, 2, 3), (4, 5, 6, 7)]),
        (8, EVEN_AND_ODD, [(cpu,) for cpu in EIGHT]),
    ],
)
def test_eight_cpus(rings: int, nodes: list[range], expected: list[tuple[int, ...]]) -> None:
    assert list(shared_out(EIGHT, rings, nodes)) == expected


@pytest.mark.parametrize("rings", [2, 4, 16, 32, 64])
@pytest.mark.parametrize("nodes", [[], HALVES, [range(at, at + 8) for at in range(0, 64, 8)]])
def test_sixty_four_cpus_are_shared_out_evenly(rings: int, nodes: list[range]) -> None:
    found = shared_out(SIXTY_FOUR, rings, nodes)
    each = 64 // rings
    assert found == tuple(tuple(range(at, at + each)) for at in range(0, 64, each))


def test_usable_cpus_alone_are_shared_out() -> None:
    assert shared_out((1, 5, 40, 63), 2, HALVES) == ((1, 5), (40, 63))
    assert shared_out((3, 5), 2, [range(3)]) == ((3,), (5,))


@given(
    st.sets(st.integers(0, 200), min_size=1),
    st.integers(1, 100),
    st.lists(st.sets(st.integers(0, 200)), max_size=6),
)
def test_each_cpu_has_one_ring_and_nodes_are_kept_apart(
    cpus: set[int], rings: int, sets: list[set[int]]
) -> None:
    taken: set[int] = set()
    nodes = []
    for each in sets:
        nodes.append(sorted(each - taken))
        taken |= each
    found = shared_out(sorted(cpus), rings, nodes)
    assert sorted(cpu for ring in found for cpu in ring) == sorted(cpus)
    assert len(found) == min(rings, len(cpus))
    assert all(found)
    groups = [node for node in [*map(set, nodes), {*cpus} - taken] if node & cpus]
    for group in groups:
        inside = [len(ring) for ring in found if group >= {*ring}]
        if rings >= len(groups):
            assert sum(inside) == len(group & cpus)
            assert max(inside) - min(inside) <= 1
        else:
            assert all(group & cpus <= {*ring} for ring in found if {*ring} & group)
