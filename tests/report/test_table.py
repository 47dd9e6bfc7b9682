# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the journal as a table: a row for each trial, every column documented."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from made_up_trials import blocks, header

from bench.errors import MachineUnfit
from bench.journal.schema import JournalContent, Run
from bench.judge.numbers import NUMBERS
from bench.questions.transports import table

DOCUMENT = Path(__file__).parents[2] / "docs" / "journal-table.md"


def content() -> JournalContent:
    trials = (*blocks("ringbuf@64KiB", [{"dropped": 7}] * 2), *blocks("none", [{}]))
    return JournalContent(runs=(Run(header=header(), trials=trials),) * 2, faults=())


def test_a_row_for_each_trial_with_its_numbers() -> None:
    found = list(csv.DictReader(io.StringIO(table.csv(content()))))
    assert [(row["run"], row["arm"], row["block"]) for row in found[:3]] == [
        ("0", "ringbuf@64KiB", "0"),
        ("0", "ringbuf@64KiB", "1"),
        ("0", "none", "0"),
    ]
    assert len(found) == 6
    assert found[0]["own_dropped"] == "7"
    assert found[0]["latency_p50_ns"] == "10000"
    assert found[2]["own_dropped"] == ""


@pytest.mark.parametrize("write", [table.csv, table.parquet])
def test_without_polars_the_remedy_is_named(
    write: Callable[[JournalContent], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MachineUnfit, match=r"need polars, .*; \./run report -- FILE"):
        write(content())


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "trials.parquet"
    path.write_bytes(table.parquet(content()))
    assert pl.read_parquet(path)["dropped"].to_list() == [7, 7, None] * 2


def test_every_column_is_documented() -> None:
    documented = re.findall(r"`(\w+)`", DOCUMENT.read_text(encoding="utf-8").split("|---|---|")[1])
    assert sorted([*documented, *NUMBERS]) == sorted(next(table.rows(content())))
