# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Check overwritten records, a cause of their own, against the bytes that the consumer missed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure import ledger
from bench.record.counters import CpuCounters
from bench.record.records import CAPTURED, Flag, Records

PLAIN, MIXED = (72,), (72, 200, 1024, 4168)
ONE = 80  # bytes of a plain record with its header


def delivered(numbers: list[tuple[int, int]], lengths: tuple[int, ...] = PLAIN) -> Records:
    rows = np.zeros(len(numbers), CAPTURED)
    for row, (cpu, sequence) in zip(rows, numbers, strict=True):
        length = lengths[sequence % len(lengths)]
        row["cpu"], row["sequence"], row["flags"] = cpu, sequence, Flag.OWN
        row["length"] = row["arrived_bytes"] = length
        row["tail"] = sequence if length > 72 else 0
    return rows


def counts(cpu: int, attempted: int, refused: int = 0) -> CpuCounters:
    dropped = {"refused": refused} if refused else {}
    return CpuCounters(
        cpu=cpu, exits=attempted, attempted=attempted, dropped=dropped,
        own_exits=attempted, own_attempted=attempted, own_dropped=dropped,
    )  # fmt: skip


def test_what_was_overwritten_is_a_cause_of_its_own_and_balances() -> None:
    records = delivered([(0, 7), (1, 3), (0, 8), (0, 9), (1, 4)])
    counters = (counts(0, 10), counts(1, 5, refused=1))
    found, faults = ledger.overwritten(records, counters, 9 * ONE, PLAIN)
    assert faults == ()
    book = ledger.balance(records, found)
    assert book.balanced
    assert book.dropped_by_cause == {"overwritten": 9, "refused": 1}
    assert (book.attempted, book.delivered, book.dropped, book.own_dropped) == (15, 5, 10, 10)


@pytest.mark.parametrize("bytes_", [8 * ONE, 10 * ONE, 9 * ONE - 8, 0])
def test_bytes_that_do_not_add_up_are_a_residue(bytes_: int) -> None:
    records = delivered([(0, 7), (1, 3), (0, 8), (0, 9), (1, 4)])
    counters = (counts(0, 10), counts(1, 5, refused=1))
    _, faults = ledger.overwritten(records, counters, bytes_, PLAIN)
    (fault,) = faults
    assert fault == (
        f"the consumer found {bytes_:,} bytes overwritten, but records of 720 are missing"
    )


def test_a_record_that_was_delivered_twice_does_not_balance() -> None:
    records = delivered([(0, 8), (0, 9), (0, 9)])
    found, _ = ledger.overwritten(records, (counts(0, 10),), 7 * ONE, PLAIN)
    assert not ledger.balance(records, found).balanced


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([PLAIN, MIXED]), st.data())
def test_any_that_are_missing_are_found_by_their_lengths(
    first: int, second: int, lengths: tuple[int, ...], data: st.DataObject
) -> None:
    written = [(cpu, each) for cpu, most in enumerate((first, second)) for each in range(most)]
    lost = data.draw(st.sets(st.sampled_from(written))) if written else set[tuple[int, int]]()
    missed_bytes = sum(lengths[each % len(lengths)] + 8 for _, each in lost)
    records = delivered([each for each in written if each not in lost], lengths)
    counters = (counts(0, first), counts(1, second))
    found, faults = ledger.overwritten(records, counters, missed_bytes, lengths)
    assert faults == ()
    book = ledger.balance(records, found)
    assert book.balanced
    assert book.dropped_by_cause.get("overwritten", 0) == len(lost)
    if lost:
        assert ledger.overwritten(records, counters, missed_bytes - 8, lengths)[1]


def test_of_mixed_lengths_refusals_leave_a_span() -> None:
    records = delivered([(0, 4), (0, 5)], MIXED)
    counters = (counts(0, 6, refused=1),)
    whole = sum(length + 8 for length in MIXED)
    for refused in MIXED:
        missed = whole - refused - 8
        assert ledger.overwritten(records, counters, missed, MIXED)[1] == ()
    _, (fault,) = ledger.overwritten(records, counters, whole, MIXED)
    assert fault.endswith(f"records of {whole - 4176:,} to {whole - 80:,} are missing")
