# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run libbpf's readers in real trials; of rings only where it has ring__consume_n."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tracing import within
from trials import KIB, STORMS, assert_balanced, budget, run

from bench.plan import mix
from bench.plan.config import Consumer, Poll, Producer, Reader, TrialConfig, Wake
from bench.tracer import libbpf
from bench.trial.rig import Rig
from workloads.storm import Shape

pytestmark = pytest.mark.live

LIBRARY = libbpf.find()
THERE = hasattr(LIBRARY, "ring__consume_n")
there = pytest.mark.skipif(not THERE, reason="ring__consume_n came with libbpf 1.5")


def config(transport: str, budget_bytes: int = 256 * KIB, **consumer: object) -> TrialConfig:
    return TrialConfig(
        transport=transport,
        budget_bytes=budget_bytes,
        storm=STORMS[Shape.STORM],
        producer=mix.padded(Producer(), mix.turns({72: 5, 300: 5, 4_168: 2})),
        consumer=Consumer(reader=Reader.LIBBPF, **consumer),  # type: ignore[arg-type]
    )


RINGS = tuple(pytest.param(each, marks=there) for each in ("ringbuf", "sharded", "sharded:rings=2"))


@pytest.mark.parametrize("poll", [Poll.EPOLL, Poll.BUSY, Poll.TIMED, Poll.STOPPED])
@pytest.mark.parametrize("transport", [*RINGS, "perfbuf"])
def test_every_way_to_wait_balances(rig: Rig, transport: str, poll: Poll) -> None:
    room = budget(rig, transport, 8192 * KIB)  # for all records
    trial = run(rig, config(transport, room, poll=poll))
    assert_balanced(trial)
    assert trial.ledger
    assert trial.latency
    assert trial.ledger.dropped == 0
    assert trial.latency.count == trial.ledger.delivered
    assert trial.cost
    assert trial.cost.consumer_cpu_ns > 0
    assert (trial.cost.wakeups_taken > 0) is (poll is not Poll.STOPPED)


@pytest.mark.parametrize("transport", [*RINGS, "perfbuf"])
def test_a_stall_loses_and_balances(rig: Rig, transport: str) -> None:
    trial = run(rig, config(transport, 32 * KIB, stall_ms=500.0))
    assert_balanced(trial)
    assert trial.ledger
    assert trial.ledger.dropped > 0
    reported = trial.lost_told
    assert reported.get("PERF_FORMAT_LOST", trial.ledger.dropped) == trial.ledger.dropped
    assert reported.get("PERF_RECORD_LOST", 0) <= trial.ledger.dropped


@pytest.mark.parametrize(
    "producer",
    [
        Producer(wake=Wake.WATERMARK, watermark=50),
        Producer(wake=Wake.BYTES, watermark=50 * 88),
        Producer(wake=Wake.NONE),
    ],
    ids=lambda producer: producer.wake,
)
def test_perf_buffers_wake_as_asked(rig: Rig, producer: Producer) -> None:
    """At every fiftieth record of a CPU, or when a buffer is full, which none will be."""
    room = budget(rig, "perfbuf", 512 * KIB)
    trial = run(rig, replace(config("perfbuf", room), producer=producer))
    assert_balanced(trial)
    assert trial.cost
    assert trial.ledger
    most = 0 if producer.wake is Wake.NONE else trial.ledger.delivered // 50
    assert trial.cost.wakeups_taken <= most


@pytest.mark.skipif(THERE, reason="ring__consume_n is there")
def test_an_older_library_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = within("run", "--transport", "ringbuf", "--reader", "libbpf")
    assert done.returncode == 3
    said = f"ring__consume_n came with libbpf 1.5; this is {libbpf.version_of(LIBRARY)}"
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not [*tmp_path.iterdir()]
