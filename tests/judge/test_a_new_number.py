# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a new number is one function and one row: exported, and compared by one row more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bench

TESTS = Path(__file__).parents[1]
FUNCTION = """def _toy(trial: TrialResult) -> Value:
    return 1_000.0 + trial.block


"""
ROWS = """        Number("toy_ns", "ns", "a toy", _toy),
        Number("hidden_toy_ns", "ns", "a toy that is not compared", _toy),
"""
SHOWN = '    Metric("toy_ns", "toys", Group.COST, Unit.NS),\n'
SCRIPT = """
import json
from made_up_trials import blocks, header
from rendered import run_json, run_text
from bench.journal.schema import JournalContent, Run
from bench.judge.numbers import number
from bench.questions.transports import table
from bench.questions.transports.summary import compare_journals

trials = tuple(blocks("ringbuf@64KiB", [{}] * 8) + blocks("perfbuf@64KiB", [{}] * 8))
content = JournalContent(runs=(Run(header=header(), trials=trials),), faults=())
(summary,) = json.loads(run_json(*compare_journals(content)))["summaries"]
print(json.dumps({
    "taken": number("toy_ns")(trials[0]),
    "table": [row["toy_ns"] for row in table.rows(content)],
    "numbers": summary["comparisons"][0]["numbers"],
    "text": run_text(*compare_journals(content)),
}))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(bench.__file__).parent, tmp_path / "bench", ignore=ignored)
    insert(tmp_path, "numbers.py", "_RECORDS: Final", FUNCTION)
    insert(tmp_path, "numbers.py", "        *_derived(_DERIVED),\n", ROWS)
    insert(tmp_path, "metrics.py", ')\n"""Every number of a comparison', SHOWN)
    return tmp_path


def insert(tree: Path, module: str, before: str, text: str) -> None:
    path = tree / "bench/judge" / module
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1
    path.write_text(source.replace(before, text + before), encoding="utf-8")


def outputs(tree: Path) -> dict[str, object]:
    path = os.pathsep.join((str(tree), str(TESTS)))
    done = subprocess.run(
        (sys.executable, "-c", SCRIPT),
        cwd=tree,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_function_and_a_row_make_a_number_of_every_table_and_another_compares_it(
    tree: Path,
) -> None:
    found = outputs(tree)
    assert found["taken"] == 1_000
    assert found["table"] == [1_000.0 + block for block in range(8)] * 2
    numbers, text = found["numbers"], found["text"]
    assert isinstance(numbers, dict)
    assert "hidden_toy_ns" not in numbers
    compared = numbers["toy_ns"]
    assert (compared["left"], compared["right"]) == (1_003.5, 1_003.5)
    assert isinstance(text, str)
    assert "toys" in text
