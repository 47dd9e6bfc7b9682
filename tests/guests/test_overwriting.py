# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The overwriting ring on a kernel that has it, in a guest: what is kept, and that it balances."""

from __future__ import annotations

import shlex
from typing import Final

import pytest
from real_kernels import provided
from tracing import BUFBENCH

from bench.guests.boot import Guest, booted
from bench.journal.reader import read_journal
from bench.trial.result import State, TrialResult

pytestmark = [pytest.mark.guests, pytest.mark.live, pytest.mark.slow]

LABEL = "7.3"
GUEST = Guest(cpus=2, memory_mib=2048, time_limit_s=420.0, kvm=False)
RUNS: Final = {
    "stopped": "--transport ringbuf --workload hotcpu --count 300 --poll stopped --budget 4K",
    "epoll": "--transport ringbuf --workload storm --count 300 --records 20 --budget 4K",
    "timed": "--workload storm --count 200 --records 20 --poll timed --interval 20 --budget 8K",
    "mixed": "--workload storm --count 200 --records 5 --payload mixed --poll busy --budget 16K",
}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[TrialResult, ...]]:
    """The trials of each run, all in one guest."""
    image = provided(LABEL)
    folder = tmp_path_factory.mktemp("guest")
    begin = shlex.join([*BUFBENCH, "run", "--transport", "overwrite", "--blocks", "1", "--quiet"])
    commands = [
        f"{begin} {options} --output {folder}/{name}.jsonl 2>> {folder}/said"
        for name, options in RUNS.items()
    ]
    with booted(image, GUEST, folder, ["/bin/sh", "-c", "; ".join(commands)]) as watch:
        assert watch.stdout is not None
        watch.stdout.read()
    return {name: read_journal(folder / f"{name}.jsonl").trials for name in RUNS}


def overwriting(trials: tuple[TrialResult, ...]) -> TrialResult:
    (found,) = (trial for trial in trials if trial.config.transport == "overwrite")
    assert found.state is not State.INVALID, found.reasons
    assert found.ledger
    assert found.ledger.residues == ()
    assert found.ledger.own_exits + found.ledger.missed == found.storm.reaped
    return found


@pytest.mark.parametrize("name", RUNS)
def test_every_record_is_delivered_or_overwritten(
    trials: dict[str, tuple[TrialResult, ...]], name: str
) -> None:
    book = overwriting(trials[name]).ledger
    assert book
    assert book.attempted == book.delivered + book.dropped
    # Refused where the oldest record is still being written, on a CPU that was taken away.
    assert set(book.dropped_by_cause) <= {"overwritten", "refused"}
    assert book.delivered > 0


def test_a_consumer_that_was_away_finds_the_newest_and_of_a_refusing_ring_the_oldest(
    trials: dict[str, tuple[TrialResult, ...]],
) -> None:
    newest = overwriting(trials["stopped"])
    (refusing,) = (each for each in trials["stopped"] if each.config.transport == "ringbuf")
    assert newest.ledger
    assert refusing.ledger
    held = 4096 // 80  # a record and its header
    assert held - 1 <= newest.ledger.delivered <= held
    assert refusing.ledger.delivered == held
    assert newest.ledger.dropped_by_cause == {"overwritten": newest.ledger.dropped}
    assert refusing.ledger.dropped_by_cause == {"refused": refusing.ledger.dropped}
    assert newest.latency
    assert refusing.latency
    # Both were read after the storm: what waited least was written last.
    assert newest.latency.max_ns < refusing.latency.p50_ns
