# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Search for the first bad one, at every place, with every set that cannot be judged."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations
from math import ceil, log2

import pytest

from bench.questions.bisect.search import Border, Verdict, most, search


class Row:
    """Judge a row that is bad from ``first_bad`` on, and cannot be judged at some places."""

    def __init__(
        self, first_bad: int, unknown: Collection[int] = (), unconfirmed: Collection[int] = ()
    ) -> None:
        self.looks: list[int] = []
        self.confirmed: list[int] = []
        self._first_bad, self._unknown, self._unconfirmed = first_bad, unknown, unconfirmed

    def judge(self, at: int) -> Verdict:
        self.looks.append(at)
        return self._verdict(at, self._unknown)

    def confirm(self, at: int) -> Verdict:
        assert at in self.looks
        self.confirmed.append(at)
        return self._verdict(at, self._unconfirmed)

    def _verdict(self, at: int, unknown: Collection[int]) -> Verdict:
        if at in unknown:
            return Verdict.UNKNOWN
        return Verdict.BAD if at >= self._first_bad else Verdict.GOOD

    def search(self, count: int) -> Border | None:
        return search(count, self.judge, self.confirm)


@pytest.mark.parametrize("count", [*range(2, 40), 64, 65, 66, 67, 1000])
def test_every_place_is_found_by_the_fewest_looks(count: int) -> None:
    for first_bad in range(1, count):
        row = Row(first_bad)
        assert row.search(count) == Border(first_bad - 1, first_bad)
        assert len(row.looks) == len(set(row.looks)) <= most(count)
        assert sorted(row.confirmed) == [first_bad - 1, first_bad]
    assert most(count) <= ceil(log2(count)) + 2


def test_the_bound_is_reached() -> None:
    """With fewer looks than log2 of the places, two of them could not be distinguished."""
    for count in range(3, 40):
        worst = max(_looks(count, first_bad) for first_bad in range(1, count))
        assert worst == most(count) == ceil(log2(count - 1)) + 2


def _looks(count: int, first_bad: int) -> int:
    row = Row(first_bad)
    row.search(count)
    return len(row.looks)


@pytest.mark.parametrize("count", range(2, 10))
def test_what_cannot_be_judged_widens_the_answer_and_costs_a_look_each(count: int) -> None:
    inner = range(1, count - 1)
    for size in range(len(inner) + 1):
        for unknown in combinations(inner, size):
            for first_bad in range(1, count):
                row = Row(first_bad, unknown)
                border = row.search(count)
                assert border is not None
                judged = [at for at in range(count) if at not in unknown]
                assert border.last_good == max(at for at in judged if at < first_bad)
                assert border.first_bad == min(at for at in judged if at >= first_bad)
                seen = len({*row.looks} & {*unknown})
                assert len(row.looks) == len({*row.looks}) <= most(count) + seen


def test_a_border_that_is_not_confirmed_is_skipped() -> None:
    for count in range(2, 9):
        for first_bad in range(1, count):
            for unconfirmed in range(1, count - 1):
                row = Row(first_bad, unconfirmed=[unconfirmed])
                border = row.search(count)
                judged = [at for at in range(count) if at != unconfirmed or at not in row.confirmed]
                assert border == Border(
                    max(at for at in judged if at < first_bad),
                    min(at for at in judged if at >= first_bad),
                )


@pytest.mark.parametrize(
    ("row", "looks"),
    [
        (Row(0), [0]),
        (Row(9), [0, 4]),
        (Row(2, unknown=[0]), [0]),
        (Row(2, unknown=[4]), [0, 4]),
    ],
)
def test_ends_that_do_not_differ_end_it_at_once(row: Row, looks: list[int]) -> None:
    assert row.search(5) is None
    assert row.looks == looks


@pytest.mark.parametrize("end", [0, 1])
def test_an_end_that_is_not_confirmed_ends_it(end: int) -> None:
    assert Row(1, unconfirmed=[end]).search(2) is None
