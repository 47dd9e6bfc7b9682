# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench duet as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reference import FOLDER
from tracing import BUFBENCH, bufbench, on_one_cpu

from bench.host import process
from bench.journal.reader import read_journal
from bench.plan.arms import compose_duet, side
from bench.plan.config import Duet, TrialConfig
from bench.plan.experiments import Experiment
from bench.questions.duet.judge import judge, recorded
from bench.tracer.program import Kernel
from bench.tracer.transports import find

QUICK = FOLDER / "quick/journal.jsonl.gz"
SIZE = FOLDER / "size/journal.jsonl.gz"


def planned(first: str, second: str) -> Experiment:
    """Return the plan of a duet at default settings."""
    sides = side(first, find), side(second, find)
    config = TrialConfig(transport="none", budget_bytes=0, duet=Duet())
    return compose_duet("duet-storm", "", sides, config, 1 << 20, blocks=8, cpus=2)


@pytest.mark.live
def test_one_cpu_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    journal = tmp_path / "duet.jsonl"
    words = ("duet", "ringbuf", "perfbuf", "--output", str(journal))
    done = bufbench(*words, before=on_one_cpu())
    assert done.returncode == 3
    assert done.stderr.startswith("bufbench: a duet needs 2 usable CPUs")
    assert done.stderr.count("\n") == 1
    assert not journal.exists()


@pytest.mark.slow
@pytest.mark.live
def test_a_storm_shorter_than_its_windows_is_refused_after_one(tmp_path: Path) -> None:
    journal = tmp_path / "duet.jsonl"
    words = ["ringbuf", "perfbuf", "--assign", "1s", "--count", "100", "--wait"]
    done = bufbench("duet", *words, "--output", str(journal), timeout_s=120)
    assert done.returncode == 2
    assert "which is less than 4 windows of 1,000 ms; take a shorter window" in done.stderr
    assert len(read_journal(journal).trials) == 2


@pytest.mark.slow
@pytest.mark.live
def test_an_arm_that_this_kernel_lacks_is_refused(tmp_path: Path) -> None:
    if Kernel.probe().overwrites:
        pytest.skip("this kernel's rings can overwrite")
    journal = tmp_path / "duet.jsonl"
    words = [*BUFBENCH, "duet", "overwrite", "ringbuf", "--wait", "--output", str(journal)]
    done = process.run(words, timeout_s=60, check=False)
    assert done.returncode == 3
    assert "cannot overwrite, which came with Linux 6.19" in done.stderr.splitlines()[-1]
    assert read_journal(journal).trials == ()


@pytest.mark.slow
@pytest.mark.live
def test_a_duet_answers_in_json_and_leaves_a_journal_that_reports_read(tmp_path: Path) -> None:
    journal = tmp_path / "duet.jsonl"
    words = ["ringbuf:delay=150000", "perfbuf", "--storms", "8", "--count", "1500", "--wait"]
    done = bufbench("duet", *words, "--json", "--output", str(journal), timeout_s=120)
    answer = json.loads(done.stdout)
    numbers = {each["key"]: each for each in answer["numbers"]}
    assert set(numbers) == {"latency_p50_ns", "latency_p99_ns", "write_ns", "read_ns"}
    assert answer["storms"] == 8
    for each in numbers.values():
        assert each["low"] <= each["ratio"] <= each["high"]
        assert each["resolvable"] > 0
    # 150 us and some 7, against some 10 or 20, on a slow machine 100.
    assert numbers["write_ns"]["verdict"] == "more"
    assert numbers["write_ns"]["first"] > 147_000  # its bucket begins at 147,456 ns
    trials = read_journal(journal, strict=True).trials
    found = judge(planned("ringbuf:delay=150000", "perfbuf"), trials)
    assert (answer["later_share"], answer["p"]) == (found.later_share, found.p)
    assert answer["later_share"] > 0.6
    assert answer["p"] < 1e-6
    assert [trial.arm for trial in trials if trial.block == 0] == [
        "ringbuf@1MiB/delay=150000",
        "perfbuf@1MiB",
    ]
    assert len(trials) == 16
    again = bufbench("duet", "--from", str(journal), "--json", "--margin", "2%")
    assert json.loads(again.stdout) == answer
    assert f"page: {tmp_path}/duet.html\n" in done.stderr
    assert "<h1" in (tmp_path / "duet.html").read_text()


@pytest.mark.slow
@pytest.mark.live
def test_a_precision_ends_the_run_once_it_is_reached(tmp_path: Path) -> None:
    words = ["ringbuf", "ringbuf", "--precision", "30%", "--count", "1500", "--wait", "--json"]
    journal = tmp_path / "duet.jsonl"
    answer = json.loads(bufbench("duet", *words, "--output", str(journal), timeout_s=120).stdout)
    *earlier, _, _ = read_journal(journal, strict=True).trials
    found = judge(planned("ringbuf", "ringbuf"), earlier, 0.02, brief=True)
    assert found.storms == 7 or found.half_width > 0.3 or found.times_to_settle
    waited_for = ("latency_p50_ns", "write_ns")  # as docs/metrics.md says
    central = [each for each in answer["numbers"] if each["key"] in waited_for]
    assert len(central) == 2
    reached = all(each["resolvable"] <= 0.30001 for each in central)
    assert reached or answer["given_up"]  # a minute of storms on a noisy machine


def test_duets_of_a_journal_are_judged_again() -> None:
    done = bufbench("duet", "--from", str(QUICK), "--json")
    answers = json.loads(done.stdout)
    assert [each["workload"] for each in answers] == ["storm", "trickle"]
    (run,) = read_journal(QUICK)
    for answer, duet in zip(answers, recorded(run), strict=True):
        found = judge(duet, run.trials)
        assert [each["ratio"] for each in answer["numbers"]] == [
            row.estimate.point for row in found.rows if row.estimate is not None
        ]
    *_, exact = json.loads(
        bufbench("duet", "--from", str(QUICK), "--json", "--margin", "90%").stdout
    )
    assert {each["verdict"] for each in exact["numbers"] if each["key"] == "write_ns"} == {
        "equivalent"
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "a duet has two arms; name both"),
        (("ringbuf",), "a duet has two arms; name both"),
        (("ringbuf", "--from", str(QUICK)), "A has no effect with --from, which runs nothing"),
        (("--from", str(QUICK), "--seed", "3"), "--seed has no effect with --from"),
        (("--from", str(QUICK), "--margin", "none"), "--margin none is not a share"),
        (("--from", str(SIZE)), f"{SIZE} holds no duet; see bufbench report "),
        (("--from", "/none"), "journal /none cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_judged_again_is_refused(words: tuple[str, ...], message: str) -> None:
    done = bufbench("duet", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"bufbench: {message}")
    assert done.stderr.count("\n") == 1
