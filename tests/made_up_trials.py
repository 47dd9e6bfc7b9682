# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make up trials, machines and journals whose answers are known by construction."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from bench.journal.schema import RunHeader
from bench.judge.comparison import Compared, Comparison
from bench.linux.machine import Machine
from bench.measure.cost import Cost
from bench.measure.latency import Latency
from bench.measure.ledger import Ledger
from bench.measure.ordering import Ordering
from bench.plan import budgets
from bench.plan.config import TrialConfig
from bench.plan.experiments import BASELINES, ArmName
from bench.record.footprint import Footprint, Memory, Observed
from bench.trial.result import Conditions, State, TrialResult
from workloads.storm import Storm, StormReport


@cache
def histogram(*latencies_ns: int) -> str:
    from hdrh.histogram import HdrHistogram

    made = HdrHistogram(1, 3_600_000_000_000, 3)
    for latency_ns in latencies_ns:
        made.record_value(latency_ns)
    return made.encode().decode()


def trial(
    arm: str,
    block: int,
    *,
    experiment: str = "storm",
    state: State = State.VALID,
    reasons: tuple[str, ...] = (),
    dropped: int = 0,
    attempted: int = 1_000,
    pairs: int = 0,
    violations: int = 0,
    window_ns: int = 0,
    p50_ns: int = 10_000,
    storm_ms: float = 100.0,
    consumer_cpu_ns: int = 1_000_000,
    wakeups_raised: int | None = 500,
    physical_bytes: int | None = None,
    run_ns: int | None = None,
    count: int = 1_000,
) -> TrialResult:
    """Return one trial, as the arm's name describes it."""
    name = ArmName.parse(arm)
    budget_bytes = budgets.parse(name.actual or name.budget) if name.budget else 0
    end_ns = 10**9 + round(storm_ms * 1e6)
    common = {
        "experiment": experiment,
        "arm": name,
        "block": block,
        "position": 0,
        "config": TrialConfig(
            transport=name.transport, budget_bytes=budget_bytes, storm=Storm(count=count)
        ),
        "started_utc": "2026-01-02T03:04:05Z",
        "storm": StormReport(
            made=1_000, reaped=1_000, start_ns=10**9, end_ns=end_ns, exit_statuses={0: 1_000}
        ),
        "conditions": Conditions(steal_share=0.0, load_1m=1.0, other_exits=0),
        "state": state,
        "reasons": reasons,
    }
    if name.transport in BASELINES:
        return TrialResult(**common)
    delivered = attempted - dropped
    return TrialResult(
        **common,
        ledger=Ledger(
            attempted=attempted,
            delivered=delivered,
            dropped=dropped,
            dropped_by_cause={"refused": dropped} if dropped else {},
            own_exits=attempted,
            own_attempted=attempted,
            own_delivered=delivered,
            own_dropped=dropped,
            reaped=attempted,
            missed=0,
            residues=("CPU 0: 1 record is gone",) if state is State.INVALID else (),
        ),
        ordering=Ordering(
            causal_pairs=pairs,
            causal_violations=violations,
            inversions=violations,
            lateness_p50_ns=0,
            lateness_p99_ns=0,
            lateness_max_ns=window_ns,
            displacement_p50=0,
            displacement_p99=0,
            displacement_max=0,
            window_ns=window_ns,
            window_events=0,
            window_cost_p50_ns=0,
            window_cost_p99_ns=0,
        ),
        latency=Latency(
            count=delivered,
            p50_ns=p50_ns,
            p90_ns=2 * p50_ns,
            p99_ns=3 * p50_ns,
            p999_ns=4 * p50_ns,
            max_ns=5 * p50_ns,
            histogram=histogram(p50_ns, 2 * p50_ns, 3 * p50_ns),
        ),
        memory=Memory(
            footprint=Footprint(
                data_bytes=budget_bytes,
                page_bytes=physical_bytes if physical_bytes is not None else budget_bytes,
                bookkeeping_bytes=0,
            ),
            observed=Observed(
                rss_bytes=2 * budget_bytes,
                pinned_bytes=0,
                memlock_bytes=None,
                mapped_bytes=2 * budget_bytes,
            ),
        ),
        cost=Cost(
            storm_ns=end_ns - 10**9,
            delivered=delivered,
            attempted=attempted,
            kernel_runs=attempted if run_ns is not None else None,
            kernel_run_ns=attempted * run_ns if run_ns is not None else None,
            consumer_cpu_ns=consumer_cpu_ns,
            consumer_voluntary_switches=3,
            consumer_involuntary_switches=2,
            wakeups_taken=50,
            wakeups_raised=wakeups_raised,
        ),
        lost_told={"format_lost": dropped} if dropped else {},
    )


def blocks(arm: str, values: Iterable[dict[str, object]], **fixed: object) -> list[TrialResult]:
    """Return one trial of ``arm`` for each of ``values``, in blocks from 0."""
    return [
        trial(arm, block, **{**fixed, **value})  # type: ignore[arg-type]
        for block, value in enumerate(values)
    ]


def machine(hostname: str = "here", *, emulated: bool = False) -> Machine:
    return Machine(
        hostname=hostname,
        kernel_release="6.1.0-made-up",
        cpus_online=2,
        cpu_model="Made Up 3000",
        memory_bytes=4 << 30,
        clock_source="tsc",
        preemption="none",
        virtualisation="kvm",
        emulated=emulated,
        bcc_version="0.26",
        harness_version="0.1",
        wakeup_cost_ns=1_000.0,
        kernel_facts={"pending_pos": "yes"},
    )


def header(hostname: str = "here", *, seed: int = 1, profile: str = "quick") -> RunHeader:
    return RunHeader(
        machine=machine(hostname),
        command_line=("bufbench", "run", profile),
        profile=profile,
        seed=seed,
        started_utc="2026-01-02T03:04:05Z",
    )


def row(comparison: Comparison, key: str) -> Compared:
    """Return the row of a number that has one."""
    found = comparison.row(key)
    assert found is not None
    return found
