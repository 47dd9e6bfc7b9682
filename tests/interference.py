# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure what each design of a duet makes of ring against perf: docs/metrics.md shows the tables.

    python tests/interference.py idle FOLDER        solo, windows and by process, native
    python tests/interference.py busy FOLDER        the same beside a busy loop
    python tests/interference.py 6.12 FOLDER        the same in an emulated guest of that kernel
    python tests/interference.py washout FOLDER     windows of several lengths, also A/A

FOLDER gets a journal of each; gzip -9n them into results/reference/duets and .../washout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.guests import boot
from bench.guests.sources import Options, provide

BUFBENCH: Final = (sys.executable, "-P", "-c", "from bench.cli import main; main()")
STORMS: Final = {
    "storm": ("--count", "6000"),
    "trickle": ("--rate", "2000", "--count", "1000"),
    "burst": ("--count", "4000"),
}
GUEST_STORMS: Final = {
    "storm": ("--count", "800"),
    "trickle": ("--rate", "150", "--count", "120"),
    "burst": ("--count", "600"),
}
WINDOWS: Final = ("4ms", "1ms")
GUEST_WINDOWS: Final = ("20ms", "8ms")
"""Exits are rarer there by as much."""

WASHOUT_WINDOWS: Final = ("4ms", "1ms", "500us")
PAIRS: Final = {
    "ring-perf": ("ringbuf", "perfbuf"),
    "ring-ring": ("ringbuf", "ringbuf"),
    "perf-perf": ("perfbuf", "perfbuf"),
}
GUEST_LIMIT_S: Final = 1_800.0


def duet(journal: Path, arms: Sequence[str], designs: Sequence[str], *words: str) -> None:
    """Run one duet under all designs in turn."""
    asked = [word for each in designs for word in ("--assign", each)]
    limits = ("--seconds", "1200", "--wait", "--output", str(journal))
    subprocess.run([*BUFBENCH, "duet", *arms, *asked, *words, *limits], check=True)


def designs(folder: Path, machine: str, *, guest: bool = False) -> None:
    windows = GUEST_WINDOWS if guest else WINDOWS
    for workload, words in (GUEST_STORMS if guest else STORMS).items():
        journal = folder / f"{workload}-{machine}.jsonl"
        rules = ("solo", *windows, "record")
        shape = ("--workload", workload, "--storms", "16", *words)
        duet(journal, PAIRS["ring-perf"], rules, *shape)


def washout(folder: Path) -> None:
    for name, arms in PAIRS.items():
        words = ("--storms", "24", *STORMS["storm"])
        duet(folder / f"storm-{name}.jsonl", arms, WASHOUT_WINDOWS, *words)


@contextmanager
def busy(cpu: int | None = None) -> Iterator[None]:
    """Keep ``cpu`` busy, or one that the scheduler chooses."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as hog:
        if cpu is not None:
            os.sched_setaffinity(hog.pid, {cpu})
        time.sleep(1)
        try:
            yield
        finally:
            hog.kill()


def in_guest(kernel: str, folder: Path) -> None:
    """Boot ``kernel``, emulated, and run the designs in it; its output goes to the console."""
    (image,) = provide([kernel], Options(say=print))
    guest = boot.Guest(cpus=2, memory_mib=2_048, time_limit_s=GUEST_LIMIT_S, kvm=False)
    inside = [sys.executable, "-P", str(Path(__file__).resolve()), "inside", kernel, str(folder)]
    with boot.booted(image, guest, folder, inside) as watch:
        assert watch.stdout is not None
        print(watch.stdout.read().decode())


def main(what: str, *rest: str) -> None:
    folder = Path(rest[-1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    match what:
        case "idle":
            designs(folder, "idle")
        case "busy":
            with busy():
                designs(folder, "busy")
        case "washout":
            washout(folder)
        case "inside":
            designs(folder, f"emulated-{rest[0]}", guest=True)
        case kernel:
            in_guest(kernel, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
