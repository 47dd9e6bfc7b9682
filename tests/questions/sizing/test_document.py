# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render the answer as people read it, and the same as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import rendered
from made_up_trials import trial

from bench.plan.budgets import KIB, label
from bench.questions.sizing.document import Sized, document
from bench.questions.sizing.judge import Sizing, sizing
from bench.questions.sizing.plan import Load
from bench.questions.sizing.scaling import Scaled
from bench.report.renderers.json import render as render_json

RUNGS = {
    "ringbuf": tuple((4 * KIB) << power for power in range(6)),
    "perfbuf": tuple((8 * KIB) << power for power in range(5)),
    "sharded": tuple((8 * KIB) << power for power in range(5)),
    "sharded:rings=2": tuple((8 * KIB) << power for power in range(5)),
}


def found(transport: str, lossy: dict[int, int]) -> Sizing:
    """Judge 24 storms at each budget in KiB, of which so many lost something."""
    trials = [
        trial(f"{transport}@{label(kib * KIB)}", block, dropped=7 if block < lost else 0)
        for kib, lost in lossy.items()
        for block in range(24)
    ]
    return sizing(transport, trials, RUNGS[transport], tolerated=0.0, margin=2.0)


RING = found("ringbuf", {8: 24, 16: 3, 32: 0, 64: 0})
PERF = found("perfbuf", {16: 24, 32: 20, 64: 0, 128: 0})


def sized(*sizings: Sizing, load: Load | None = None, exits_per_s: float = 10_000.0) -> Sized:
    return Sized(
        load=load or Load(),
        workers=2,
        exits_per_s=exits_per_s,
        tolerated=0.0,
        sizings=sizings,
        cpus=2,
        journal="results/size.jsonl",
    )


def text(answer: Sized) -> str:
    return rendered.text(document(answer), width=400)


def as_json(answer: Sized) -> dict[str, Any]:
    return json.loads(render_json(data=document(answer).data))


def test_it_says_what_to_configure_and_separates_minimum_and_recommendation() -> None:
    said = text(sized(RING, PERF))
    assert "set max_entries=65536 (64 KiB), and leave wake-ups adaptive (flags 0), or" in said
    assert (
        "The minimum is 32 KiB (0 of 24 storms lost records; 95 % bound 11.7 %); at 16 KiB," in said
    )
    assert "The recommended size is 2 x the minimum (margin 2), at which 0 of 24 storms" in said
    assert "set page_cnt=16 for each CPU (128 KiB over 2 CPUs), and wake up at every re" in said
    needs = "32 KiB of the ring buffer, 64 KiB of the perf buffers"
    assert f"Use the ring buffer: this load needs at least {needs}." in said
    same = text(sized(RING, replace(RING, transport="perfbuf")))
    assert "Use any of them: this load needs at least 32 KiB of each, data bytes over all" in same


def test_the_load_that_it_holds_for_is_named() -> None:
    assert "exits as fast as 2 processes make them (10,000 exits/s seen), 1 record of 72 B" in (
        said := text(sized(RING))
    )
    assert "reads nothing for 50 ms once a storm; no loss is tolerated" in said
    assert "Beware" not in said
    assert "bursts of 500 processes" in text(sized(RING, load=Load(burst=500)))
    slow = sized(RING, load=Load(rate_per_s=20_000.0))
    assert "could not make that many" in text(slow)
    assert "could not make that many" not in text(replace(slow, exits_per_s=19_000.0))
    assert "losses are down to chance" in text(sized(RING, load=Load(stall_ms=0.0)))


def test_disturbance_is_reported() -> None:
    assert "Beware" not in text(sized(replace(RING, disturbed_storms=9)))  # of 96
    said = text(sized(replace(RING, disturbed_storms=10)))
    assert "10 of 96 storms were disturbed by other processes or by stolen CPU time" in said


def test_storms_that_lost_no_more_than_is_tolerated_are_not_said_to_have_lost_nothing() -> None:
    said = text(replace(sized(RING), tolerated=0.05))
    assert "The minimum is 32 KiB (0 of 24 storms lost more than 5.0 % of their records;" in said
    assert "storms that lost more" in said
    assert "storms lost records" not in said


def test_every_rung_is_in_the_curve() -> None:
    rows = [line.split() for line in text(sized(RING)).splitlines() if "KiB" in line]
    assert ["8", "KiB", "24", "24", "100.0", "%", "0.70", "%"] in rows
    assert ["16", "KiB", "3", "24", "29.2", "%", "0.09", "%"] in rows
    assert ["32", "KiB", "0", "24", "11.7", "%", "0", "%", "minimum"] in rows
    assert ["64", "KiB", "0", "24", "11.7", "%", "0", "%", "recommended"] in rows


def test_the_least_size_a_soft_edge_and_no_size_at_all_are_reported() -> None:
    least = text(sized(found("ringbuf", {4: 0, 8: 0})))
    assert "(0 of 24 storms lost records; 95 % bound 11.7 %): there is no smaller size." in least
    soft = text(sized(found("ringbuf", {8: 5, 16: 1, 32: 0, 64: 0})))
    assert "at a quarter of it only 5 of 24 storms lost" in soft
    never = found("ringbuf", {64: 24, 128: 20})
    assert "no size is enough. At 128 KiB, the largest tried, 20 of 24" in text(sized(never))
    both = text(sized(never, found("perfbuf", {128: 24})))
    assert "No size tried is enough; the ring buffer loses least (the ring buffer 0.58 %," in both


def test_a_consumer_that_was_never_idle_is_named_the_limit() -> None:
    for sizing_found in (RING, found("ringbuf", {64: 24, 128: 20})):
        assert "the consumer was never idle" not in text(sized(sizing_found))
        assert "the consumer was never idle" in text(
            sized(replace(sizing_found, consumer_bound=True))
        )


def test_a_limit_of_memory_is_said_where_it_is_too_little() -> None:
    limited = replace(sized(found("ringbuf", {64: 24, 128: 20})), limit_bytes=200 * KIB)
    assert "no size within 200 KiB of memory is enough" in text(limited)


def test_a_mix_is_described_by_its_bounds_and_its_mean() -> None:
    load = Load(record_bytes=1_024, mix=(0,) * 15 + (952,))
    assert "72 B to 1 KiB, 132 B" in text(sized(RING, load=load))


def test_other_cpus_are_answered_by_a_model_that_is_named_one() -> None:
    model = Scaled(
        cpus=64,
        backlog_records=750,
        storms=40,
        minimum_bytes={"ringbuf": 64 * KIB, "perfbuf": 256 * KIB},
    )
    answer = replace(sized(RING, PERF), scaled=model)
    said = text(answer)
    assert "On 64 CPUs, by a model and not measured: the ring buffer max_entries=131072" in said
    assert "page_cnt=2 for each CPU (512 KiB over 64 CPUs)" in said
    data = as_json(answer)["scaled"]
    assert data["minimum_bytes"] == {"ringbuf": 64 * KIB, "perfbuf": 256 * KIB}
    assert "cannot be estimated" in text(replace(sized(RING), unscaled=True))
    assert "by a model" not in text(replace(answer, scaled=replace(model, minimum_bytes={})))


def test_rings_for_each_cpu_have_a_size_each() -> None:
    said = text(sized(found("sharded", {16: 24, 32: 0, 64: 0})))
    assert "max_entries=32768 for each CPU's ring (64 KiB over 2 CPUs)" in said
    assert "2 rings for all CPUs: set" in text(sized(found("sharded:rings=2", {16: 24, 32: 0})))


def test_json_says_the_same() -> None:
    data = as_json(sized(RING, PERF))
    assert data["format"] == 2
    assert data["load"]["stall_ms"] == 50.0
    ring, perf = data["transports"]["ringbuf"], data["transports"]["perfbuf"]
    assert (ring["minimum_bytes"], ring["recommended_bytes"]) == (32 * KIB, 64 * KIB)
    assert ring["configure"]["max_entries"] == 64 * KIB
    assert perf["configure"]["page_cnt"] == 16
    assert [rung["lossy"] for rung in ring["rungs"]] == [24, 3, 0, 0]
    assert ring["rungs"][0]["own_dropped_share"] == 0.007
    never = as_json(sized(found("ringbuf", {128: 24})))
    assert never["transports"]["ringbuf"]["minimum_bytes"] is None
    assert never["transports"]["ringbuf"]["configure"] == {}
