# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the harness can fail: tracers and readers that lie are found out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from trials import KIB, STORMS, records, run

from bench.errors import CaptureFull
from bench.measure import ledger, ordering
from bench.plan.config import Consumer, Producer, Reader, TrialConfig
from bench.record.counters import CpuCounters
from bench.record.records import Records
from bench.trial.result import State
from bench.trial.rig import Rig
from workloads.storm import Shape, Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

TRANSPORTS = ("ringbuf", "perfbuf")


def trial_config(transport: str, shape: Shape = Shape.STORM) -> TrialConfig:
    return TrialConfig(transport=transport, budget_bytes=1024 * KIB, storm=STORMS[shape])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_record_lost_in_silence_does_not_balance(transport: str) -> None:
    with Rig(extra_macros=(("FAULT_LOSE_SILENTLY", 100),)) as rig:
        trial = run(rig, trial_config(transport))
    book = trial.ledger
    assert book is not None
    assert trial.state is State.INVALID
    lost = book.attempted - book.delivered  # one on each CPU that came so far
    assert book.dropped == 0 < lost
    assert sum("gaps in the sequence numbers" in residue for residue in book.residues) == lost


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_increment_left_out_does_not_balance(transport: str) -> None:
    with Rig(extra_macros=(("FAULT_SKIP_INCREMENT", 100),)) as rig:
        trial = run(rig, trial_config(transport))
    book = trial.ledger
    assert book is not None
    assert trial.state is State.INVALID
    more = book.delivered - book.attempted  # one on each CPU that came so far
    assert book.dropped == 0 < more
    assert sum("delivered more than once" in residue for residue in book.residues) == more


@pytest.mark.parametrize(
    ("transport", "reader", "records_per_exit"),
    [
        ("ringbuf", Reader.NATIVE, 1),
        ("ringbuf", Reader.LIBBCC, 1),
        ("perfbuf", Reader.NATIVE, 1),
        ("perfbuf", Reader.LIBBCC, 1),
        ("sharded", Reader.NATIVE, 1),
        ("ringbuf", Reader.NATIVE, 7),
        ("perfbuf", Reader.NATIVE, 7),
    ],
)
def test_two_records_of_a_cpu_that_change_places_do_not_balance(
    transport: str, reader: Reader, records_per_exit: int
) -> None:
    config = replace(
        trial_config(transport),
        consumer=Consumer(reader=reader),
        producer=Producer(records_per_exit=records_per_exit),
    )
    with Rig(extra_macros=(("FAULT_SWAP_SEQUENCE", 100),)) as rig:
        trial = run(rig, config)
    book = trial.ledger
    assert book is not None
    assert trial.state is State.INVALID
    came_so_far = [each.cpu for each in trial.by_cpu if each.attempted > 101]
    assert book.residues == tuple(
        f"CPU {cpu}: 1 record delivered after a later one of the same CPU" for cpu in came_so_far
    )
    assert book.residues


@pytest.fixture(scope="module", params=TRANSPORTS)
def true_trial(request: pytest.FixtureRequest) -> tuple[Records, list[CpuCounters], int]:
    """Return records, counters and the generator's count of a real trial that balances."""
    with Rig() as rig:
        trial = run(rig, trial_config(request.param, Shape.CHAIN))
        (program,) = rig._programs.values()
        return records(rig), program.read_counters(), trial.storm.reaped


def test_the_true_records_balance(true_trial: tuple[Records, list[CpuCounters], int]) -> None:
    assert ledger.balance(*true_trial).balanced


@pytest.mark.parametrize("which", [0, 0.5, -1])
def test_a_record_that_the_reader_loses_does_not_balance(
    true_trial: tuple[Records, list[CpuCounters], int], which: float
) -> None:
    rows, account, reaped = true_trial
    place = int(which * len(rows)) % len(rows)
    assert ledger.balance(np.delete(rows, place), account, reaped).residues


def test_a_record_delivered_twice_does_not_balance(
    true_trial: tuple[Records, list[CpuCounters], int],
) -> None:
    rows, account, reaped = true_trial
    assert ledger.balance(np.append(rows, rows[-1:]), account, reaped).residues


def test_a_swap_of_a_loss_for_a_duplicate_does_not_balance(
    true_trial: tuple[Records, list[CpuCounters], int],
) -> None:
    rows, account, reaped = true_trial
    changed = rows.copy()
    first, second = np.flatnonzero(rows["cpu"] == rows["cpu"][0])[:2]
    changed[second] = rows[first]
    assert ledger.balance(changed, account, reaped).residues


def test_neighbours_that_the_reader_swaps_do_not_balance(
    true_trial: tuple[Records, list[CpuCounters], int],
) -> None:
    rows, account, reaped = true_trial
    changed = rows.copy()
    for cpu in {*rows["cpu"].tolist()}:
        pair = np.flatnonzero(rows["cpu"] == cpu)[-2:]
        changed[pair] = rows[pair[::-1]]
    assert [*ledger.balance(changed, account, reaped).residues] == [
        f"CPU {cpu}: 1 record delivered after a later one of the same CPU"
        for cpu in (each.cpu for each in account)
        if np.count_nonzero(rows["cpu"] == cpu) > 1
    ]


def test_an_exit_too_few_is_missed_and_one_too_many_a_residue(
    true_trial: tuple[Records, list[CpuCounters], int],
) -> None:
    rows, account, reaped = true_trial
    assert ledger.balance(rows, account, reaped + 1).missed == 1
    assert ledger.balance(rows, account, reaped - 1).residues


def test_a_reversed_stream_is_flagged(
    true_trial: tuple[Records, list[CpuCounters], int],
) -> None:
    rows, _, _ = true_trial
    forwards, backwards = ordering.examine(rows), ordering.examine(rows[::-1])
    assert forwards.causal_pairs == backwards.causal_pairs > 0
    in_order = forwards.causal_pairs - forwards.causal_violations
    assert backwards.causal_violations == in_order > 0


@pytest.fixture
def small_rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Yield a rig whose capture has no room for what it was not asked for."""
    monkeypatch.setattr("bench.trial.rig._SLACK_RECORDS", -200)
    with Rig() as rig:
        yield rig


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_capture_that_is_full_names_itself(small_rig: Rig, transport: str) -> None:
    config = TrialConfig(transport=transport, budget_bytes=1024 * KIB, storm=Storm(count=1_000))
    with pytest.raises(CaptureFull, match="capture array"):
        run(small_rig, config)
