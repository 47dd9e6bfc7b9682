# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test torn records: a checksum catches every mixture, and a ledger balances with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.measure import ledger
from bench.record.counters import CpuCounters
from bench.record.layout import CHECKSUM_BYTES
from bench.record.records import CAPTURED, RECORD, Flag, Records

_FACTOR = 0x9E3779B97F4A7C15
_WORDS = RECORD.itemsize // 8


def by_hand(record: np.void) -> int:
    """Return the checksum as bpf/common/checked.h has it, in Python's own numbers."""
    total, data = 0, record.tobytes()
    for place in range(_WORDS):
        word = int.from_bytes(data[8 * place : 8 * place + 8], "little")
        turned = (total << 5 | total >> 59) & (2**64 - 1)
        total = (turned ^ word) * _FACTOR & (2**64 - 1)
    return total


def seal(records: Records) -> Records:
    for row in records:
        row["tail"] = by_hand(row) >> 32
    return records


def made(per_cpu: int = 6, cpus: int = 2) -> tuple[Records, list[CpuCounters]]:
    """Return records as sent, every other one of the storm's own, in turn from each CPU."""
    rows = np.zeros(per_cpu * cpus, CAPTURED)
    place = np.arange(len(rows))
    rows["cpu"], rows["sequence"] = place % cpus, place // cpus
    rows["timestamp_ns"] = 10**15 + place * 1_000
    rows["start_ns"] = 10**14 + place * 7
    rows["duration_ns"] = rows["timestamp_ns"] - rows["start_ns"]
    rows["pid"], rows["parent_pid"] = 1_000 + place, 900
    rows["flags"] = rows["sequence"] & 1
    rows["length"] = rows["arrived_bytes"] = RECORD.itemsize + CHECKSUM_BYTES
    rows["comm"] = [f"worker-{number}".encode() for number in place]
    own = per_cpu // 2
    counters = [
        CpuCounters(cpu=cpu, exits=per_cpu, attempted=per_cpu, own_exits=own, own_attempted=own)
        for cpu in range(cpus)
    ]
    return seal(rows), counters


def balanced(rows: Records, counters: list[CpuCounters]) -> ledger.Ledger:
    intact = ledger.intact(rows)
    return ledger.balance(intact, counters, 6, torn=len(rows) - len(intact), preemptible=True)


def mixed(one: np.void, other: np.void, words: int) -> np.void:
    """Return the first words of one record and the rest of another, its checksum too."""
    data = bytearray(other.tobytes())
    data[: 8 * words] = one.tobytes()[: 8 * words]
    found: np.void = np.frombuffer(bytes(data), CAPTURED)[0].copy()
    return found


def test_what_was_sent_is_true() -> None:
    rows, counters = made()
    assert ledger.intact(rows) is rows
    assert [int(each) for each in ledger.checksums(rows)] == [by_hand(row) for row in rows]
    book = balanced(rows, counters)
    assert (book.torn, book.residues, book.missed) == (0, (), 0)


@settings(max_examples=200)
@given(st.integers(0, 11), st.integers(0, 11), st.integers(1, _WORDS - 1), st.booleans())
def test_each_mixture_of_two_records_is_torn(one: int, other: int, words: int, swap: bool) -> None:
    rows, counters = made()
    was = rows.copy()
    rows[other] = mixed(was[one], was[other], words)
    if swap:
        rows[other]["tail"] = was[one]["tail"]
    same = rows[other].tobytes()[: RECORD.itemsize]
    is_true = same in (was[one].tobytes()[: RECORD.itemsize], was[other].tobytes()[:72])
    if is_true:
        return
    book = balanced(rows, counters)
    assert (book.torn, book.residues) == (1, ())
    assert (book.attempted, book.delivered, book.dropped) == (12, 12, 0)
    assert (book.own_attempted, book.own_delivered, book.own_dropped) == (6, 6, 0)


@pytest.mark.parametrize("bit", [0, 7, 63])
@pytest.mark.parametrize("word", range(_WORDS))
def test_each_bit_counts(word: int, bit: int) -> None:
    rows, counters = made()
    words = rows.view("<u8").reshape(len(rows), -1)
    words[3, word] ^= np.uint64(1 << bit)
    book = balanced(rows, counters)
    assert (book.torn, book.residues) == (1, ())


def test_words_that_change_places_are_torn() -> None:
    rows, counters = made()
    rows[5]["start_ns"], rows[5]["duration_ns"] = rows[5]["duration_ns"], rows[5]["start_ns"]
    assert balanced(rows, counters).torn == 1


def test_another_programs_record_in_place_of_ones_own_is_torn() -> None:
    """It has a right checksum: the program was preempted after its own was in place."""
    rows, counters = made()
    rows[4] = rows[6].copy()
    book = balanced(rows, counters)
    assert (book.torn, book.delivered, book.residues) == (1, 12, ())
    assert ledger.intact(rows)["sequence"].tolist() == [0, 0, 1, 1, 3, 2, 3, 4, 4, 5, 5]


def test_a_torn_record_is_no_dropped_one() -> None:
    rows, counters = made()
    rows[2]["start_ns"] = 5
    lost = np.delete(rows, 9)
    book = balanced(lost, counters)
    assert not book.balanced
    assert book.residues[0] == ("all CPUs: 12 attempted, but 11 delivered + 0 dropped = 11")


def test_a_torn_record_does_not_hide_a_loss_on_another_cpu() -> None:
    """Of two records that are missing one was torn; the other is named, and so is its CPU."""
    rows, counters = made()
    rows[2]["cpu"] = 7
    rows = np.delete(rows, 9)
    book = balanced(rows, counters)
    assert book.torn == 1
    assert any(each.startswith("all CPUs:") for each in book.residues)


def test_records_of_a_cpu_come_in_any_order_from_preemptible_programs_alone() -> None:
    rows, counters = made()
    rows[[2, 4]] = rows[[4, 2]]
    assert balanced(rows, counters).balanced
    (late,) = ledger.balance(ledger.intact(rows), counters, 6, torn=0).residues
    assert late == "CPU 0: 1 record delivered after a later one of the same CPU"


def test_without_a_checksum_nothing_is_said_of_torn_records() -> None:
    rows, counters = made()
    rows["length"] = rows["arrived_bytes"] = RECORD.itemsize
    rows["tail"] = 0
    assert ledger.balance(rows, counters, 6).torn is None


def test_of_no_records_none_is_torn() -> None:
    assert len(ledger.intact(np.zeros(0, CAPTURED))) == 0


def test_own_is_what_is_missing_there() -> None:
    rows, counters = made()
    assert rows[2]["flags"] & Flag.OWN
    rows[2]["flags"] = 0
    book = balanced(rows, counters)
    assert (book.torn, book.own_delivered, book.residues) == (1, 6, ())
