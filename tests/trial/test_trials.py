# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that trials in the real kernel balance, whatever is requested."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tracing import alive, bpf_ids, eventually
from trials import KIB, READERS, STORMS, assert_balanced, budget, records, run

from bench.errors import UsageError
from bench.plan import mix
from bench.plan.config import MIXED, Call, Consumer, Poll, Producer, Reader, TrialConfig, Wake
from bench.trial.result import State
from bench.trial.rig import Rig
from workloads.generator import Generator
from workloads.storm import Shape, Spawn, Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

TRANSPORTS = ("ringbuf", "perfbuf")
STORM = STORMS[Shape.STORM]


def trial_config(transport: str, budget_bytes: int = 256 * KIB, **fields: Any) -> TrialConfig:
    return TrialConfig(transport=transport, budget_bytes=budget_bytes, **{"storm": STORM} | fields)


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_shape_balances(rig: Rig, transport: str, reader: Reader, shape: Shape) -> None:
    storm = STORMS[shape]
    for budget_bytes in (8 * KIB, 256 * KIB):
        trial = run(
            rig,
            trial_config(transport, budget_bytes, storm=storm, consumer=Consumer(reader=reader)),
        )
        assert_balanced(trial)
        assert trial.storm.reaped >= storm.count  # and its workers


@pytest.mark.parametrize("budget_bytes", [8 * KIB, 64 * KIB])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_consumer_that_nobody_wakes_loses_and_says_how_much(
    rig: Rig, transport: str, budget_bytes: int
) -> None:
    # It reads before it first sleeps, and when all is over: about two full buffers at most.
    producer = Producer(wake=Wake.NONE)
    config = trial_config(transport, budget_bytes, storm=Storm(count=2_500), producer=producer)
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.cost
    assert trial.cost.wakeups_taken == 0
    assert trial.ledger
    assert trial.ledger.dropped > 0
    cause = "refused" if transport == "ringbuf" else "ENOSPC"
    assert trial.ledger.dropped_by_cause == {cause: trial.ledger.dropped}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_page_and_a_stall_lose_and_say_how_much(
    rig: Rig, transport: str, reader: Reader
) -> None:
    budget_bytes = budget(rig, transport, 4 * KIB)
    storm = Storm(shape=Shape.BURST, count=1_000, burst_size=1_000, spawn=Spawn.FORK)
    consumer = Consumer(reader=reader, stall_ms=1_000.0)
    trial = run(rig, trial_config(transport, budget_bytes, storm=storm, consumer=consumer))
    assert_balanced(trial)
    assert trial.ledger
    assert trial.ledger.dropped > 0


@pytest.mark.parametrize("stalled", [False, True])
@pytest.mark.parametrize("reader", READERS)
def test_loss_as_kernel_and_library_tell_it(rig: Rig, reader: Reader, stalled: bool) -> None:
    consumer = Consumer(reader=reader, stall_ms=1_000.0 if stalled else 0.0)
    budget_bytes = budget(rig, "perfbuf", 4 * KIB if stalled else 512 * KIB)
    trial = run(rig, trial_config("perfbuf", budget_bytes, consumer=consumer))
    assert_balanced(trial)
    assert trial.ledger
    assert (trial.ledger.dropped > 0) is stalled
    reported = trial.lost_told
    if "PERF_FORMAT_LOST" in reported:
        assert reported["PERF_FORMAT_LOST"] == trial.ledger.dropped
    assert reported["PERF_RECORD_LOST"] <= trial.ledger.dropped


PRODUCERS = (
    Producer(wake=Wake.NONE),
    Producer(wake=Wake.FORCED),
    Producer(wake=Wake.WATERMARK, watermark=1),
    Producer(wake=Wake.WATERMARK, watermark=37),
    Producer(wake=Wake.WATERMARK, watermark=1_000_000),
    Producer(call=Call.OUTPUT),
    Producer(call=Call.OUTPUT, wake=Wake.WATERMARK, watermark=16),
    Producer(records_per_exit=10),
    Producer(records_per_exit=10, call=Call.OUTPUT),
    Producer(records_per_exit=10, wake=Wake.WATERMARK, watermark=7),
)
WAYS = [
    (transport, reader, each)
    for transport, reader, each in product(TRANSPORTS, READERS, PRODUCERS)
    # bcc's reader of perf buffers is always woken; the command line refuses this.
    if (transport, reader, each.wake) != ("perfbuf", Reader.LIBBCC, Wake.NONE)
]


@pytest.mark.parametrize(
    ("transport", "reader", "producer"),
    WAYS,
    ids=[f"{t}-{r}-{p.wake}-{p.watermark}-{p.call}-{p.records_per_exit}" for t, r, p in WAYS],
)
def test_every_way_to_write_balances(
    rig: Rig, transport: str, reader: Reader, producer: Producer
) -> None:
    consumer = Consumer(reader=reader)
    storm = replace(STORM, count=600)
    trial = run(rig, trial_config(transport, storm=storm, producer=producer, consumer=consumer))
    assert_balanced(trial)


@pytest.mark.parametrize("payload_bytes", [8, 128, 1000, 4096, MIXED])
@pytest.mark.parametrize("call", [Call.RESERVE, Call.OUTPUT])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_padded_records_arrive_whole(
    rig: Rig, transport: str, reader: Reader, call: Call, payload_bytes: int
) -> None:
    producer = Producer(payload_bytes=payload_bytes, call=call)
    consumer = Consumer(reader=reader)
    config = trial_config(  # room for all of them on one CPU: how fast they are read matters not
        transport,
        budget(rig, transport, 4096 * KIB),
        storm=replace(STORM, count=600),
        producer=producer,
        consumer=consumer,
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger
    assert trial.ledger.own_delivered == trial.ledger.own_attempted >= 600
    rows = records(rig)
    lengths = set(rows["length"].tolist())
    assert lengths == ({72, 200, 1024, 4168} if payload_bytes == MIXED else {72 + payload_bytes})
    assert (rows["tail"] == rows["sequence"])[rows["length"] > 72].all()


@pytest.mark.parametrize("call", [Call.RESERVE, Call.OUTPUT, Call.DYNPTR, Call.LARGEST])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_mix_of_lengths_arrives_in_its_turns(rig: Rig, transport: str, call: Call) -> None:
    turns = mix.turns({72: 12, 100: 8, 1_000: 10, 4_168: 2})
    producer = mix.padded(Producer(call=call, records_per_exit=5), turns)
    storm = replace(STORM, count=600)
    room = budget(rig, transport, 16_384 * KIB)  # for all, at the longest length too
    trial = run(rig, trial_config(transport, room, storm=storm, producer=producer))
    assert_balanced(trial)
    rows = records(rig)
    assert len(rows) >= 3_000
    expected = np.array(turns)[rows["sequence"] & 15] + 72
    if call is Call.LARGEST and transport == "ringbuf":
        expected = np.full(len(rows), 72 + max(turns))
    assert (rows["length"] == expected).all()
    assert (rows["tail"] == rows["sequence"])[expected > 72].all()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_thousand_records_an_exit(rig: Rig, transport: str) -> None:
    storm = Storm(count=200)
    producer = Producer(records_per_exit=1_000)
    trial = run(rig, trial_config(transport, 1024 * KIB, storm=storm, producer=producer))
    assert_balanced(trial)
    assert trial.ledger
    assert trial.ledger.own_attempted == 1_000 * trial.storm.reaped


@pytest.mark.parametrize("poll", Poll)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_way_to_wait_balances(rig: Rig, transport: str, reader: Reader, poll: Poll) -> None:
    consumer = Consumer(reader=reader, poll=poll, cpu=rig.cpus[-1], cost_ns=500)
    config = trial_config(transport, 64 * KIB, consumer=consumer)
    if reader is Reader.LIBBCC and poll in (Poll.EDGE, Poll.EDGE_BARE):
        with pytest.raises(UsageError, match="level-triggered"):
            run(rig, config)
    else:
        assert_balanced(run(rig, config))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_exit_codes_and_programs_do_not_matter(rig: Rig, transport: str) -> None:
    storm = Storm(count=300, exit_code=None, execute=True)
    assert_balanced(run(rig, trial_config(transport, storm=storm)))
    assert set(records(rig)["status"].tolist()) >= {c << 8 for c in range(256)}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_threads_are_no_exits(rig: Rig, transport: str) -> None:
    trial = run(rig, trial_config(transport, storm=STORMS[Shape.THREADS]))
    assert_balanced(trial)
    assert trial.ledger
    assert trial.storm.threads_made == 600
    assert trial.ledger.own_exits == trial.storm.reaped < 600


def reaped_cpu_s(pid: int) -> float:
    """Return what the children have taken that the workers of a stress-ng have reaped so far."""
    with suppress(psutil.NoSuchProcess):
        workers = psutil.Process(pid).children(recursive=True)
        return sum(each.cpu_times().children_system for each in workers)
    return 0.0


@pytest.mark.parametrize("beside", ["stress-ng", "another generator"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_own_is_distinguished_from_another_storm(rig: Rig, transport: str, beside: str) -> None:
    config = trial_config(transport, 1024 * KIB)
    if beside == "stress-ng":
        words = ["stress-ng", "--vfork", "2", "--quiet", "--timeout", "60"]
        with subprocess.Popen(words, start_new_session=True) as other:
            try:
                assert eventually(lambda: reaped_cpu_s(other.pid) > 0)
                trial = run(rig, config)
            finally:
                other.terminate()
    else:
        with Generator(Storm(count=10_000_000, seconds=60.0)) as generator:
            generator.go()
            trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger
    assert trial.ledger.own_exits == trial.storm.reaped
    assert trial.conditions.other_exits > 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_only_the_storm_s_own_exits_are_amplified(rig: Rig, transport: str) -> None:
    """Else another storm of some hundred processes would fill the capture."""
    producer = Producer(records_per_exit=1_000)
    # Both are paced: however busy the machine, some hundred others exit and never 65,536.
    storm = Storm(count=200, rate_per_s=400.0)
    config = trial_config(transport, 1024 * KIB, storm=storm, producer=producer)
    with Generator(Storm(count=10_000_000, rate_per_s=2_000.0, seconds=30.0)) as generator:
        generator.go()
        trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger
    others = trial.ledger.attempted - trial.ledger.own_attempted
    assert others == trial.conditions.other_exits > 100


@pytest.mark.parametrize("transport", ["none", "noop"])
def test_without_a_transport_there_is_no_account(rig: Rig, transport: str) -> None:
    trial = run(rig, trial_config(transport, 0))
    assert (trial.ledger, trial.ordering, trial.latency, trial.memory) == (None,) * 4
    assert trial.state is not State.INVALID
    assert trial.storm.reaped >= STORM.count


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_runs_are_counted_by_the_kernel_too(rig: Rig, transport: str) -> None:
    trial = run(rig, trial_config(transport, kernel_stats=True))
    assert_balanced(trial)
    assert trial.cost
    assert trial.ledger
    assert trial.cost.kernel_runs is not None
    assert trial.cost.kernel_runs >= trial.ledger.attempted
    assert trial.cost.kernel_run_ns


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_latency_is_of_every_record(rig: Rig, transport: str) -> None:
    trial = run(rig, trial_config(transport))
    assert trial.ledger
    assert trial.latency
    assert trial.latency.count == trial.ledger.delivered
    assert 0 < trial.latency.p50_ns <= trial.latency.p99_ns <= trial.latency.max_ns


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_memory_is_what_was_mapped(rig: Rig, transport: str) -> None:
    trial = run(rig, trial_config(transport))
    assert trial.memory
    data = trial.config.budget_bytes
    assert trial.memory.footprint.data_bytes == data
    page = os.sysconf("SC_PAGE_SIZE")
    own = 2 * page + 2 * data if transport == "ringbuf" else len(rig.cpus) * page + data
    assert trial.memory.observed.mapped_bytes == own


def test_an_unknown_transport(rig: Rig) -> None:
    with pytest.raises(UsageError, match="pipe"):
        run(rig, trial_config("pipe"))


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_closed_rig_leaves_nothing() -> None:
    fds, threads = open_files(), threading.active_count()
    before = bpf_ids()
    with Rig() as rig:
        for transport in TRANSPORTS:
            for reader in READERS:
                run(rig, trial_config(transport, consumer=Consumer(reader=reader)))
        made = bpf_ids() - before
        assert {kind for kind, _ in made} == {"prog", "map"}
        assert made == alive(made)
    assert open_files() == fds
    assert threading.active_count() == threads
    assert bpf_ids() == before
    assert eventually(lambda: not alive(made))
