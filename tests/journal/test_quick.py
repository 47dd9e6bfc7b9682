# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that lines decoded quickly give what careful decoding gives, and that most are."""

from __future__ import annotations

import pytest
import reference
from fuzz import edited_journal
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_trials import trial

from bench.journal import bounds, quick
from bench.journal.raw_lines import raw_lines
from bench.journal.writer import encode
from bench.trial.result import TrialResult

QUICK = quick.decoder(TrialResult)
CAREFUL = bounds.validator(TrialResult)
TRIAL = encode(trial("ringbuf@8KiB", 0)).rstrip()


@settings(max_examples=60)
@given(st.binary(max_size=13 * 20))
def test_what_is_accepted_is_the_same_value(data: bytes) -> None:
    for line in edited_journal.edited(data).splitlines():
        found = QUICK(line)
        if found is not None:
            assert repr(found) == repr(CAREFUL.validate_json(line, strict=True))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"load_1m":1.0', b'"load_1m":1e-31'),
        (b'"load_1m":1.0', b'"load_1m":1E-31'),
        (b'"load_1m":1.0', b'"load_1m":0.' + b"0" * 40 + b"1"),
        (b'"load_1m":1.0', b'"load_1m":1e-5,"load_2m":1'),
        (b'"load_1m":1.0', b'"load_1m":1e19'),
        (b'"block":0', b'"block":9223372036854775808'),
        (b'"block":0', b'"block":0.0'),
    ],
)
def test_what_may_be_odd_is_left_to_others(old: bytes, new: bytes) -> None:
    assert QUICK(TRIAL) == trial("ringbuf@8KiB", 0)
    assert QUICK(TRIAL.replace(old, new, 1)) is None


@pytest.mark.parametrize("journal", ["quick/journal.jsonl.gz"])
def test_lines_of_bufbench_s_are_decoded_quickly(journal: str) -> None:
    lines = [each.text for each in raw_lines(reference.FOLDER / journal) if b'"trial"' in each.text]
    found = [QUICK(line) for line in lines]
    assert found == [CAREFUL.validate_json(line, strict=True) for line in lines]
