# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write journals of many made-up machines: `python tests/made_up_fleet.py FOLDER TRIALS`.

A journal is a run of a thousand trials; 20 runs are of one machine. Median latency of the ring is
four fifths of that of the perf buffers, twins differ by nothing but noise.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from made_up_trials import header, machine, trial

from bench.journal.writer import encode
from bench.measure import latency
from bench.record.records import CAPTURED

EXPERIMENTS: Final = ("storm", "burst", "chain", "hotcpu", "trickle")
SIZES: Final = ("8KiB", "64KiB", "1MiB")
ARMS: Final = (
    "none",
    "noop",
    *(f"{transport}@{size}" for size in SIZES for transport in ("ringbuf", "perfbuf")),
    "ringbuf@64KiB#2",
    "perfbuf@64KiB#2",
)
BLOCKS: Final = 20
TRIALS: Final = len(EXPERIMENTS) * len(ARMS) * BLOCKS
RUNS: Final = 20
RATIO: Final = 0.8

_MARKS: Final = {
    "block": 910_000_001,
    "cpu": 910_000_002,
    "raised": 910_000_003,
    "start": 910_000_004,
    "end": 910_000_005,
    "window": 910_000_006,
    "dropped": 910_000_007,
}
_HISTOGRAMS: Final = 64
_RECORDS: Final = 2_000


def write(folder: Path, trials: int, *, seed: int = 1) -> int:
    """Write journals of about so many trials. Return how many there are."""
    random = np.random.default_rng(seed)
    histograms = {ratio: list(_latencies(random, ratio)) for ratio in (RATIO, 1.0)}
    templates = {arm: _template(arm) for arm in ARMS}
    journals = max(1, round(trials / TRIALS))
    for number in range(journals):
        lines = _lines(random, number, templates, histograms)
        (folder / f"run-{number:05}.jsonl").write_bytes(b"".join(lines))
    return journals * TRIALS


def _lines(
    random: np.random.Generator,
    number: int,
    templates: dict[str, bytes],
    histograms: dict[float, list[tuple[bytes, ...]]],
) -> Iterator[bytes]:
    on = replace(machine(f"host-{number // RUNS:04}"), wakeup_cost_ns=900.0 + number % RUNS)
    started = f"2026-{1 + number % 12:02}-02T03:04:05Z"
    yield encode(replace(header(), machine=on, started_utc=started, run_id=f"{number:08x}"))
    noise = random.lognormal(0.0, 0.1, (TRIALS, 4))
    lost = np.where(random.random(TRIALS) < 0.2, random.integers(1, 200, TRIALS), 0)
    which = random.integers(0, _HISTOGRAMS, TRIALS)
    cpu = (1e6 * noise[:, 0]).astype(int).tolist()
    raised = (500 * noise[:, 1]).astype(int).tolist()
    length = (1e8 * noise[:, 2]).astype(int).tolist()
    window = (2e4 * noise[:, 3]).astype(int).tolist()
    start, row = 10**9 * (1 + number * TRIALS), 0
    for experiment in EXPERIMENTS:
        named = f'"experiment":"{experiment}"'.encode()
        made = {
            arm: text.replace(b'"experiment":"storm"', named) for arm, text in templates.items()
        }
        for block in range(BLOCKS):
            for arm in ARMS:
                of = histograms[RATIO if arm.startswith("ringbuf") else 1.0][which[row]]
                yield made[arm] % {
                    b"block": block,
                    b"cpu": cpu[row],
                    b"raised": raised[row],
                    b"start": start,
                    b"end": start + length[row],
                    b"window": window[row],
                    b"dropped": lost[row] if "@8KiB" in arm else 0,
                    b"latency": of[0],
                }
                start += 10**9
                row += 1


def _latencies(random: np.random.Generator, ratio: float) -> Iterator[tuple[bytes, ...]]:
    """Yield what the line of a trial has of its latency."""
    for _ in range(_HISTOGRAMS):
        rows = np.zeros(_RECORDS, CAPTURED)
        centre = np.log(ratio * 20_000 * random.lognormal(0.0, 0.05))
        rows["delivered_ns"] = random.lognormal(centre, 1.0, _RECORDS).astype(np.uint64)
        line = encode(replace(trial("ringbuf@8KiB", 0), latency=latency.measure(rows)))
        yield (line[line.index(b'"latency":') : line.index(b',"memory":')],)


def _template(arm: str) -> bytes:
    """Return the line of a trial, with names in the place of what differs."""
    made = trial(
        arm,
        _MARKS["block"],
        consumer_cpu_ns=_MARKS["cpu"],
        wakeups_raised=_MARKS["raised"],
        window_ns=_MARKS["window"],
        attempted=_RECORDS,
        pairs=100,
    )
    if made.ledger is not None:
        book = replace(made.ledger, own_dropped=_MARKS["dropped"], dropped=_MARKS["dropped"])
        made = replace(made, ledger=book)
    storm = replace(made.storm, start_ns=_MARKS["start"], end_ns=_MARKS["end"])
    line = encode(replace(made, storm=storm))
    for name, mark in _MARKS.items():
        line = line.replace(str(mark).encode(), f"%({name})d".encode())
    if made.latency is not None:
        first, end = line.index(b'"latency":'), line.index(b',"memory":')
        line = line[:first] + b"%(latency)b" + line[end:]
    return line


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), int(sys.argv[2])))
