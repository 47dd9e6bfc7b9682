# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test claims that need more CPUs than this machine may have, in a guest."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_kernels import findings, provided, ran

from bench.guests.boot import Guest
from bench.questions.claims.claim import Verdict

pytestmark = [pytest.mark.guests, pytest.mark.live, pytest.mark.slow]

# Emulated CPUs share those of this machine: the more there are, the longer a storm on all takes.
GUEST = Guest(cpus=4, memory_mib=2048, time_limit_s=2_400.0, kvm=False)


def test_what_takes_more_cpus_runs_on_four_and_is_not_judged(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    chosen = ("--only=pb-poll-degrades", "--only=rb-memory-scales", "--blocks=1")
    commands = {"claims": ["claims", *chosen, f"--output={journal}"]}
    done = ran(provided("7.3"), GUEST, tmp_path, commands)["claims"]
    assert done.returncode == 0, done.stderr
    found = findings(journal)
    assert found["pb-poll-degrades"].verdict is Verdict.NOT_APPLICABLE
    assert found["pb-poll-degrades"].reason == "needs 32 CPUs, this run had 4"
    assert found["rb-memory-scales"].measured is not None
