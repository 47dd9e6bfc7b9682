# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that --dry-run prints the plan, and does nothing else."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest
from jsonschema import validate
from schemas import schema

from bench.host import process
from bench.linux import cpus
from bench.plan.duration import estimate_seconds
from bench.questions.transports import profiles

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app

COMMANDS = (
    *("run", "run --profile standard", "run --workload burst --transport ringbuf --blocks 3"),
    *("duet ringbuf perfbuf", "duet ringbuf perfbuf --precision 2% --assign 1ms --assign solo"),
    *("tune", "tune --rate 500 --transport ringbuf --for cpu"),
    *("size", "size --burst 500 --transport ringbuf"),
    *("claims", "claims --only rb-order --until-settled 5", "kernels run 6.1 6.12-rt --jobs 2"),
)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS)
def test_the_plan_is_printed_and_nothing_is_touched(
    words: str, nowhere: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert app.run([*words.split(), "--dry-run"]) == 0
    text, errors = capfd.readouterr()
    assert text.startswith("Plan: ")
    assert "nothing is run" in text
    assert errors == ""
    assert not [*nowhere.iterdir()]
    assert app.run([*words.split(), "--dry-run", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    validate(data, schema("plan"))
    assert data["trials"] >= sum(each["trials"] for each in data["experiments"]) > 0
    assert data["seconds"] or data["at_most_seconds"]


def test_a_profile_is_planned_whole(nowhere: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert nowhere.exists()
    assert app.run(["run", "--profile", "quick", "--dry-run", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    expected = profiles.profile("quick", cpus.usable()).experiments
    assert [each["experiment"] for each in data["experiments"]] == [each.name for each in expected]
    seconds = sum(map(estimate_seconds, expected))
    assert data["seconds"] == pytest.approx(seconds, abs=1)


def test_what_is_wrong_is_refused_all_the_same(nowhere: Path) -> None:
    assert nowhere.exists()
    with pytest.raises(Exception, match="there is no profile"):
        app.run(["run", "--profile", "x", "--dry-run"])


@pytest.mark.slow
def test_no_privilege_is_needed(tmp_path: Path) -> None:
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
    for words in (
        ["-c", "from bench.cli import main; main()", "run", "--dry-run"],
        ["-m", "bench.suite", "--dry-run", "--junitxml=x.xml"],
    ):
        done = process.run([*drop, sys.executable, *words], timeout_s=60, check=False, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "nothing is run" in done.stdout
    assert not [*tmp_path.iterdir()]
