# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test `bufbench fleet run --local`: a scheduler and a worker in the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleet_hosts import row
from tracing import bufbench

from bench.journal.reader import read_journal

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.mark.parametrize("wrong", ["count=none", "workload=none"])
def test_a_plan_that_no_machine_can_run_leaves_its_reason(tmp_path: Path, wrong: str) -> None:
    out = tmp_path / "out"
    done = bufbench("fleet", "run", "--local", f"--set={wrong}", f"--output={out}")
    assert done.returncode == 3
    assert "1 of 1 machine gave no journal" in done.stderr
    (name,) = {each.partition(":")[0] for each in done.stdout.splitlines()}
    assert f"{row(out, name)['reason']}" in done.stdout
    assert wrong.partition("=")[0] in str(row(out, name)["reason"])
    assert [each.name for each in out.iterdir()] == ["fleet.json"]


def test_this_machine_gives_its_journal(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--set=workload=storm", "--set=count=200", "--set=blocks=1")
    done = bufbench("fleet", "run", "--local", *words, f"--output={out}")
    assert done.returncode == 0, done.stderr
    assert "Dask's dashboard: http://127.0.0.1:" in done.stderr
    journal = Path(done.stdout.strip())
    assert len(read_journal(journal, strict=True).trials) >= 2
    assert {each.name for each in out.iterdir()} == {"fleet.json", journal.name}
    alone = bufbench("fleet", "report", str(journal))
    assert alone.returncode == 2
    assert "use bufbench report for one" in alone.stderr
