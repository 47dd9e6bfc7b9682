# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the flatness of made-up samples."""

from __future__ import annotations

from dataclasses import replace

import pytest
from soak.health import COUNTS, Flatness, Sample, flatness

MIB = 1 << 20
STEADY = Sample(
    elapsed_s=0.0,
    trials=0,
    rss_bytes=170 * MIB,
    open_files=20,
    threads=2,
    programs=1,
    maps=5,
    children=0,
)


def samples(number: int = 40, **changes: object) -> list[Sample]:
    """Return steady samples; a change is a function of the sample's number."""
    return [
        replace(
            STEADY,
            elapsed_s=6.0 * n,
            trials=10 * n,
            **{what: change(n) for what, change in changes.items()},  # type: ignore[operator]
        )
        for n in range(number)
    ]


def grown(found: list[Sample]) -> set[str]:
    return {each.what for each in flatness(found) if not each.flat}


def test_steady_is_flat_and_every_quantity_is_judged() -> None:
    found = flatness(samples())
    assert {each.what for each in found} == {"rss_bytes", *COUNTS}
    assert all(each.flat and each.before == each.after for each in found)


def test_too_few_samples_say_nothing() -> None:
    assert flatness(samples(7)) == ()
    assert flatness(samples(8))


def test_growth_during_the_warm_up_is_forgiven() -> None:
    warming = samples(rss_bytes=lambda n: min(100 + 10 * n, 170) * MIB, maps=lambda n: min(n, 5))
    assert grown(warming) == set()


def test_a_mebibyte_a_round_is_a_leak() -> None:
    assert grown(samples(rss_bytes=lambda n: (170 + n) * MIB)) == {"rss_bytes"}


def test_an_allocator_that_breathes_is_none() -> None:
    assert grown(samples(rss_bytes=lambda n: (170 + 8 * (n % 2)) * MIB)) == set()


@pytest.mark.parametrize("what", COUNTS)
def test_one_more_of_anything_that_stays_is_a_leak(what: str) -> None:
    assert grown(samples(**{what: lambda n: 5 + (n >= 25)})) == {what}


def test_a_count_that_comes_and_goes_is_none() -> None:
    assert grown(samples(open_files=lambda n: 20 + n % 3)) == set()


def test_the_halves_are_of_what_follows_the_first_quarter() -> None:
    # 0 to 9 is the warm-up, 10 to 24 the first half, 25 to 39 the second.
    found = {each.what: each for each in flatness(samples(maps=lambda n: n * n))}
    assert found["maps"] == Flatness(what="maps", before=17**2, after=32**2, flat=False)
    assert grown(samples(maps=lambda n: 9 if n == 9 else 5 + (n == 30))) == {"maps"}
    assert grown(samples(maps=lambda n: 6 if n in (10, 39) else 5)) == set()
    assert grown(samples(maps=lambda n: 6 if n in (24, 25) else 5)) == set()


def rss(before: int, after: int) -> bool:
    """Return whether memory that goes from so many bytes to so many is flat."""
    return grown(samples(rss_bytes=lambda n: before if n < 25 else after)) == set()


def test_memory_may_grow_by_twelve_mebibytes_or_by_a_twentieth_if_that_is_more() -> None:
    assert rss(100 * MIB, 112 * MIB)
    assert not rss(100 * MIB, 112 * MIB + 1)
    assert rss(1_000 * MIB, 1_050 * MIB)
    assert not rss(1_000 * MIB, 1_051 * MIB)


def test_memory_goes_by_medians_and_counts_by_the_most() -> None:
    assert grown(samples(rss_bytes=lambda n: (500 if n in (30, 31) else 100) * MIB)) == set()
    assert grown(samples(threads=lambda n: 3 if n == 30 else 2)) == {"threads"}
