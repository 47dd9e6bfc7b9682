# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that rows are the same of trials and of what only has their attributes."""

from __future__ import annotations

from math import isnan, nan

import pytest
import reference
from polars.testing import assert_frame_equal

from bench.dataset.rows import frame_of
from bench.journal import bounds, quick
from bench.journal.raw_lines import raw_lines
from bench.judge.columns import TAKES, Columns
from bench.trial.result import TrialResult

JOURNALS = ("quick/journal.jsonl.gz", "duets/storm-idle.jsonl.gz")


def lines(journal: str) -> list[bytes]:
    found = (each.text for each in raw_lines(reference.FOLDER / journal))
    return [text for text in found if b'"kind":"trial"' in text][:100]


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_line_decoded_quickly_gives_the_row_of_its_trial(journal: str) -> None:
    ways = quick.decoder(TrialResult, alike=True), bounds.validator(TrialResult).validate_json
    alike, careful = ([*enumerate(map(way, lines(journal)))] for way in ways)
    assert not isinstance(alike[0][1], TrialResult)
    assert_frame_equal(frame_of(alike), frame_of(careful), check_exact=True)


@pytest.mark.parametrize("journal", JOURNALS)
def test_numbers_of_many_are_those_of_each(journal: str) -> None:
    found = map(quick.decoder(TrialResult), lines(journal))
    trials = [trial for trial in found if trial is not None]
    assert trials
    at_once = Columns(trials)
    for key, take in TAKES.items():
        one_by_one = [nan if value is None else value for value in map(take, trials)]
        for number, expected in zip(at_once.number(key).tolist(), one_by_one, strict=True):
            assert number == expected or (isnan(number) and isnan(expected)), key
