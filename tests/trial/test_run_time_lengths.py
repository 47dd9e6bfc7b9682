# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test lengths known at run time: a dynptr's record takes its own, else all take the largest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from trials import KIB, assert_balanced, records, run

from bench.errors import MachineUnfit
from bench.plan.config import MIXED, Call, Consumer, Poll, Producer, TrialConfig, Wake
from bench.trial.result import TrialResult
from bench.trial.rig import Rig
from workloads.storm import Shape, Storm

LENGTHS = [72, 200, 1024, 4168]
AWAY = Consumer(poll=Poll.STOPPED)
MIB = 1024 * KIB


def config(producer: Producer, budget_bytes: int = 32 * MIB, count: int = 600) -> TrialConfig:
    """Return a ring that by default holds 600 exits of 8 of the longest records, read or not."""
    storm = Storm(shape=Shape.HOTCPU, count=count)
    return TrialConfig(
        transport="ringbuf", budget_bytes=budget_bytes, storm=storm, producer=producer
    )


def balanced(rig: Rig, asked: TrialConfig) -> TrialResult:
    trial = run(rig, asked)
    assert_balanced(trial)
    return trial


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize(
    "producer",
    [
        *(Producer(payload_bytes=size) for size in (0, 8, 1000, 4096, MIXED)),
        Producer(payload_bytes=MIXED, wake=Wake.WATERMARK, watermark=7),
        Producer(records_per_exit=10),
        Producer(records_per_exit=8, payload_bytes=MIXED),
        Producer(delay_ns=5_000),
    ],
    ids=lambda p: f"{p.payload_bytes}-{p.wake}-{p.records_per_exit}-{p.delay_ns}",
)
@pytest.mark.parametrize("call", [Call.DYNPTR, Call.LARGEST])
def test_records_arrive_whole(rig: Rig, call: Call, producer: Producer) -> None:
    trial = balanced(rig, config(replace(producer, call=call)))
    assert trial.ledger
    assert trial.ledger.own_delivered == trial.ledger.own_attempted >= 600
    rows, padding = records(rig), producer.payload_bytes
    if padding == MIXED and call is Call.DYNPTR:
        expected = np.array(LENGTHS)[rows["sequence"] & 3]
    else:
        expected = np.full(len(rows), LENGTHS[-1] if padding == MIXED else 72 + padding)
    assert (rows["length"] == expected).all()
    assert (rows["arrived_bytes"] == expected).all()
    assert (rows["tail"] == rows["sequence"])[expected > 72].all()


@pytest.mark.live
@pytest.mark.slow
def test_what_fits_into_a_ring_depends_on_how_it_is_reserved(rig: Rig) -> None:
    """Expect a third of the records in the union's bytes: sum of lengths against four longest."""
    held = {}
    for call in (Call.RESERVE, Call.DYNPTR, Call.LARGEST):
        asked = config(Producer(payload_bytes=MIXED, call=call), 256 * KIB, 1_000)
        trial = balanced(rig, replace(asked, consumer=AWAY))
        assert trial.ledger
        assert trial.ledger.dropped_by_cause == {"refused": trial.ledger.dropped}
        held[call] = trial.ledger.delivered
    assert held[Call.LARGEST] == (256 * KIB - 1) // (8 + LENGTHS[-1])
    assert held[Call.DYNPTR] == pytest.approx(held[Call.RESERVE], rel=0.1)
    assert held[Call.DYNPTR] > 2.5 * held[Call.LARGEST]


@pytest.mark.live
def test_an_older_kernel_is_refused_before_anything_is_compiled(rig: Rig) -> None:
    known = rig.kernel
    rig.kernel = replace(known, dynptr=False)
    try:
        with pytest.raises(MachineUnfit, match=r"no bpf_ringbuf_reserve_dynptr.*Linux 5\.19"):
            run(rig, config(Producer(call=Call.DYNPTR)))
    finally:
        rig.kernel = known
