# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What counts as flat, on made-up samples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.measure.health import COUNTS, FEWEST_SAMPLES, Sample, flatness

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
    """Steady samples; a change is a function of the sample's number."""
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
    assert flatness(samples(FEWEST_SAMPLES - 1)) == ()
    assert flatness(samples(FEWEST_SAMPLES))


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
