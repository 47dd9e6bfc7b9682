# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Summarise a soak: how many trials balanced, and whether the harness held more and more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from soak.health import NAMES, Flatness, Sample, flatness

from bench.amounts import size
from bench.tracer.transports import traits
from bench.trial.result import State, TrialResult


def progress(sample: Sample) -> str:
    """Return a line on what is held after a round."""
    return (
        f"{sample.elapsed_s / 60:.1f} min, {sample.trials:,} trials; held: "
        f"{size(sample.rss_bytes)}, {sample.open_files} files, {sample.threads} threads, "
        f"{sample.programs} programs, {sample.maps} maps"
    )


def grown(samples: Sequence[Sample]) -> list[str]:
    """Return the names of the quantities that grew."""
    return [NAMES[each.what] for each in flatness(samples) if not each.flat]


def lines(seed: int, trials: Sequence[TrialResult], samples: Sequence[Sample]) -> Iterator[str]:
    """Yield the summary, as Markdown."""
    invalid = [trial for trial in trials if trial.state is State.INVALID]
    balance = f"{len(invalid):,} do not balance" if invalid else "all of them balance"
    found = flatness(samples)
    held = ", ".join(grown(samples)) or ("nothing" if found else "too few rounds to say what")
    minutes = samples[-1].elapsed_s / 60 if samples else 0.0
    yield f"# {len(trials):,} random trials in {minutes:.0f} min: {balance}; {held} grew\n"
    yield f"- seed {seed}: {_counts(trial.state for trial in trials)}"
    ledgers = [trial.ledger for trial in trials if trial.ledger is not None]
    yield (
        f"- {sum(each.attempted for each in ledgers):,} records attempted, "
        f"{sum(each.dropped for each in ledgers):,} dropped, "
        f"{sum(each.missed for each in ledgers):,} exits missed; "
        f"{len(trials) - len(invalid):,} of {len(trials):,} trials balanced"
    )
    rings = [t.ordering for t in trials if t.ordering and traits(t.config.transport).ordered]
    yield (
        f"- ring buffer: {sum(each.causal_violations for each in rings):,} causal violations in "
        f"{sum(each.causal_pairs for each in rings):,} pairs"
    )
    yield f"- transports: {_counts(trial.config.transport for trial in trials)}"
    yield f"- storms: {_counts(trial.config.storm.shape for trial in trials)}"
    for trial in invalid:
        yield f"- did not balance: {trial.arm}, round {trial.block}: {'; '.join(trial.reasons)}"
    if found:
        yield "\n| held between rounds | first half | second half |  |\n|---|---:|---:|---|"
        yield from map(_row, found)
    yield ""
    yield from (f"    {progress(sample)}" for sample in samples)


def _counts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in Counter(names).most_common())


def _row(found: Flatness) -> str:
    show = size if found.what == "rss_bytes" else "{:g}".format
    verdict = "flat" if found.flat else "GREW"
    return f"| {NAMES[found.what]} | {show(found.before)} | {show(found.after)} | {verdict} |"
