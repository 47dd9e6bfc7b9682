# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Fuzz the readers of foreign data, one after another: ./run fuzz -- --minutes 10 [READER...].

An input that makes a fault is kept in tests/fuzz/samples/READER, where the tests try it from then
on. What the fuzzer found worth trying lies in results/fuzz/READER, and the next run begins there.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.readers import READERS, SAMPLES

TARGET: Final = Path(__file__).with_name("target.py")
CORPUS: Final = Path(__file__).parents[2] / "results" / "fuzz"
_HANG_S: Final = 10
_MEMORY_MIB: Final = 1_024  # libFuzzer's own, the report's libraries and the corpus included


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Report one reader's run."""

    reader: str
    seconds: float
    executions: int
    fault: str  # the sample's path, or what libFuzzer said; "" if all went well


def fuzz(name: str, seconds: int) -> Ended:
    """Fuzz one reader."""
    reader, corpus, samples = READERS[name], CORPUS / name, SAMPLES / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in reader.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    began = time.monotonic()
    with TemporaryDirectory(prefix="bufbench-fuzz-") as folder:
        done = subprocess.run(
            [
                sys.executable,
                TARGET,
                name,
                f"-max_total_time={seconds}",
                f"-timeout={_HANG_S}",
                f"-rss_limit_mb={_MEMORY_MIB}",
                "-malloc_limit_mb=200",
                f"-max_len={reader.longest_bytes}",
                f"-artifact_prefix={folder}/",
                "-print_final_stats=1",
                corpus,
                *([samples] if samples.exists() else []),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        kept = [_keep(path, samples) for path in sorted(Path(folder).iterdir())]
    said = done.stdout.decode(errors="replace")
    counted = re.search(r"number_of_executed_units: *([0-9]+)", said)
    fault = ""
    if done.returncode:
        fault = str(kept[0]) if kept else f"exit code {done.returncode}"
        print("\n".join(said.splitlines()[-60:]), file=sys.stderr)
    return Ended(
        reader=name,
        seconds=time.monotonic() - began,
        executions=int(counted[1]) if counted else 0,
        fault=fault,
    )


def _keep(found: Path, samples: Path) -> Path:
    """Keep a fault's input where the tests find it."""
    samples.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(found, samples))


def main() -> int:
    """Return exit code 0, or 1 if a reader had a fault."""
    parser = argparse.ArgumentParser(prog="./run fuzz --", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for each reader; 10")
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    chosen = parser.parse_args()
    unknown = set(chosen.readers) - set(READERS)
    if unknown or not 0 < chosen.minutes <= 1_440:
        parser.error(f"no reader {min(unknown)}" if unknown else "--minutes is out of range")
    faults = 0
    for name in chosen.readers or READERS:
        ended = fuzz(name, max(1, round(60 * chosen.minutes)))
        faults += bool(ended.fault)
        print(
            f"{ended.reader}: {ended.executions:,} inputs in {ended.seconds:.0f} s, "
            f"{ended.fault or 'no fault'}",
            flush=True,
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
