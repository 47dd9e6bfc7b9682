# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test on eight CPUs, in a guest: K rings, K consumers, and claims that need more than few CPUs."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_kernels import findings, provided, ran

from bench.guests.boot import Guest
from bench.journal.reader import read_journal
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import KIB
from bench.questions.claims.claim import Verdict
from bench.trial.result import State, TrialResult

pytestmark = [pytest.mark.guests, pytest.mark.live, pytest.mark.slow]

CPUS = 8
# Emulated CPUs share those of this machine: the more there are, the longer a storm on all takes.
GUEST = Guest(cpus=CPUS, memory_mib=3072, time_limit_s=2_400.0, kvm=False)
SHARDS = {  # how many rings each transport has
    "sharded:rings=1": 1,
    "sharded:rings=2": 2,
    "sharded:rings=4:consumers=4": 4,
    "sharded:consumers=8": CPUS,
}
BUDGET_BYTES = 1_024 * KIB
CLAIMS = ("pb-poll-degrades", "rb-memory-scales")
MODULES = (
    *("bench.cli.run", "bench.cli.claims", "bench.campaign.campaign"),
    *("bench.questions.transports.document", "bench.questions.claims.document"),
)


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the journals of a run with K rings and of claims, both from one guest."""
    image, folder = provided("7.3"), tmp_path_factory.mktemp("guest")
    storm = ["--workload", "storm", "--count", "400", "--workers", str(CPUS), "--records", "5"]
    arms = [word for each in SHARDS for word in ("--transport", each)]
    commands = {
        "rings": ["run", *storm, *arms, "--budget=1MiB", "--blocks=1", "--quiet"],
        "claims": ["claims", *(f"--only={each}" for each in CLAIMS), "--blocks=1"],
    }
    found = {name: folder / f"{name}.jsonl" for name in commands}
    for name, words in commands.items():
        words.append(f"--output={found[name]}")
    for done in ran(image, GUEST, folder, commands, *MODULES).values():
        assert done.returncode == 0, done.stderr
    return found


@pytest.mark.parametrize("arm", SHARDS)
def test_k_rings_serve_eight_cpus(journals: dict[str, Path], arm: str) -> None:
    found = {shown(each): each for each in read_journal(journals["rings"]).trials}
    trial, rings = found[arm], SHARDS[arm]
    assert trial.state is not State.INVALID, trial.reasons
    assert trial.ledger
    assert trial.ledger.residues == ()
    assert trial.ledger.own_exits + trial.ledger.missed == trial.storm.reaped
    assert trial.ledger.dropped == 0
    assert [each.cpu for each in trial.by_cpu] == list(range(CPUS))
    assert sum(each.delivered > 0 for each in trial.by_cpu) > CPUS // 2
    assert trial.memory
    assert trial.memory.footprint.data_bytes == BUDGET_BYTES
    assert trial.memory.footprint.page_bytes == BUDGET_BYTES + 3 * PAGE_BYTES * rings
    assert trial.ordering
    if rings == 1:
        assert trial.ordering.causal_violations == 0


def shown(trial: TrialResult) -> str:
    """Write an arm as it was asked for."""
    name = trial.arm
    return ":".join(filter(None, (name.transport, name.variant)))


def test_what_takes_more_cpus_runs_on_eight_and_is_not_judged_before_enough(
    journals: dict[str, Path],
) -> None:
    found = findings(journals["claims"])
    assert found["pb-poll-degrades"].verdict is Verdict.NOT_APPLICABLE
    assert found["pb-poll-degrades"].reason == "needs 32 CPUs, this run had 8"
    assert found["rb-memory-scales"].measured is not None
    ran_here = {each.experiment for each in read_journal(journals["claims"]).trials}
    assert {"many-buffers", "memory-spread", "memory-half"} <= ran_here
