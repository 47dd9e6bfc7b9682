# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what the action and the component do with a run that succeeds, fails, or never begins."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from ci_steps import ROOT, Ended, run_action, run_component
from reference import FOLDER

from bench.host import process

FILES: Final = ("bufbench.jsonl", "bufbench.html", "bufbench.xml")
HOSTILE: Final = (
    "$(touch pwned)`touch pwned`",
    '"; touch pwned; "',
    "'; touch pwned; '",
    "x && touch pwned #\nexit-code=0\nfolder=/",
    "--help",
    "* ${HOME} -",
)
# Instead of ./run and bufbench: records its arguments, leaves files, says something and ends.
STUB: Final = """#!/usr/bin/python3 -I
import json, sys
from pathlib import Path

root, words = Path("@ROOT@"), sys.argv[1:]
with (root / "called").open("a") as called:
    print(json.dumps([Path(sys.argv[0]).name, *words]), file=called)
plan = json.loads((root / "plan").read_text())
if "--format=summary" in words:
    print("the summary")
elif "--format=html" in words:
    Path(words[2]).with_suffix(".html").write_text("page made later")
elif "--help" not in words:
    for word in words:
        option, _, value = word.partition("=")
        if option in ("--journal", "--output", "--junitxml") and Path(value).name in plan["leaves"]:
            Path(value).write_text("measured")
            page = Path(value).with_suffix(".html")
            if page.name in plan["leaves"]:
                page.write_text("page")
    print(plan["says"], file=sys.stderr)
    sys.exit(plan["code"])
"""


@dataclass(frozen=True)
class Job:
    """Stand for a runner's machine, on which bufbench is a stub."""

    start: Callable[[Mapping[str, str]], Ended]
    checkout: Path
    tools: Path

    def calls(self) -> list[list[str]]:
        lines = (self.checkout / "called").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def plan(self, code: int, says: str = "", leaves: tuple[str, ...] = FILES) -> None:
        (self.checkout / "plan").write_text(
            json.dumps({"code": code, "says": says, "leaves": leaves})
        )

    def tool(self, name: str, script: str) -> None:
        path = self.tools / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


def stub(path: Path, root: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STUB.replace("@ROOT@", str(root)))
    path.chmod(0o755)


@pytest.fixture(params=["action", "component"])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    checkout, tools, place = (tmp_path / name for name in ("checkout", "tools", "place"))
    for folder in (checkout / ".ci", tools, place):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / ".ci/measure", checkout / ".ci")
    stub(checkout / "run", checkout)
    stub(checkout / ".venv/bin/bufbench", checkout)
    (checkout / "results/reference").mkdir(parents=True)
    (checkout / "results/reference/journal.jsonl").write_text("not to be kept")
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}

    def start(inputs: Mapping[str, str]) -> Ended:
        if request.param == "action":
            return run_action(checkout, place, inputs, env)
        return run_component(place, {"source": str(checkout), **inputs}, commit(checkout), env)

    found = Job(start, checkout, tools)
    found.tool("sudo", "exit 1")
    found.plan(0)
    return found


def commit(folder: Path) -> str:
    """Return the commit of all that is in ``folder``."""
    git = ("git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (["init", "-q"], ["add", "-fA"], ["commit", "-qm", "all"]):
        process.run([*git, *words], timeout_s=30)
    return process.run([*git, "rev-parse", "HEAD"], timeout_s=30).stdout.strip()


def kept(ended: Ended) -> dict[str, str]:
    """Return what the runner keeps, by its path within the folder."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for folder in ended.kept
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_without_a_folder_the_usage_is_printed() -> None:
    done = process.run([ROOT / ".ci/measure"], timeout_s=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "usage: .ci/measure FOLDER\n")


def test_a_profile_is_run_kept_and_summarised(job: Job) -> None:
    ended = job.start({"profile": "standard", "fail-on": "ringbuf:causal,drops", "seed": "7"})
    assert ended.code == 0, ended.log
    measured, summarised = job.calls()
    assert measured[:3] == ["run", "bench", "--"]
    assert {*measured} > {"--profile=standard", "--fail-on=ringbuf:causal,drops", "--seed=7"}
    assert summarised[:2] == ["run", "report"]
    assert {*kept(ended)} == {*FILES, "bufbench.log", "summary.md"}
    assert ended.summary == "the summary\n"


def test_without_inputs_it_is_the_quick_profile(job: Job) -> None:
    assert job.start({}).code == 0
    measured = job.calls()[0]
    assert "--profile=quick" in measured
    assert not [word for word in measured if word.startswith(("--seed", "--fail-on"))]


def test_a_failed_gate_fails_the_job_and_everything_is_kept(job: Job) -> None:
    job.plan(1, "bufbench: gate failed: ringbuf:causal: 3 of 1,200")
    ended = job.start({"fail-on": "ringbuf:causal"})
    assert ended.code == 1
    assert {*FILES} < {*kept(ended)}
    assert kept(ended)["bufbench.html"] == "page"  # the run's own is not made again
    first, rest = ended.summary.split("\n\n", 1)
    assert first == "**bufbench ended with exit code 1**"
    assert rest == "    bufbench: gate failed: ringbuf:causal: 3 of 1,200\n\nthe summary\n"
    assert "gate failed" in ended.log


@pytest.mark.parametrize("code", [2, 3, 4, 130])
def test_the_exit_code_is_bufbenchs(job: Job, code: int) -> None:
    job.plan(code)
    assert job.start({}).code == code


def test_without_a_journal_the_summary_says_why(job: Job) -> None:
    job.plan(3, "run: bench measures with BPF programs; run as root", ())
    ended = job.start({})
    assert ended.code == 3
    assert len(job.calls()) == 1  # there is nothing to report on
    assert {*kept(ended)} == {"bufbench.log", "summary.md"}
    assert "    run: bench measures with BPF programs; run as root\n" in ended.summary
    assert ended.summary.endswith("Nothing was measured: there is no journal.\n")


def test_a_run_that_was_killed_gets_its_page_all_the_same(job: Job) -> None:
    job.plan(137, "", ("bufbench.jsonl",))
    ended = job.start({})
    assert ended.code == 137
    assert kept(ended)["bufbench.html"] == "page made later"


def test_claims_are_judged_and_summarised_as_claims(job: Job) -> None:
    job.plan(0, "", ("bufbench.jsonl", "bufbench.html"))
    ended = job.start({"profile": "claims", "expect": "rb-order=reproduced  rb-since=refuted"})
    assert ended.code == 0, ended.log
    measured, summarised = job.calls()
    assert measured[:3] == ["run", "claims", "--"]
    assert measured[-2:] == ["--expect=rb-order=reproduced", "--expect=rb-since=refuted"]
    assert summarised[:3] == ["run", "claims", "--"]
    assert summarised[3].endswith("/bufbench.jsonl")


def test_an_experiment_is_run_once_the_machine_is_set_up(job: Job) -> None:
    ended = job.start({"workload": "burst", "budget": "64KiB 1MiB", "fail-on": "ringbuf:drops"})
    assert ended.code == 0, ended.log
    prepared, measured, *_ = job.calls()
    assert prepared == ["run", "report", "--", "--help"]
    assert measured[:2] == ["bufbench", "run"]
    assert {*measured} > {"--workload=burst", "--budget=64KiB", "--budget=1MiB"}
    assert not [word for word in measured if word.startswith("--profile")]


@pytest.mark.slow
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("more", [(), ("workload", "budget")])
def test_an_input_reaches_bufbench_as_it_is_and_no_shell(
    job: Job, more: tuple[str, ...], value: str
) -> None:
    job.plan(1)
    names = ("profile", "fail-on", "seed", "expect", *more)
    ended = job.start(dict.fromkeys(names, value))
    measured = next(call for call in job.calls() if "--help" not in call)
    for name in names:
        words = value.split() if name in ("budget", "expect") else [value]
        assert {*measured} >= {f"--{name}={word}" for word in words}
    assert ended.code == 1
    assert ended.outputs.get("exit-code", "1") == "1"
    assert not [*job.checkout.parent.rglob("pwned")]
    assert {"bufbench.jsonl", "bufbench.html"} < {*kept(ended)}


def test_a_runner_that_is_not_root_takes_sudo_and_gets_its_files_back(job: Job) -> None:
    job.tool("id", "echo 1234")
    log = job.tools / "sudo-log"
    job.tool("sudo", f'shift\necho "$1" >>{log}\ncase $1 in chown) ;; *) exec "$@" ;; esac')
    job.plan(1)
    assert job.start({}).code == 1
    called = log.read_text().split()
    assert called == ["true", "./run", "./run", "chown"]


def test_reference_results_are_not_kept(job: Job) -> None:
    ended = job.start({})
    assert "not to be kept" not in kept(ended).values()


@pytest.mark.parametrize("job", ["action"], indirect=True)
def test_two_runs_of_the_action_in_one_job_do_not_meet(job: Job) -> None:
    first, again = job.start({}), job.start({"artifact": "again"})
    assert first.outputs["folder"] != again.outputs["folder"]
    assert first.artifact == "bufbench-measure-3"  # the job, and its place in the matrix
    assert again.artifact == "again"


@pytest.mark.parametrize("job", ["action"], indirect=True)
def test_what_a_run_prints_is_no_command_to_the_runner(job: Job) -> None:
    job.plan(0, "::error::forged\n::add-mask::0")
    ended = job.start({})
    assert "::error::forged" in ended.log
    assert not ended.commands()


@pytest.mark.parametrize("job", ["component"], indirect=True)
def test_gitlab_finds_the_junit_file_where_it_looks(job: Job) -> None:
    assert Path(job.start({}).outputs["junit"]).read_text() == "measured"


@pytest.mark.slow
@pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="not started by ./run: nothing is installed"
)
@pytest.mark.parametrize("job", ["action"], indirect=True)
@pytest.mark.parametrize("profile", ["quick", "claims"])
def test_a_real_journal_becomes_a_page_and_a_summary(job: Job, profile: str) -> None:
    journal = job.tools / "journal"
    journal.write_bytes(gzip.decompress((FOLDER / profile / "journal.jsonl.gz").read_bytes()))
    (job.checkout / "run").write_text(
        "#!/bin/bash\n"
        f"if [[ $* != *--f* ]]; then for each; do case $each in\n"
        f'--journal=* | --output=*) cp {journal} "${{each#*=}}" ;;\nesac; done; exit 4; fi\n'
        f'exec {ROOT}/run "$@"\n'
    )
    ended = job.start({"profile": profile})
    assert ended.code == 4, ended.log
    assert kept(ended)["bufbench.html"].lower().startswith("<!doctype html>")
    assert 10 < len(ended.summary.splitlines()) <= 42
    assert ("reproduced" in ended.summary) == (profile == "claims")
