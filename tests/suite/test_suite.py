# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the pytest-benchmark suite, run as `./run bench` runs it, cut to one experiment."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from made_up_trials import header, trial
from tracing import alive, bpf_ids, eventually, reaches, side_by_side

from bench.campaign import gates
from bench.host import process
from bench.journal.reader import read_journal
from bench.journal.writer import JournalWriter
from bench.questions.transports.coverage import coverage
from bench.suite import plugin, test_experiments
from bench.trial.result import TrialResult

SUITE = [sys.executable, "-m", "bench.suite"]


def suite(*arguments: str) -> process.Completed:
    return process.run([*SUITE, *arguments], timeout_s=160, check=False)


def test_a_replayed_clock_does_not_move() -> None:
    replayed: Any = SimpleNamespace(replayed_ns=0)
    clock = partial(plugin.Suite.clock, replayed)
    assert clock() == clock() == 0.0
    replayed.replayed_ns += 1_500_000_000
    assert clock() == clock() == 1.5


def test_junit_has_the_kernel_the_gate_and_the_seed(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "x.jsonl") as writer:
        writer.write(replace(header(), seed=7))
        writer.write(trial("ringbuf@8KiB", 0))
    written: dict[str, str] = {}
    plugins = [object(), SimpleNamespace(add_global_property=written.__setitem__)]
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugins=lambda: plugins))
    for given, gate in (((), "none"), (("ringbuf:causal,drops",), "ringbuf:causal,drops")):
        ran: Any = SimpleNamespace(journal=tmp_path / "x.jsonl", gates=gates.parse(*given))
        plugin._record_run(config, ran)
        assert written["kernel"] == header().machine.kernel_release
        assert (written["gate"], written["seed"]) == (gate, "7")


class _Suite(SimpleNamespace):
    """Hold what the fixture ``trials`` takes of a suite."""

    def run(self, experiment: object) -> list[TrialResult]:  # noqa: ARG002
        return self.made


def test_reduced_storms_are_no_rounds() -> None:
    cut = trial("ringbuf@8KiB", 0)
    cut = replace(cut, storm=replace(cut.storm, lowered_from=5_000))
    full = trial("ringbuf@8KiB", 1)
    of_arm: Any = inspect.unwrap(test_experiments.trials)
    names = SimpleNamespace(name="storm"), SimpleNamespace(name="ringbuf@8KiB")
    some = _Suite(made=[cut, full], reduced=[], unmeasured=[])
    assert of_arm(some, *names) == [full]
    (line,) = some.reduced
    assert line.startswith("storm ringbuf@8KiB: 1 of 2 storms reduced")
    assert "from 5,000 processes" in line
    assert some.unmeasured == []
    none = _Suite(made=[cut], reduced=[], unmeasured=[])
    with pytest.raises(pytest.skip.Exception, match="1 of 1 storm"):
        of_arm(none, *names)
    assert none.unmeasured == ["storm-ringbuf@8KiB"]


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


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--seed", "first"]])
def test_a_wrong_option_is_refused_in_a_line(arguments: list[str]) -> None:
    done = suite(*arguments)
    assert done.returncode == 2
    (line,) = (done.stdout + done.stderr).strip().splitlines()
    assert line.startswith("bufbench: ")
    assert line.endswith("; see ./run bench -- --help")


REFUSED: list[tuple[list[str], int, str]] = [
    (["--fail-on", "rngbuf:drops"], 2, "no gate 'rngbuf:drops'"),
    (["--fail-on", ""], 2, "no gate ''"),
    (["--fail-on", "drops,"], 2, "no gate ''"),
    (["--fail-on", "sharded:drops"], 1, "sharded:drops cannot be measured"),
    (["--fail-on", "drops", "-k", "no_such_experiment"], 1, "drops was not measured"),
    (["--fail-on", "drops", "--collect-only"], 1, "drops was not measured"),
    (["--seed", str(10**30)], 2, "--seed"),
    (["--benchmark-compare-fail=mean:20%"], 2, "needs a run to compare with"),
    (["--benchmark-json=nodir/x.json"], 2, "cannot write nodir/x.json"),
    (["--benchmark-json=/proc/x.json"], 2, "cannot write /proc/x.json"),
    (["--benchmark-json=."], 2, "cannot write ."),
    (["--benchmark-compare=nosuch.json"], 2, "there is no 'nosuch.json'"),
    (["--benchmark-compare"], 2, "no saved run"),
    (["--benchmark-compare=a/b/c"], 2, "a/b/c"),
    (["--benchmark-storage=nosuch://x"], 2, "Storage must be"),
    (["--benchmark-save=x", "--benchmark-storage=/proc/x"], 2, "--benchmark-save"),
    (["--benchmark-save=" + "x" * 300], 2, "File name too long"),
    (["--benchmark-save-data"], 2, "--benchmark-save-data"),
    (["--benchmark-group-by=x"], 2, "'x'"),
    (["--benchmark-skip"], 2, "nothing would be measured"),
    (["--benchmark-disable"], 2, "nothing would be measured"),
    *(
        ([f"--benchmark-{each}"], 2, f"--benchmark-{each.partition('=')[0]} has no effect")
        for each in (
            *("cprofile=tottime", "cprofile-loops=2", "cprofile-top=3", "cprofile-dump"),
            *("min-time=1", "max-time=1", "min-rounds=5", "timer=time.time", "warmup=on"),
            *("calibration-precision=3", "warmup-iterations=3", "disable-gc"),
        )
    ),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, process.Completed]]:
    """Return how the suite ended with each, and where; run side by side, as none measures."""
    places = [tmp_path_factory.mktemp("refused") for _ in REFUSED]

    def ended(number: int) -> tuple[Path, process.Completed]:
        words = [*SUITE, "-q", "--junitxml=x.xml", "--journal=x.jsonl", *REFUSED[number][0]]
        place = places[number]
        return place, process.run(words, timeout_s=160, check=False, cwd=place)

    return side_by_side(ended, range(len(REFUSED)))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[" ".join(each[0]) for each in REFUSED])
def test_what_would_come_to_nothing_is_refused(
    number: int, refused: dict[int, tuple[Path, process.Completed]]
) -> None:
    (_, code, said), (place, done) = REFUSED[number], refused[number]
    assert done.returncode == code, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("bufbench: ")
    assert said in line
    assert not (place / "x.jsonl").exists()
    xml = place / "x.xml"
    (cases,) = ET.parse(xml).getroot()
    assert int(cases.attrib["failures"]) + int(cases.attrib["errors"]) == 1
    assert said in xml.read_text().replace("&apos;", "'").replace("&#x27;", "'")


def test_privileges_come_before_the_first_test(tmp_path: Path) -> None:
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
    xml = f"--junitxml={tmp_path}/x.xml"
    done = process.run([*without, *SUITE, xml], timeout_s=60, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "bufbench: this user lacks CAP_BPF and CAP_PERFMON; "
        "run as root, or grant CAP_BPF and CAP_PERFMON\n"
    )
    assert 'errors="1"' in (tmp_path / "x.xml").read_text()
    for shown in ("--help", "--collect-only"):
        done = process.run([*without, *SUITE, shown], timeout_s=60, check=False)
        assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("code", ["0 / 0", "raise OSError(28, 'No space left on device')"])
def test_errors_of_the_host_framework_are_no_gate(code: str, tmp_path: Path) -> None:
    """Report them in a line and in the file, while it collects and after the tests."""
    for hook in ("pytest_collection_finish", "pytest_sessionfinish", "pytest_terminal_summary"):
        (tmp_path / f"{hook}_fails.py").write_text(f"def {hook}():\n    {code}\n")
        words = ["-p", f"{hook}_fails", "--collect-only", "-q", f"--junitxml={tmp_path}/x.xml"]
        script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = {words!r}\n"
        script += "import runpy; runpy.run_module('bench.suite', run_name='__main__')"
        done = process.run([sys.executable, "-c", script], timeout_s=60, check=False)
        assert done.returncode == 2, (hook, done)
        assert "Traceback" not in done.stdout + done.stderr
        assert "INTERNALERROR" not in done.stdout + done.stderr
        assert "bufbench: pytest failed: " in done.stderr.splitlines()[-1], hook
        assert 'errors="1"' in (tmp_path / "x.xml").read_text()


@pytest.mark.live
def test_an_unfit_machine_ends_the_suite_in_a_line() -> None:
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
    done = process.run([*without, *SUITE, "-q"], timeout_s=60, check=False)
    assert done.returncode == 3, done
    assert "run as root" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.live
def test_rounds_are_blocks_and_times_the_storms_own(tmp_path: Path) -> None:
    journal, results = tmp_path / "quick.jsonl", tmp_path / "quick.json"
    junit = tmp_path / "quick.xml"
    began = time.monotonic()
    done = suite(
        "-k", "chain", "--wait", "--journal", str(journal), f"--benchmark-json={results}",
        "--fail-on", "ringbuf:causal,perfbuf:causal", f"--junitxml={junit}",
    )  # fmt: skip
    seconds = time.monotonic() - began
    tests = [*ET.parse(junit).iter("testcase")]
    failed = [each.attrib["name"] for each in tests if each.find("failure") is not None]
    times = {each.attrib["name"]: float(each.attrib["time"]) for each in tests}
    content = read_journal(journal, strict=True)
    trials = [trial for trial in content.trials if trial.experiment == "chain"]
    # How many pairs each trial has, and how many of perf's are violated, is up to the machine's
    # load; what the gates make of them is not. A ring keeps order under any.
    violated = {t.config.transport for t in trials if t.ordering and t.ordering.causal_violations}
    assert violated <= {"perfbuf"}
    assert done.returncode == (1 if violated else 0), done
    assert failed == ["gate perfbuf:causal"] * bool(violated)
    assert {"gate ringbuf:causal", "gate perfbuf:causal", "set-up"} < set(times)
    assert sum(times.values()) < seconds
    assert re.search(r"^\[1/1\] chain: \d+ trials; about \d+ s$", done.stderr, re.MULTILINE)
    assert "ringbuf:causal" not in done.stderr
    assert ("perfbuf:causal" in done.stderr.splitlines()[-1]) == bool(violated)
    planned = coverage(content.runs)
    assert (planned.planned_trials, planned.planned_trials_ran, planned.complete) == (
        len(trials),
        len(trials),
        True,
    )
    properties = {
        each.attrib["name"]: each.attrib["value"] for each in ET.parse(junit).iter("property")
    }
    assert properties == {
        "kernel": os.uname().release,
        "gate": "ringbuf:causal,perfbuf:causal",
        "seed": "1",
        "planned_trials": str(len(trials)),
        "planned_trials_ran": str(len(trials)),
    }
    arms = {trial.arm for trial in trials}
    blocks = Counter(trial.arm for trial in trials)
    assert len(set(blocks.values())) == 1
    assert len(trials) == len({(trial.arm, trial.block) for trial in trials})
    measured = {test["name"]: test for test in json.loads(results.read_text())["benchmarks"]}
    assert set(measured) == {f"test_arm[chain-{arm}]" for arm in arms}
    for arm in arms:
        test = measured[f"test_arm[chain-{arm}]"]
        own = [trial for trial in trials if trial.arm == arm]
        storms_s = sum(trial.storm.seconds for trial in own)
        assert storms_s < times[f"test_arm[chain-{arm}]"]
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
        [
            *SUITE,
            "-k",
            "trickle",
            "--wait",
            "--journal",
            str(journal),
            f"--junitxml={tmp_path}/x.xml",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert reaches(
            run, lambda: journal.exists() and journal.read_bytes().count(b'"trial"') >= 3
        )
        ids = bpf_ids(run.pid)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    (cases,) = ET.parse(tmp_path / "x.xml").getroot()
    assert (cases.attrib["failures"], cases.attrib["errors"]) == ("0", "1")
    assert len(read_journal(journal, strict=True).trials) >= 2
    assert eventually(lambda: not alive(ids))
