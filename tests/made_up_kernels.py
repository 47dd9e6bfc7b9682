# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make up kernels of a matrix: a machine's line, trials and lines on memory for each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from made_up_trials import blocks, header

from bench.journal.schema import JournalContent, Run, RunHeader
from bench.journal.writer import JournalWriter
from bench.questions.kernels.folders import Entry
from bench.questions.kernels.outcome import Status
from bench.record.footprint import (
    MemoryLine,
    perfbuf_footprint,
    perfbuf_mapped_bytes,
    ringbuf_footprint,
    ringbuf_mapped_bytes,
)
from bench.trial.result import TrialResult

KIB = 1024


def memory_line(transport: str, budget_bytes: int = 64 * KIB, **seen: object) -> MemoryLine:
    """Return a line of two CPUs; instruments are as on a sound kernel, but for ``seen``."""
    if transport == "perfbuf":
        pages = budget_bytes // 8192
        footprint = perfbuf_footprint(pages, cpus=2)
        mapped = perfbuf_mapped_bytes(pages, cpus=2)
        right: dict[str, object] = {"rss_bytes": 0, "memlock_bytes": 328, "memcg_bytes": 0}
    else:
        rings = 2 if transport == "sharded" else 1
        footprint = ringbuf_footprint(budget_bytes, rings=rings)
        mapped = ringbuf_mapped_bytes(budget_bytes, rings=rings)
        physical = footprint.physical_bytes
        right = {"rss_bytes": mapped, "memlock_bytes": physical + 304, "memcg_bytes": physical}
    fields: dict[str, object] = {
        "mapped_bytes": mapped,
        "mapped_rss_bytes": mapped,
        "pinned_bytes": 0,
        "locked_bytes": 0,
        "free_bytes": footprint.physical_bytes + 900,
        "copies": 64,
        **right,
        **seen,
    }
    return MemoryLine(
        transport=transport,
        budget_bytes=budget_bytes,
        data_bytes=budget_bytes,
        cpus=2,
        page_size_bytes=4096,
        footprint=footprint,
        mapped_formula_bytes=mapped,
        **fields,  # type: ignore[arg-type]
    )


def run_header(release: str, *, preemption: str = "none", **facts: str) -> RunHeader:
    """Return the header of an emulated guest with this kernel."""
    made = header()
    machine = replace(
        made.machine,
        kernel_release=release,
        preemption=preemption,
        emulated=True,
        kernel_facts={"ring_buffer": "yes", **facts},
    )
    return replace(made, machine=machine, profile="matrix")


def storms(*, ring_lost: int = 10, perf_lost: int = 40, p50_ns: int = 8_000) -> list[TrialResult]:
    """Return eight blocks of a storm that loses, of a chain with pairs, and of a trickle."""
    found = []
    for transport, lost, wrong, wait_ns in (
        ("ringbuf", ring_lost, 0, p50_ns),
        ("perfbuf", perf_lost, 90, 10_000),
    ):
        arm = f"{transport}@64KiB"
        found += blocks(arm, [{"dropped": lost + block} for block in range(8)])
        found += blocks(arm, [{"pairs": 1_200, "violations": wrong}] * 8, experiment="chain")
        found += blocks(arm, [{"p50_ns": wait_ns, "run_ns": 500}] * 8, experiment="trickle")
    return found


def beside_callers(trials: list[TrialResult], missed: int) -> list[TrialResult]:
    """Return trials beside a process that makes bpf() calls, so many of 1,000 exits skipped."""
    found = []
    for each in trials:
        assert each.ledger is not None
        found.append(
            replace(
                each,
                experiment=f"{each.experiment}-noise",
                config=replace(each.config, map_callers=1),
                ledger=replace(each.ledger, missed=missed, own_exits=1_000 - missed),
            )
        )
    return found


def entry(
    label: str,
    release: str,
    *,
    trials: list[TrialResult] | None = None,
    memory: tuple[MemoryLine, ...] = (),
    preemption: str = "none",
    **facts: str,
) -> Entry:
    """Return a kernel that is done."""
    run = Run(
        header=run_header(release, preemption=preemption, **facts),
        trials=tuple(storms() if trials is None else trials),
        memory=memory,
    )
    return Entry(
        label=label,
        release=release,
        status=Status.DONE,
        path=f"results/{label}",
        content=JournalContent(runs=(run,), faults=()),
    )


def lost(label: str, status: str, reason: str) -> Entry:
    """Return a kernel that left nothing."""
    return Entry(label=label, status=status, reason=reason, path=f"results/{label}")


def write(folder: Path, each: Entry) -> Path:
    """Write ``each`` as `kernels run` leaves it."""
    place = folder / each.label
    place.mkdir(parents=True)
    written = {"schema": 1, "label": each.label, "status": each.status, "reason": each.reason}
    (place / "outcome.json").write_text(json.dumps(written))
    for run in each.content.runs:
        with JournalWriter(place / "journal.jsonl") as writer:
            writer.write(run.header)
            for line in run.memory:
                writer.write(line)
            for trial in run.trials:
                writer.write(trial)
    return place
