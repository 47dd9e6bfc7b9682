# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the overwriting ring in a guest whose kernel has it: which records are kept, and claims."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from real_kernels import findings, provided, ran

from bench.guests.boot import Guest
from bench.journal.reader import read_journal
from bench.questions.claims.claim import Verdict
from bench.trial.result import State, TrialResult

pytestmark = [pytest.mark.guests, pytest.mark.live, pytest.mark.slow]

LABEL = "7.3"
GUEST = Guest(cpus=2, memory_mib=2048, time_limit_s=2_400.0, kvm=False)
RUNS: Final = {
    "stopped": "--transport ringbuf --workload hotcpu --count 300 --poll stopped --budget 4K",
    "epoll": "--transport ringbuf --workload storm --count 300 --records 20 --budget 4K",
    "timed": "--workload storm --count 200 --records 20 --poll timed --interval 20 --budget 8K",
    "mixed": "--workload storm --count 200 --records 5 --payload mixed --poll busy --budget 16K",
}
CLAIMS: Final = ("rb-overwrite-newest", "rb-overwrite-scales", "rb-discard-strands")
MODULES: Final = (
    *("bench.cli.run", "bench.campaign.campaign"),
    *("bench.questions.transports.document", "bench.questions.claims.document"),
)


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the journals of the runs and of the claims, all from one guest."""
    image, folder = provided(LABEL), tmp_path_factory.mktemp("guest")
    begin = ("run", "--transport", "overwrite", "--blocks", "1", "--quiet")
    commands = {name: [*begin, *options.split()] for name, options in RUNS.items()}
    commands["claims"] = ["claims", "--blocks=8", *(f"--only={each}" for each in CLAIMS)]
    journals = {name: folder / f"{name}.jsonl" for name in commands}
    for name, words in commands.items():
        words.append(f"--output={journals[name]}")
    for done in ran(image, GUEST, folder, commands, *MODULES).values():
        assert done.returncode == 0, done
    return journals


@pytest.fixture(scope="module")
def trials(journals: Mapping[str, Path]) -> dict[str, tuple[TrialResult, ...]]:
    return {name: read_journal(journals[name]).trials for name in RUNS}


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


def test_claims_about_it_are_judged_and_what_a_silent_discard_does(
    journals: Mapping[str, Path],
) -> None:
    found = findings(journals["claims"])
    assert found["rb-overwrite-newest"].verdict is Verdict.REPRODUCED
    assert found["rb-overwrite-scales"].measured is not None
    assert found["rb-discard-strands"].verdict is Verdict.REPRODUCED
