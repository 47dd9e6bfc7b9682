# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run duets of identical arms beside a busy loop: how many differ, and how narrow are intervals?

    PYTHONPATH=tests python tests/identical.py [RUNS [SECONDS]]     a table, a row for each design

RUNS of each design, 50 by default, at 2 % precision within 30 s: 200 runs, an hour and 40 minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from interference import BUFBENCH, busy

DESIGNS: Final = tuple(product(("ringbuf", "perfbuf"), ("record", "1ms")))
KEYS: Final = ("latency_p50_ns", "write_ns")
PRECISION: Final = 0.02


def rows(transport: str, assign: str, seed: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Return what one duet says of each number."""
    with TemporaryDirectory() as place:
        until = ("--precision", f"{PRECISION:.0%}", "--seconds", f"{seconds:g}")
        journal = Path(place, "identical.jsonl")
        asked = (transport, transport, "--assign", assign, *until, "--seed", str(seed))
        more = ("--json", "--wait", "--output", str(journal))
        ran = subprocess.run([*BUFBENCH, "duet", *asked, *more], stdout=subprocess.PIPE, check=True)
    return {each["key"]: each for each in json.loads(ran.stdout)["numbers"]}


def main(runs: int = 50, seconds: float = 30.0) -> None:
    """Print how many of ``runs`` of each design reported a difference, and were narrow enough."""
    different: Counter[tuple[str, str, str]] = Counter()
    narrow: Counter[tuple[str, str, str]] = Counter()
    with busy():
        for seed, (transport, assign) in product(range(runs), DESIGNS):
            found = rows(transport, assign, seed, seconds)
            for key in KEYS:
                row, of = found[key], (transport, assign, key)
                different[of] += row["verdict"] in ("less", "more")
                narrow[of] += (row["high"] - row["low"]) / 2 <= PRECISION * row["ratio"]
            print(f"run {seed + 1} of {runs}", transport, assign, file=sys.stderr)
    print(
        f"{'arms':9} {'assigned':9} {'number':15} {'different':>9} {'within 2 %':>11}   of {runs}"
    )
    for transport, assign in DESIGNS:
        for key in KEYS:
            of = (transport, assign, key)
            print(f"{transport:9} {assign:9} {key:15} {different[of]:9} {narrow[of]:11}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*map(int, given[:1]), *map(float, given[1:2]))
