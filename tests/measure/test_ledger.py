# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the ledger: streams that balance by construction, and each thing that unbalances them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import made_up
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.amounts import counted
from bench.measure import ledger
from bench.measure.columns import BLOCK_ROWS
from bench.record.counters import CpuCounters
from bench.record.records import CAPTURED, RECORD, Flag

_CAUSES = ("refused", "ENOSPC")


@st.composite
def _trials(draw: st.DrawFn) -> made_up.Trial:
    """Draw attempts on up to three CPUs, delivered or dropped, own or not, in any interleaving."""
    fates = ("delivered", *_CAUSES)
    # One number an attempt, since three draws would take three times as long.
    attempt = st.integers(0, 11).map(lambda n: (fates[n % 3], n // 3 % 2 == 1, n >= 6))
    counters, rows = [], []
    for cpu in draw(st.lists(st.sampled_from([0, 1, 5, 65_535]), max_size=3, unique=True)):
        attempts = draw(st.lists(attempt, max_size=15))
        own = [fate for fate, is_own, _ in attempts if is_own]
        counters.append(
            CpuCounters(
                cpu=cpu,
                exits=len(attempts),
                attempted=len(attempts),
                dropped={
                    cause: [fate for fate, _, _ in attempts].count(cause) for cause in _CAUSES
                },
                own_exits=len(own),
                own_attempted=len(own),
                own_dropped={cause: own.count(cause) for cause in _CAUSES},
            )
        )
        for sequence, (fate, is_own, padded) in enumerate(attempts):
            if fate == "delivered":
                length = RECORD.itemsize + (64 if padded else 0)
                rows.append((cpu, sequence, int(is_own), length, sequence if padded else 0))
    if draw(st.booleans()):
        rows = _interleaved(rows, draw(st.randoms(use_true_random=False)))
    records = np.zeros(len(rows), CAPTURED)
    for record, row in zip(records, rows, strict=True):
        for name, value in zip(("cpu", "sequence", "flags", "length", "tail"), row, strict=True):
            record[name] = value
    records["arrived_bytes"] = records["length"] + np.uint32(draw(st.sampled_from([0, 4])))
    return made_up.Trial(records, counters, sum(cpu.own_exits for cpu in counters))


def _interleaved(rows: list[tuple[int, ...]], random: Random) -> list[tuple[int, ...]]:
    """Return the rows of all CPUs in any order that keeps each CPU's own."""
    turns = [row[0] for row in rows]
    random.shuffle(turns)
    of_cpu = {cpu: iter([row for row in rows if row[0] == cpu]) for cpu in turns}
    return [next(of_cpu[cpu]) for cpu in turns]


@pytest.mark.slow
@settings(max_examples=300)
@given(_trials())
def test_what_is_consistent_balances(trial):
    account = ledger.balance(*trial)
    assert account.residues == ()
    assert account.balanced
    assert account.attempted == account.delivered + account.dropped
    assert account.dropped == sum(account.dropped_by_cause.values())
    assert account.delivered == len(trial.records)
    assert account.own_delivered == np.count_nonzero(trial.records["flags"] & Flag.OWN)
    assert account.missed == 0


@pytest.mark.slow
@settings(max_examples=300)
@given(_trials(), st.data())
def test_any_single_change_to_a_record_unbalances(trial, data):
    records, counters, reaped = trial
    assume(len(records))
    row = data.draw(st.integers(0, len(records) - 1))
    change = data.draw(
        st.sampled_from(["lost", "twice", "cpu", "own", "beyond", "short", "long", "torn"])
    )
    records = records.copy()
    record = records[row : row + 1]
    if change == "lost":
        records = np.delete(records, row)
    elif change == "twice":
        records = np.insert(records, data.draw(st.integers(0, len(records))), record[0])
    elif change == "cpu":
        others = {*(cpu.cpu for cpu in counters), 7} - set(record["cpu"].tolist())
        record["cpu"] = data.draw(st.sampled_from(sorted(others)))
    elif change == "own":
        record["flags"] ^= np.uint16(Flag.OWN)
    elif change == "beyond":
        attempted = next(cpu.attempted for cpu in counters if cpu.cpu == record["cpu"][0])
        record["sequence"] = data.draw(st.integers(attempted, 2**32 - 1))
    elif change == "short":
        record["arrived_bytes"] = record["length"] - 1
    elif change == "long":
        record["arrived_bytes"] = record["length"] + 8
    else:
        record["tail"] ^= np.uint32(0x40)
    assert ledger.balance(records, counters, reaped).residues


@pytest.mark.slow
@settings(max_examples=200)
@given(_trials(), st.data())
def test_any_two_records_of_a_cpu_that_change_places_unbalance(trial, data):
    records, counters, reaped = trial
    cpus = [cpu for cpu in set(records["cpu"].tolist()) if (records["cpu"] == cpu).sum() > 1]
    assume(cpus)
    cpu = data.draw(st.sampled_from(sorted(cpus)))
    places = st.sampled_from(np.flatnonzero(records["cpu"] == cpu).tolist())
    first, second = data.draw(st.lists(places, min_size=2, max_size=2, unique=True))
    records = records.copy()
    records[[first, second]] = records[[second, first]]
    residues = ledger.balance(records, counters, reaped).residues
    assert len(residues) == 1
    assert residues[0].startswith(f"CPU {cpu}: ")
    assert residues[0].endswith("delivered after a later one of the same CPU")


@pytest.mark.slow
@settings(max_examples=300)
@given(_trials(), st.data())
def test_any_counter_that_is_one_off_unbalances(trial, data):
    records, counters, reaped = trial
    assume(counters)
    place = data.draw(st.integers(0, len(counters) - 1))
    cpu, step = counters[place], data.draw(st.sampled_from([-1, 1]))
    name = data.draw(st.sampled_from(["attempted", "own_attempted", "dropped", "own_dropped"]))
    if name.endswith("dropped"):
        causes = dict(getattr(cpu, name))
        causes[data.draw(st.sampled_from(_CAUSES))] += step
        changed = replace(cpu, **{name: causes})
    else:
        changed = replace(cpu, **{name: getattr(cpu, name) + step})
    counters = [*counters[:place], changed, *counters[place + 1 :]]
    assert ledger.balance(records, counters, reaped).residues


def _trial(loss: float = 0.2) -> made_up.Trial:
    return made_up.trial(40_000, loss=loss)


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_long_streams_balance(transport):
    trial = made_up.trial(200_000, transport=transport, cpus=4, loss=0.1)
    account = ledger.balance(*trial)
    assert account.residues == ()
    assert account.dropped == account.attempted - len(trial.records) > 10_000


def test_two_cpus_that_swap_a_record_each_keep_their_sums_and_are_found():
    # Sums agree everywhere: only the sequence numbers can tell.
    trial = _trial(loss=0)
    records = trial.records
    first, second = (np.flatnonzero(records["cpu"] == cpu)[100 + cpu] for cpu in (0, 1))
    records["cpu"][[first, second]] = records["cpu"][[second, first]]
    residues = ledger.balance(*trial).residues
    assert "CPU 0: 1 sequence numbers delivered more than once" in residues
    assert "CPU 1: 1 gaps in the sequence numbers, but 0 dropped" in residues


@pytest.mark.parametrize("loss", [0.0, 0.1])
@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_neighbours_of_one_cpu_swapped_are_named_with_their_number(transport, loss):
    # One CPU each: across two blocks, across the halves that are read side by side, across two
    # blocks of the second. Of the four made-up CPUs three have records.
    trial = made_up.trial(300_000, transport=transport, cpus=4, loss=loss)
    records = trial.records
    middle = len(records) // 2
    for cpu, edge in enumerate((BLOCK_ROWS, middle, middle + BLOCK_ROWS)):
        at = np.flatnonzero(records["cpu"] == cpu)
        after = max(1, int(np.searchsorted(at, edge)))
        pair = at[[after - 1, after]]
        records[pair] = records[pair[::-1]]
    assert ledger.balance(*trial).residues == tuple(
        f"CPU {cpu}: 1 record delivered after a later one of the same CPU" for cpu in range(3)
    )


def test_one_record_that_comes_last_is_one_and_one_that_comes_first_makes_all_others_late():
    records = np.zeros(5, CAPTURED)
    records["length"] = records["arrived_bytes"] = RECORD.itemsize
    counters = [CpuCounters(cpu=0, exits=5, attempted=5)]
    for order, late in (([1, 2, 3, 4, 0], 1), ([4, 0, 1, 2, 3], 4), ([4, 3, 2, 1, 0], 4)):
        records["sequence"] = order
        assert ledger.balance(records, counters).residues == (
            f"CPU 0: {counted(late, 'record')} delivered after a later one of the same CPU",
        )


def test_a_loss_that_nobody_counted_is_named_for_all_and_for_its_cpu():
    trial = _trial(loss=0)
    lost = np.delete(trial.records, 30_000)
    cpu = int(trial.records["cpu"][30_000])
    residues = ledger.balance(lost, trial.counters, trial.reaped).residues
    attempted = trial.counters[cpu].attempted
    assert residues[0].startswith("all CPUs: ")
    assert (
        f"CPU {cpu}: {attempted:,} attempted, but {attempted - 1:,} delivered + 0 dropped"
        f" = {attempted - 1:,}"
    ) in residues
    assert f"CPU {cpu}: 1 gaps in the sequence numbers, but 0 dropped" in residues


def test_a_cpu_that_nobody_counted_is_named():
    trial = _trial()
    residues = ledger.balance(trial.records, trial.counters[:1]).residues
    count = int((trial.records["cpu"] == 1).sum())
    assert f"CPU 1: {count:,} delivered, but no counters" in residues


def test_a_cpu_counted_twice_is_named():
    residues = ledger.balance(np.zeros(0, CAPTURED), [CpuCounters(cpu=3, exits=0, attempted=0)] * 2)
    assert residues.residues == ("CPU 3: counted 2 times over",)


def test_exits_that_the_kernel_skipped_are_missed_and_no_residue():
    trial = _trial()
    account = ledger.balance(trial.records, trial.counters, trial.reaped + 5)
    assert account.balanced
    assert account.missed == 5


def test_more_exits_than_processes_reaped_is_a_residue():
    trial = _trial()
    account = ledger.balance(trial.records, trial.counters, trial.reaped - 1)
    assert account.missed == -1
    assert account.residues == (
        f"the generator reaped {trial.reaped - 1:,} processes, but {trial.reaped:,} were traced",
    )


def test_without_a_generator_nothing_is_missed():
    trial = _trial()
    account = ledger.balance(trial.records, trial.counters)
    assert account.balanced
    assert (account.reaped, account.missed) == (None, 0)


def test_more_own_exits_than_attempts_is_a_residue():
    counters = [CpuCounters(cpu=0, exits=2, attempted=1, dropped={"refused": 1}, own_exits=1)]
    residues = ledger.balance(np.zeros(0, CAPTURED), counters, 1).residues
    assert residues == ("CPU 0, the storm's own: 1 exits, but only 0 attempts",)


def test_sequence_numbers_up_to_the_last_of_32_bits():
    records = np.zeros(3, CAPTURED)
    records["sequence"] = [0, 2**31, 2**32 - 1]
    records["length"] = records["arrived_bytes"] = RECORD.itemsize
    counters = [CpuCounters(cpu=0, exits=2**32, attempted=2**32, dropped={"refused": 2**32 - 3})]
    assert ledger.balance(records, counters).residues == ()
    records["sequence"][1] = 2**32 - 1
    assert (
        "CPU 0: 1 sequence numbers delivered more than once"
        in ledger.balance(records, counters).residues
    )


@pytest.mark.parametrize(
    ("length", "arrived", "tail", "whole"),
    [
        (72, 72, 0, True),
        (72, 76, 0, True),  # perf: 4 bytes make 80 of the sample
        (72, 79, 0, True),
        (72, 80, 0, False),
        (72, 71, 0, False),
        (72, 72, 9, False),
        (64, 64, 0, False),  # less than a record
        (64, 63, 0, False),
        (4168, 4168, 9, True),
        (4168, 4172, 9, True),
        (4168, 4168, 0, False),
        (2**32 - 1, 3, 9, False),
    ],
)
def test_whole_records(length, arrived, tail, whole):
    records = np.zeros(1, CAPTURED)
    records["sequence"] = 9
    records["length"], records["arrived_bytes"], records["tail"] = length, arrived, tail
    counters = [CpuCounters(cpu=0, exits=10, attempted=10, dropped={"refused": 9})]
    assert ledger.balance(records, counters).balanced is whole


@pytest.mark.parametrize("count", [10, 300_000])
def test_what_is_damaged_in_either_half_is_counted(count):
    trial = made_up.trial(count)
    trial.records["arrived_bytes"][[0, -2, -1]] = 8
    assert ledger.balance(*trial).residues == (
        "3 records did not arrive whole: length or padding is not what was sent",
    )


def test_numbers_beyond_what_was_attempted_are_counted():
    records = np.zeros(5, CAPTURED)
    records["length"] = records["arrived_bytes"] = RECORD.itemsize
    records["sequence"] = [0, 1, 5, 6, 6]
    counters = [CpuCounters(cpu=0, exits=5, attempted=5)]
    assert ledger.balance(records, counters).residues == (
        "CPU 0: 3 sequence numbers beyond the 5 attempted",
        "CPU 0: 3 gaps in the sequence numbers, but 0 dropped",
    )
    # The very first number that there cannot be.
    records["sequence"] = [0, 1, 2, 3, 5]
    assert ledger.balance(records, counters).residues == (
        "CPU 0: 1 sequence numbers beyond the 5 attempted",
        "CPU 0: 1 gaps in the sequence numbers, but 0 dropped",
    )


def test_a_number_twice_is_found_across_halves_and_blocks():
    for count, first, second in (
        (10, 4, 5),
        (300_000, 149_999, 150_000),
        (300_000, 65_535, 65_536),
    ):
        records = np.zeros(count, CAPTURED)
        records["length"] = records["arrived_bytes"] = RECORD.itemsize
        records["sequence"] = np.arange(count)
        records["sequence"][second] = first
        counters = [CpuCounters(cpu=0, exits=count, attempted=count)]
        assert ledger.balance(records, counters).residues == (
            "CPU 0: 1 sequence numbers delivered more than once",
            "CPU 0: 1 gaps in the sequence numbers, but 0 dropped",
        )


def test_the_storms_own_are_part_of_all():
    nothing = np.zeros(0, CAPTURED)
    counters = [
        CpuCounters(
            cpu=2,
            exits=1,
            attempted=1,
            dropped={"refused": 1},
            own_exits=2,
            own_attempted=2,
            own_dropped={"refused": 2},
        )
    ]
    assert ledger.balance(nothing, counters).residues == (
        "CPU 2, the storm's own: 2 exits, but 1 of all processes",
        "CPU 2, the storm's own: 2 attempts, but 1 of all processes",
        "CPU 2, the storm's own: 2 drops, but 1 of all processes",
    )


def test_own_records_that_are_missing_are_named_for_all_and_for_their_cpu():
    counters = [
        CpuCounters(cpu=1, exits=4, attempted=4, dropped={"refused": 4}, own_attempted=3),
    ]
    counters[0].own_dropped["refused"] = 1
    assert ledger.balance(np.zeros(0, CAPTURED), counters).residues == (
        "all CPUs, the storm's own: 3 attempted, but 0 delivered + 1 dropped = 1",
        "CPU 1, the storm's own: 3 attempted, but 0 delivered + 1 dropped = 1",
    )


def test_one_record_in_ten_thousand_that_is_lost_is_named():
    trial = made_up.trial(200_000, loss=0.0)
    kept = np.delete(trial.records, np.arange(5_000, len(trial.records), 10_000))
    account = ledger.balance(kept, trial.counters, trial.reaped)
    assert not account.balanced
    assert account.residues[0].startswith("all CPUs: ")
    lost = len(trial.records) - len(kept)
    gaps = [line for line in account.residues if "gaps in the sequence numbers" in line]
    assert sum(int(line.split(": ")[1].split(" ")[0]) for line in gaps) == lost == 20


def test_the_last_cpu_that_a_record_can_name():
    records = np.zeros(2, CAPTURED)
    records["length"] = records["arrived_bytes"] = RECORD.itemsize
    records["cpu"], records["sequence"] = 65_535, [0, 1]
    counters = [CpuCounters(cpu=65_535, exits=2, attempted=2)]
    assert ledger.balance(records, counters).residues == ()


def test_a_swap_across_two_blocks_of_one_half_is_found_on_a_cpu_of_that_half_alone():
    count = 240_000  # two blocks in each half, so that CPU 0 has one edge and no other
    records = np.zeros(count, CAPTURED)
    records["length"] = records["arrived_bytes"] = RECORD.itemsize
    records["cpu"] = np.arange(count) >= count // 2
    records["sequence"] = np.arange(count) % (count // 2)
    records[[BLOCK_ROWS - 1, BLOCK_ROWS]] = records[[BLOCK_ROWS, BLOCK_ROWS - 1]]
    counters = [CpuCounters(cpu=cpu, exits=120_000, attempted=120_000) for cpu in (0, 1)]
    assert ledger.balance(records, counters).residues == (
        "CPU 0: 1 record delivered after a later one of the same CPU",
    )


def streams(*sequences: tuple[int, int]) -> made_up.Trial:
    """Return whole records by CPU and sequence number, none the storm's, none lost."""
    records = np.zeros(len(sequences), CAPTURED)
    records["cpu"], records["sequence"] = np.array(sequences).T
    records["length"] = records["arrived_bytes"] = RECORD.itemsize
    counts = np.bincount(records["cpu"])
    counters = [
        CpuCounters(cpu=cpu, exits=int(count), attempted=int(count))
        for cpu, count in enumerate(counts)
    ]
    return made_up.Trial(records, counters, 0)


def test_two_records_alone_that_change_places_are_found() -> None:
    # The halves begin and end with other CPUs.
    swapped = streams((0, 0), (1, 1), (1, 0), (0, 1), (2, 0), (2, 1), (2, 2), (0, 2))
    (residue,) = ledger.balance(*swapped).residues
    assert residue == "CPU 1: 1 record delivered after a later one of the same CPU"


def test_a_cpu_out_of_order_between_and_within_the_halves_is_found() -> None:
    mixed = streams((0, 0), (0, 3), (0, 2), (0, 1))
    (residue,) = ledger.balance(*mixed).residues
    assert residue == "CPU 0: 2 records delivered after a later one of the same CPU"


def test_the_sum_of_a_residue_is_written_out() -> None:
    records, (counts,), reaped = streams((0, 0), (0, 1), (0, 2))
    residues = ledger.balance(records, [replace(counts, dropped={"ENOSPC": 1})], reaped).residues
    assert residues[0] == "all CPUs: 3 attempted, but 3 delivered + 1 dropped = 4"


def test_counts_in_the_kernel_are_what_was_delivered() -> None:
    counters = [
        CpuCounters(
            cpu=0, exits=9, attempted=9, dropped={"E2BIG": 2}, own_exits=5, own_attempted=5
        ),
        CpuCounters(cpu=3, exits=1, attempted=1),
    ]
    nothing = np.zeros(0, CAPTURED)
    book = ledger.balance(nothing, counters, 5, in_kernel={0: (7, 5), 3: (1, 0)})
    assert book.residues == ()
    assert (book.delivered, book.own_delivered, book.dropped) == (8, 5, 2)
    for wrong in (
        {0: (6, 5), 3: (1, 0)},
        {0: (7, 4), 3: (1, 0)},
        {0: (7, 5)},
        {0: (7, 5), 1: (1, 0)},
    ):
        assert ledger.balance(nothing, counters, 5, in_kernel=wrong).residues
