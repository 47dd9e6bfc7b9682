# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The pytest-benchmark suite, run as `./run bench` runs it, cut to one experiment."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tracing import alive, bpf_ids, eventually, reaches

from bench import process
from bench.journal.reader import read_journal
from bench.judge.coverage import coverage
from bench.suite.clock import ReplayClock

SUITE = [sys.executable, "-m", "bench.suite"]


def suite(*arguments: str) -> process.Completed:
    return process.run([*SUITE, *arguments], timeout_s=160, check=False)


def test_a_replayed_clock_stands_still() -> None:
    clock = ReplayClock()
    assert clock() == clock() == 0.0
    clock.advance(1_500_000_000)
    assert clock() == clock() == 1.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "endless"], "endless"),
        (["--fail-on", "boredom"], "boredom"),
        (["--seed", "first"], "first"),
        (["--no-such-option"], "--no-such-option"),
        (["no/such/file.py"], "no/such/file.py"),
        (["-k", "no_such_experiment"], ""),
    ],
)
def test_nonsense_is_a_usage_error(arguments: list[str], said: str) -> None:
    done = suite("-q", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len((done.stdout + done.stderr).strip().splitlines()) <= 4
    assert "Traceback" not in done.stderr


@pytest.mark.live
def test_an_unfit_machine_ends_the_suite_in_a_line() -> None:
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
    done = process.run([*without, *SUITE, "-q"], timeout_s=60, check=False)
    assert done.returncode == 3, done
    assert "run as root" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.live
def test_rounds_are_blocks_and_times_the_storms_own(tmp_path: Path) -> None:
    journal, results = tmp_path / "quick.jsonl", tmp_path / "quick.json"
    junit = tmp_path / "quick.xml"
    done = suite(
        "-k", "chain", "--wait", "--journal", str(journal), f"--benchmark-json={results}",
        "--fail-on", "ringbuf:causal,perfbuf:causal", f"--junitxml={junit}",
    )  # fmt: skip
    content = read_journal(journal, strict=True)
    trials = [trial for trial in content.trials if trial.experiment == "chain"]
    # How many pairs each trial has, and how many of perf's are violated, is up to the machine's
    # load; what the gates make of them is not. A ring keeps order under any.
    violated = {t.config.transport for t in trials if t.ordering and t.ordering.causal_violations}
    assert violated <= {"perfbuf"}
    assert done.returncode == (1 if violated else 0), done
    assert "ringbuf:causal" not in done.stderr
    assert ("perfbuf:causal" in done.stderr.splitlines()[-1]) == bool(violated)
    planned = coverage(content.runs)
    assert (planned.planned, planned.ran, planned.complete) == (len(trials), len(trials), True)
    for name in ("planned_trials", "planned_trials_ran"):
        assert f'<property name="{name}" value="{len(trials)}"' in junit.read_text()
    arms = {trial.arm for trial in trials}
    blocks = Counter(trial.arm for trial in trials)
    assert len(set(blocks.values())) == 1
    assert len(trials) == len({(trial.arm, trial.block) for trial in trials})
    told = {test["name"]: test for test in json.loads(results.read_text())["benchmarks"]}
    assert set(told) == {f"test_arm[chain-{arm}]" for arm in arms}
    for arm in arms:
        test = told[f"test_arm[chain-{arm}]"]
        own = [trial for trial in trials if trial.arm == arm]
        assert test["stats"]["rounds"] == test["extra_info"]["planned_trials"] == blocks[arm]
        assert test["stats"]["total"] == pytest.approx(sum(trial.storm.seconds for trial in own))
        assert test["stats"]["max"] == pytest.approx(max(trial.storm.seconds for trial in own))
        assert test["extra_info"]["reaped"] == sum(trial.storm.reaped for trial in own)
        if own[0].ledger:
            for name in ("attempted", "dropped", "own_attempted", "own_dropped", "missed"):
                total = sum(getattr(trial.ledger, name) for trial in own)
                assert test["extra_info"][name] == total
            violations = [t.ordering.causal_violations for t in own if t.ordering]
            assert test["extra_info"]["causal_violations"] == sum(violations)


@pytest.mark.slow
@pytest.mark.live
def test_ctrl_c_leaves_whole_lines_and_nothing_else(tmp_path: Path) -> None:
    journal = tmp_path / "quick.jsonl"
    with subprocess.Popen(
        [*SUITE, "-k", "trickle", "--wait", "--journal", str(journal)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert reaches(
            run, lambda: journal.exists() and journal.read_bytes().count(b'"trial"') >= 3
        )
        ids = bpf_ids(run.pid)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    assert run.returncode == 130
    assert len(read_journal(journal, strict=True).trials) >= 2
    assert eventually(lambda: not alive(ids))
