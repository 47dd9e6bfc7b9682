# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Signal ./run bench at any moment, the first included, through the script, nox and pytest."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Final

import pytest
from moments import Faults
from victim import victim

ROOT: Final = Path(__file__).parents[2]
SOME: Final = 3
RARELY: Final = 10  # of the faults asked for
LONGEST_S: Final = 4.0
CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(
        Path(sys.prefix) != ROOT / ".venv", reason="not started by ./run: nothing is installed"
    ),
]


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_signal_at_any_moment(number: signal.Signals, tmp_path: Path, faults: Faults) -> None:
    moment, slowest_s = faults.moments("script", number), 0.0
    times = faults.times(SOME, of=RARELY)
    for turn in range(times):
        folder = tmp_path / str(turn)
        folder.mkdir()
        journal = str(folder / "run.jsonl")
        with victim(folder, ["bench", "--", "--wait", "--journal", journal], [ROOT / "run"]) as hit:
            after_s = moment.uniform(0.0, LONGEST_S)
            assert hit.wait_for(after_s), hit.stderr()
            hit.process.send_signal(number)
            ended_s = hit.ended_after_s()
            said = f"{number.name} {after_s:.3f} s after its start: {hit.stderr()}"
            # A shell calls it by the same number if the signal itself ended a process.
            assert hit.process.returncode in (CODES[number], -number), said
            assert ended_s < faults.soon_s, said
            assert "Traceback" not in said
            assert hit.gone_after_s() < faults.soon_s
        slowest_s = max(slowest_s, ended_s)
    faults.note("signals", times)
    faults.note("gone_after_s", round(slowest_s, 3))
