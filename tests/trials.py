# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run real trials, as tests want them: a configuration in, a result out, and that it balances."""

from __future__ import annotations

from typing import Final

import numpy as np

from bench.plan.config import Reader, TrialConfig
from bench.plan.experiments import Arm, ArmName
from bench.record.counters import Histogram
from bench.record.records import CAPTURED, Records
from bench.tracer import chooser
from bench.tracer.transports import find
from bench.trial import duet
from bench.trial.result import State, TrialResult
from bench.trial.rig import Rig
from bench.trial.run import Slot, run_trial
from workloads.storm import Shape, Spawn, Storm

KIB: Final = 1024

READERS: Final = (Reader.NATIVE, Reader.LIBBCC)
"""Those that need no program of their own."""

STORMS: Final = {
    Shape.STORM: Storm(count=1_500),
    Shape.BURST: Storm(shape=Shape.BURST, count=1_000, burst_size=500, spawn=Spawn.FORK),
    Shape.CHAIN: Storm(shape=Shape.CHAIN, count=800, spawn=Spawn.FORK),
    Shape.PINGPONG: Storm(shape=Shape.PINGPONG, count=600, spawn=Spawn.FORK),
    Shape.HOTCPU: Storm(shape=Shape.HOTCPU, count=1_500),
    Shape.TRICKLE: Storm(shape=Shape.TRICKLE, count=400, rate_per_s=2_000.0),
    Shape.UNEVEN: Storm(shape=Shape.UNEVEN, count=1_500, rate_per_s=500.0),
    Shape.REPLAY: Storm(shape=Shape.REPLAY, count=800, schedule=(300, 0, 200, 300), bin_ms=50.0),
    Shape.THREADS: Storm(shape=Shape.THREADS, count=150, threads=4, spawn=Spawn.FORK),
}
"""One of each shape, large enough to be a storm and short enough for a test."""


def budget(rig: Rig, transport: str, buffer_bytes: int) -> int:
    """Return a budget with which each of the transport's buffers has so many bytes, on any CPUs."""
    return buffer_bytes * find(transport).buffers(len(rig.usable))


def run(rig: Rig, config: TrialConfig) -> TrialResult:
    """Run one trial of ``config``."""
    arm = Arm(name=ArmName(config.transport), config=config)
    return run_trial(rig, arm, Slot(experiment="test", block=0, position=0))


def records(rig: Rig) -> Records:
    """Return what the last trial captured."""
    capture = rig._capture
    assert capture is not None
    assert capture.overflow == 0
    rows: Records = np.frombuffer(capture.array, dtype=CAPTURED, count=capture.count).copy()
    return rows


def delays(rig: Rig, trial: TrialResult) -> Histogram:
    """Return how long delays in the writes of this arm really were, after its duet's last storm.

    They end by the clock, so that an interrupt or the hypervisor makes them longer than asked for.
    """
    assert trial.half is not None
    arm = Arm(name=trial.arm, config=trial.config)
    marked = trial.half.second != trial.half.swapped
    return chooser.delays(duet._program(rig, arm, marked=marked))


def assert_balanced(trial: TrialResult) -> None:
    """Assert that all was counted, by return codes, gaps and the generator, and that they agree."""
    book = trial.ledger
    assert book is not None
    assert book.residues == ()
    assert trial.conditions.kernel_complaints == ()
    assert trial.state is not State.INVALID
    assert book.attempted == book.delivered + book.dropped
    assert book.own_attempted == book.own_delivered + book.own_dropped
    assert book.dropped == sum(book.dropped_by_cause.values())
    assert book.own_exits + book.missed == book.reaped == trial.storm.reaped
    assert book.missed == 0
    assert book.own_attempted == book.own_exits * trial.config.producer.records_per_exit
