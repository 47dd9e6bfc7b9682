# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench duet, run as people run it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bench.host import process
from bench.journal.reader import read_journal
from bench.tracer.program import Kernel

DUET = [sys.executable, "-c", "from bench.cli import main; main()", "duet"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["ringbuf"], "missing argument 'B'"),
        (["ringbuf", "pigeon"], "no transport 'pigeon'"),
        (["ringbuf:fast", "perfbuf"], "no arm has 'fast'"),
        (["perfbuf:output", "ringbuf"], "perfbuf has no output"),
        (["ringbuf", "perfbuf", "--assign", "100us"], "a window of 100us does not serve"),
        (["ringbuf", "perfbuf", "--assign", "banana"], "'banana' is not an assignment"),
        (["ringbuf", "perfbuf", "--precision", "0"], "--precision 0 is not a share"),
        (["ringbuf", "perfbuf", "--precision", "nan"], "--precision nan is not a share"),
        (["ringbuf", "perfbuf", "--precision", "-2%"], "--precision -2% is not a share"),
        (["ringbuf", "perfbuf", "--precision", "inf"], "--precision inf is not a share"),
        (["ringbuf", "perfbuf", "--margin", "nan%"], "--margin nan% is not a share"),
        (["ringbuf", "perfbuf", "--assign", "-1ms"], "'-1ms' is not an assignment"),
        (["ringbuf", "perfbuf", "--assign", "0ms"], "a window of 0ms does not serve"),
        (["ringbuf", "perfbuf", "--assign", "2s"], "a window of 2s does not serve"),
        (["ringbuf", "perfbuf", "--count", "0"], "count 0 is out of range; take 1 to"),
        (["ringbuf", "perfbuf", "--seconds", "nan"], "--seconds nan is out of range"),
        (["ringbuf", "perfbuf", "--rate", "nan"], "rate nan is out of range; take 0 to"),
        (["ringbuf", "perfbuf", "--rate", "-1"], "rate -1 is out of range; take 0 to"),
        (["ringbuf", "perfbuf", "--workload", "burst", "--rate", "9"], "a burst has no rate"),
        (["ringbuf", "perfbuf", "--budget", "0"], "--budget: '0' is not a size"),
        (["ringbuf", "perfbuf", "--budget", "3000"], "is no power of two of pages"),
        (["ringbuf", "perfbuf", "--budget", "1TiB"], "is larger than this machine's memory"),
        (["ringbuf:checked", "perfbuf"], "two programs of one kind"),
        (["ringbuf:records=1001", "perfbuf"], "records=1001"),
        (["ringbuf", "perfbuf", "--storms", "7"], "--storms 7 is out of range"),
        (["ringbuf", "perfbuf", "--seconds", "0"], "--seconds 0 is out of range"),
        (["ringbuf", "perfbuf", "--workload", "chain"], "a duet of chain"),
        (["ringbuf", "perfbuf", "--workload", "trickle"], "a trickle is paced"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    journal = tmp_path / "duet.jsonl"
    done = process.run([*DUET, *arguments, "--output", str(journal)], timeout_s=30, check=False)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not journal.exists()


@pytest.mark.live
def test_one_cpu_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    journal = tmp_path / "duet.jsonl"
    words = [*DUET, "ringbuf", "perfbuf", "--output", str(journal)]
    last = str(max(os.sched_getaffinity(0)))
    done = process.run(["taskset", "-c", last, *words], timeout_s=30, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("bufbench: a duet needs 2 usable CPUs")
    assert done.stderr.count("\n") == 1
    assert not journal.exists()


@pytest.mark.slow
@pytest.mark.live
def test_a_storm_shorter_than_its_windows_is_refused_after_one(tmp_path: Path) -> None:
    journal = tmp_path / "duet.jsonl"
    words = ["ringbuf", "perfbuf", "--assign", "500ms", "--count", "1000", "--wait"]
    done = process.run([*DUET, *words, "--output", str(journal)], timeout_s=120, check=False)
    assert done.returncode == 2
    assert "which is less than 4 windows of 500 ms; take a shorter window" in done.stderr
    assert len(read_journal(journal).trials) == 2


@pytest.mark.slow
@pytest.mark.live
def test_an_arm_that_this_kernel_lacks_is_refused(tmp_path: Path) -> None:
    if Kernel.probe().overwrites:
        pytest.skip("this kernel's rings can overwrite")
    journal = tmp_path / "duet.jsonl"
    words = [*DUET, "overwrite", "ringbuf", "--wait", "--output", str(journal)]
    done = process.run(words, timeout_s=60, check=False)
    assert done.returncode == 3
    assert "cannot overwrite, which came with Linux 6.19" in done.stderr.splitlines()[-1]
    assert read_journal(journal).trials == ()


@pytest.mark.slow
@pytest.mark.live
def test_a_duet_answers_in_json_and_leaves_a_journal_that_reports_read(tmp_path: Path) -> None:
    journal = tmp_path / "duet.jsonl"
    words = ["ringbuf:delay=50000", "perfbuf", "--storms", "8", "--count", "1500", "--wait"]
    done = process.run([*DUET, *words, "--json", "--output", str(journal)], timeout_s=120)
    answer = json.loads(done.stdout)
    numbers = {each["key"]: each for each in answer["numbers"]}
    assert set(numbers) == {"latency_p50_ns", "latency_p99_ns", "write_ns", "read_ns"}
    assert answer["storms"] == 8
    for each in numbers.values():
        assert each["low"] <= each["ratio"] <= each["high"]
        assert each["resolvable"] > 0
    assert numbers["write_ns"]["verdict"] == "more"  # 50 us more than some 10
    assert numbers["write_ns"]["first"] - numbers["write_ns"]["second"] > 40_000
    assert answer["later_share"] > 0.6
    assert answer["p"] < 1e-6
    trials = read_journal(journal, strict=True).trials
    assert [trial.arm for trial in trials if trial.block == 0] == [
        "ringbuf@1MiB/delay=50000",
        "perfbuf@1MiB",
    ]
    assert len(trials) == 16


@pytest.mark.slow
@pytest.mark.live
def test_a_precision_ends_the_run_once_it_is_reached(tmp_path: Path) -> None:
    words = ["ringbuf", "ringbuf", "--precision", "30%", "--count", "1500", "--wait", "--json"]
    journal = tmp_path / "duet.jsonl"
    answer = json.loads(
        process.run([*DUET, *words, "--output", str(journal)], timeout_s=120).stdout
    )
    assert 8 <= answer["storms"] < 24
    waited_for = ("latency_p50_ns", "write_ns")  # as docs/metrics.md says
    central = [each for each in answer["numbers"] if each["key"] in waited_for]
    assert len(central) == 2
    assert all(each["resolvable"] <= 0.30001 for each in central)
