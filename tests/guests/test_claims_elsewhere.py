# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims that this machine cannot judge, in guests: of rings that overwrite, and of many CPUs."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from real_kernels import provided
from tracing import BUFBENCH

from bench.guests.boot import Guest, booted
from bench.journal.reader import read_journal
from bench.questions.claims.catalogue import judge
from bench.questions.claims.claim import Finding, Verdict
from bench.questions.claims.evidence import of_journals
from bench.trial.result import State

pytestmark = [pytest.mark.guests, pytest.mark.live, pytest.mark.slow]

LABEL = "7.3"


def judged(folder: Path, *claims: str, cpus: int, blocks: int) -> dict[str, Finding]:
    """Run the experiments of these claims in a guest; return what they came out as."""
    image = provided(LABEL)
    journal = folder / "journal.jsonl"
    command = [*BUFBENCH, "claims", f"--blocks={blocks}", *(f"--only={each}" for each in claims)]
    run = f"{shlex.join(command)} --output {journal} > {folder}/said 2>&1"
    guest = Guest(cpus=cpus, memory_mib=2048, time_limit_s=590.0, kvm=False)
    with booted(image, guest, folder, ["/bin/sh", "-c", run]) as watch:
        assert watch.stdout is not None
        watch.stdout.read()
    assert journal.exists(), (folder / "said").read_text(encoding="utf-8")[-2_000:]
    content = read_journal(journal)
    assert not [each for each in content.trials if each.state is State.INVALID]
    (evidence,) = of_journals(content)
    return {each.claim.id: each.finding for each in judge(evidence).judgements}


def test_rings_that_overwrite_are_judged_where_there_are_some(tmp_path: Path) -> None:
    wanted = ("rb-overwrite-newest", "rb-overwrite-scales", "rb-discard-strands")
    found = judged(tmp_path, *wanted, cpus=2, blocks=8)
    assert found["rb-overwrite-newest"].verdict is Verdict.REPRODUCED
    assert found["rb-overwrite-scales"].measured is not None
    assert found["rb-discard-strands"].verdict is Verdict.REPRODUCED


def test_what_takes_more_cpus_runs_on_eight_and_is_not_judged(tmp_path: Path) -> None:
    found = judged(tmp_path, "pb-poll-degrades", "rb-memory-scales", cpus=8, blocks=2)
    assert found["pb-poll-degrades"].verdict is Verdict.NOT_APPLICABLE
    assert found["pb-poll-degrades"].reason == "needs 32 CPUs, this run had 8"
    assert found["rb-memory-scales"].measured is not None
