# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test checked tracers on this kernel, by attachment, and records torn on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from trials import STORMS, assert_balanced, records, run

from bench.linux import version
from bench.measure import ledger
from bench.plan import arms
from bench.plan.config import TrialConfig
from bench.tracer.transports import find
from bench.trial.rig import Rig
from workloads.storm import Shape

pytestmark = [pytest.mark.live, pytest.mark.slow]

KINDS = ("checked", "scratch", "raw", "raw:scratch", "tp_btf", "tp_btf:scratch")
TEAR = 100  # the sequence number that the test build tears, on each CPU


def config(text: str) -> TrialConfig:
    found = TrialConfig(transport="none", budget_bytes=0, storm=STORMS[Shape.STORM])
    return arms.made(arms.side(text, find), found, 1 << 20, cpus=2)[0][0].config


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_every_kind_balances_and_sends_what_it_means(rig: Rig, transport: str, kind: str) -> None:
    trial = run(rig, config(f"{transport}:{kind}"))
    book = trial.ledger
    assert book is not None
    if version.numbers(rig.kernel.release) >= (7, 0):  # it may be preempted, and then skipped
        assert book.residues == ()
        return
    assert_balanced(trial)
    assert book.torn == 0
    assert book.delivered == len(records(rig)) >= 1_500


@pytest.mark.parametrize("text", ["ringbuf:checked", "ringbuf:raw:scratch", "perfbuf:tp_btf"])
def test_a_torn_record_made_on_purpose_is_counted(text: str) -> None:
    with Rig(extra_macros=(("FAULT_TEAR", TEAR),)) as rig:
        trial = run(rig, config(text))
        rows = records(rig)
    book = trial.ledger
    assert book is not None
    came_so_far = sum(each.attempted > TEAR for each in trial.by_cpu)
    assert book.torn == came_so_far > 0
    assert (book.residues, book.dropped, book.missed) == ((), 0, 0)
    assert book.delivered == book.attempted == len(rows)
    assert book.own_delivered == book.own_attempted
    assert trial.latency is not None
    assert trial.latency.count == len(rows) - came_so_far
    intact = ledger.intact(rows)
    assert np.count_nonzero(intact["sequence"] == TEAR) == 0


def test_a_full_buffer_drops_checked_records_like_others(rig: Rig) -> None:
    trial = run(rig, replace(config("ringbuf:raw:scratch"), budget_bytes=4096))
    book = trial.ledger
    assert book is not None
    assert (book.residues, book.torn) == ((), 0)
    assert book.attempted == book.delivered + book.dropped
