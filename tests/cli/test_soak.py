# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench soak, on the real kernel for some rounds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.journal.reader import read_journal
from bench.measure.health import FEWEST_SAMPLES
from bench.questions.soak.document import document, summarised
from bench.report.renderers.markdown import render_markdown
from bench.trial.result import State


def bufbench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from bench.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.live
def test_a_soak_balances_holds_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    journal = tmp_path / "soak.jsonl"
    done = bufbench("soak", "--minutes", "0.05", "--seed", "11", "--wait", "--output", str(journal))
    (run,) = read_journal(journal, strict=True).runs
    few = f"bufbench: {len(run.health)} rounds are too few to say whether anything leaks"
    if len(run.health) < FEWEST_SAMPLES:
        assert done.returncode == 1, done.stderr
        assert few in done.stderr.splitlines()[-1]
    else:
        assert done.returncode == 0, done.stderr
    assert run.header.seed == 11
    assert len(run.trials) == 10 * len(run.health)
    assert run.health[0].children == 0
    assert f"{len(run.trials)} of {len(run.trials)} trials balanced" in done.stdout
    assert (tmp_path / "soak.md").read_text().startswith("## ")
    assert (
        f"{len(run.trials)} arbitrary trials in 0 min: all of them balance"
        in (tmp_path / "soak.html").read_text()
    )
    # A trial that does not balance is named, with what is needed to run it again.
    broken = replace(run.trials[3], state=State.INVALID, reasons=("two and two are five",))
    whole = replace(run, trials=(*run.trials[:3], broken, *run.trials[4:]))
    text = render_markdown(document(summarised(whole)))
    assert f"did not balance: {broken.arm}, in round {broken.block}" in text.replace("\\", "")
    assert "two and two are five" in text


@pytest.mark.parametrize("minutes", ["-1", "nan", "1e9"])
def test_no_such_length(minutes: str) -> None:
    done = bufbench("soak", "--minutes", minutes)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
