# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Delay one arm of a duet by a known time: how often is it found, and how exactly?

    PYTHONPATH=tests python tests/injected.py [RUNS [SECONDS [busy]]]   a table; beside a busy loop

Each of 10 runs goes on for 30 s, as the same duet of the command line would. It finds a delay
where the first arm takes more, and has its size where that is within a third of what the BPF
program's own clock says (of 50 us: within a twentieth).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, Final

from interference import busy
from trials import delays

from bench.host import lock
from bench.judge.comparison import Outcome
from bench.linux.cpus import usable
from bench.plan.arms import compose_duet, side
from bench.plan.config import Duet, TrialConfig
from bench.plan.experiments import Experiment
from bench.questions.duet.run import Until, measure
from bench.record import counters
from bench.tracer.transports import find
from bench.trial.duet import run_duet
from bench.trial.result import TrialResult
from bench.trial.rig import Rig
from bench.trial.run import Slot
from workloads.storm import Storm

SHARE: Final = 0.03
LONG_NS: Final = 50_000
CHILDREN: Final = 2_000
BUDGET_BYTES: Final = 1 << 20
THIRD, TWENTIETH = 1 / 3, 0.05


@dataclass(slots=True, kw_only=True)
class Playing:
    """Run storms as a campaign does, and note how much longer the delay should make each number."""

    rig: Rig
    seed: int
    shares: dict[str, list[float]] = field(default_factory=dict)

    def run(self, duet: Experiment, *_: object, first_block: int) -> Sequence[TrialResult]:
        first, second = duet.arms
        place = Slot(experiment=duet.name, block=first_block, position=0)
        left, right = run_duet(self.rig, (first, second), place, self.seed)
        assert left.write is not None
        assert right.write is not None
        assert right.latency is not None
        if found := delays(self.rig, left):
            # The last reading of the clock, which no delay contains; others delayed nothing.
            more_ns = left.write.clock_ns * (1 - dict(found).get(0, 0) / left.write.written)
            self._note("write_ns", counters.mean(found) + more_ns, right.write.write_ns)
            self._note("latency_p50_ns", counters.median(found) + more_ns, right.latency.p50_ns)
        return left, right

    def _note(self, key: str, longer_ns: float, than_ns: float | None) -> None:
        assert than_ns is not None
        self.shares.setdefault(key, []).append(longer_ns / than_ns)


def duel(rig: Rig, words: str, seed: int, seconds: float) -> tuple[dict[str, Any], Playing, int]:
    """Return the rows of a duet of ``ringbuf:words`` and ``ringbuf`` by key, and its storms."""
    config = TrialConfig(transport="none", budget_bytes=0, storm=Storm(count=CHILDREN), duet=Duet())
    sides = side(f"ringbuf:{words}".rstrip(":"), find), side("ringbuf", find)
    cpus = len(usable())
    duet = compose_duet("injected", "", sides, config, BUDGET_BYTES, blocks=8, cpus=cpus)
    playing = Playing(rig=rig, seed=seed)
    until = Until(storms=10_000, precision=None, seconds=seconds, margin=0.02, seed=seed)
    found = measure([duet], until, playing, lambda _: None)[duet.name]  # type: ignore[arg-type]
    return {row.key: row for row in found.rows}, playing, found.storms


def cases(rig: Rig) -> Iterator[tuple[str, str, str, float]]:
    """Yield what is injected, the words of the arm, the number, and how exact it has to be."""
    rows, _, _ = duel(rig, "", 0, 10.0)
    write_ns, latency_ns = (
        round(SHARE * rows[key].right) for key in ("write_ns", "latency_p50_ns")
    )
    yield f"3 % of a write, {write_ns} ns", f"delay={write_ns}", "write_ns", THIRD
    words = f"delay={2 * write_ns}:delay-cpu={usable()[0]}"
    yield f"{2 * write_ns} ns, on one of two CPUs", words, "write_ns", THIRD
    what = f"3 % of median latency, {latency_ns} ns"
    yield what, f"delay={latency_ns}", "latency_p50_ns", THIRD
    yield "50 µs", f"delay={LONG_NS}", "write_ns", TWENTIETH


def main(runs: str = "10", seconds: str = "30", *beside: str) -> None:
    print("| delay of one arm | number | storms a run | is | found as | found | of right size |")
    print("|---|---|---:|---:|---:|---:|---:|", flush=True)
    with lock.held(wait=True), busy() if beside else nullcontext(), Rig() as rig:
        for what, arm, key, tolerated in cases(rig):
            found, sizes, storms = [], [], []
            for seed in range(1, int(runs) + 1):
                rows, playing, count = duel(rig, arm, seed, float(seconds))
                row = rows[key]
                found.append(row.outcome is Outcome.MORE)
                sizes.append((row.estimate.point - 1, fmean(playing.shares[key])))
                storms.append(count)
                print(f"  {what} {seed}: {row.outcome} {sizes[-1]}", file=sys.stderr, flush=True)
            right = sum(abs(size - truth) <= tolerated * truth for size, truth in sizes)
            size, least, most = (of([size for size, _ in sizes]) for of in (median, min, max))
            print(
                f"| {what} | {key} | {median(storms):.0f} "
                f"| {median(truth for _, truth in sizes):.1%} "
                f"| {size:.1%} ({least:.1%} to {most:.1%}) "
                f"| {sum(found)} of {runs} | {right} of {runs} |",
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
