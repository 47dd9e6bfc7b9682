# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test mixes of record lengths: sixteen turns of four lengths that keep the mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.plan.config import Producer
from bench.plan.mix import MOST_LENGTHS, TURNS, mean_payload_bytes, padded, parse, turns
from bench.tracer import settings


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("256", {256: 1}),
        ("1K", {1024: 1}),
        ("72:15,1KiB:1", {72: 15, 1024: 1}),
        ("72:0.5, 80:0.5", {72: 0.5, 80: 0.5}),
    ],
)
def test_lengths_and_their_shares_are_read(text: str, lengths: dict[int, float]) -> None:
    assert parse(text) == lengths


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("8", "--record-size 8 is out of range; take 72 to 4168"),
        ("72,80", "'72,80' is not a mix"),
        ("72:1,72:2", "is not a mix"),
        ("72:0,80:1", "is not a mix"),
        ("72:-1,80:1", "is not a mix"),
        ("72:nan,80:1", "is not a mix"),
        ("72:inf,80:1", "is not a mix"),
        ("72:1,", "is not a length"),
        ("", "is not a length"),
        ("x:1", "is not a length"),
        ("72:1:1", "is not a length"),
    ],
)
def test_what_is_no_mix_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert complaint in str(caught.value)


def test_a_rare_long_record_comes_once_in_sixteen() -> None:
    found = turns({72: 15, 1024: 1})
    assert sorted(found) == [0] * 15 + [952]


def test_long_records_are_spread_evenly() -> None:
    found = turns({72: 3, 4168: 1})
    assert [place for place, padding in enumerate(found) if padding] == [3, 7, 11, 15]


def test_lengths_beyond_what_a_record_can_have_take_the_nearest() -> None:
    assert set(turns({8: 1, 100_000: 1})) == {0, 4096}


@given(st.dictionaries(st.integers(72, 4168), st.integers(1, 10**6), min_size=1, max_size=60))
def test_the_mean_stays_and_so_do_the_bounds(lengths: dict[int, int]) -> None:
    found = turns(lengths)
    assert len(found) == TURNS
    assert len({*found}) <= MOST_LENGTHS
    assert all(padding % 8 == 0 for padding in found)
    mean = sum(size * weight for size, weight in lengths.items()) / sum(lengths.values())
    assert mean - 1e-3 <= 72 + np.mean(found) < mean + 8
    assert min(lengths) <= 72 + min(found)
    assert 72 + max(found) < max(lengths) + 8


def test_the_program_takes_each_length_by_its_turn() -> None:
    mixed = turns({72: 4, 100: 4, 500: 7, 2000: 1})
    producer = padded(Producer(), mixed)
    macros = settings.macros(producer)
    sizes = [macros[f"SIZE_{at}"] for at in range(MOST_LENGTHS)]
    taken = [sizes[macros["TURNS"] >> 2 * (sequence & 15) & 3] for sequence in range(TURNS)]
    assert tuple(taken) == settings.lengths(producer) == tuple(72 + each for each in mixed)


def test_one_length_is_no_mix() -> None:
    producer = padded(Producer(), turns({256: 1}))
    assert (producer.payload_bytes, producer.mix) == (184, ())
    assert "TURNS" not in settings.macros(producer)
    assert mean_payload_bytes(producer) == 184
