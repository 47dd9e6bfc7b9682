# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test defaults of options from bufbench.toml and pyproject.toml."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BufbenchError, UsageError
from bench.host import process

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app, settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(settings.VARIABLE, raising=False)
    return tmp_path


def planned(capfd: pytest.CaptureFixture[str], *words: str) -> Any:
    assert app.run([*words, "--dry-run", "--json"]) == 0
    return json.loads(capfd.readouterr().out)


def experiments(capfd: pytest.CaptureFixture[str], *words: str) -> list[str]:
    return [each["experiment"] for each in planned(capfd, *words)["experiments"]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bufbench.toml", '[run]\nworkload = "burst"\nblocks = 3\nbudget = ["8K", "64KiB"]'),
        (
            "pyproject.toml",
            '[tool.bufbench.run]\nworkload = "burst"\nblocks = 3\nbudget = ["8K", 65536]',
        ),
        (
            "pyproject.toml",
            '[tool]\nbufbench.run = {workload="burst", blocks=3, budget=["8K", "64K"]}',
        ),
    ],
)
def test_a_file_gives_defaults(
    name: str, text: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_text(text)
    (found,) = planned(capfd, "run")["experiments"]
    assert (found["experiment"], found["blocks"]) == ("burst", 3)
    assert {each.partition("@")[2].partition("(")[0] for each in found["arms"]} == {"8KiB", "64KiB"}


def test_the_command_line_precedes(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "bufbench.toml").write_text('[run]\nworkload = "burst"\n[duet]\nstorms = 9')
    assert experiments(capfd, "run") == ["burst"]
    assert experiments(capfd, "run", "--workload", "chain") == ["chain"]
    assert planned(capfd, "duet", "ringbuf", "perfbuf")["trials"] == 18


def test_a_storm_on_the_command_line_precedes_a_profile_of_the_file(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "bufbench.toml").write_text('[run]\nprofile = "quick"')
    assert len(experiments(capfd, "run")) > 5
    assert experiments(capfd, "run", "--workload", "chain") == ["chain"]
    with pytest.raises(UsageError, match="--workload has no effect with --profile"):
        app.run(["run", "--profile", "quick", "--workload", "chain", "--dry-run"])


def test_bufbench_toml_comes_first(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "bufbench.toml").write_text('[run]\nworkload = "burst"')
    (folder / "pyproject.toml").write_text('[tool.bufbench.run]\nworkload = "chain"')
    assert experiments(capfd, "run") == ["burst"]


def test_it_can_be_left_alone(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bufbench.toml").write_text('[run]\nworkload = "burst"')
    (folder / "other.toml").write_text('[run]\nworkload = "chain"')
    assert app.run(["--no-config", "run", "--dry-run", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["experiments"][0]["experiment"] == "storm"
    monkeypatch.setenv(settings.VARIABLE, "")
    assert experiments(capfd, "run") == ["storm"]
    monkeypatch.setenv(settings.VARIABLE, "other.toml")
    assert experiments(capfd, "run") == ["chain"]
    monkeypatch.setenv(settings.VARIABLE, "missing.toml")
    with pytest.raises(UsageError, match=r"cannot read missing\.toml"):
        app.run(["run", "--dry-run"])


def test_subcommands_have_tables_of_their_own(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "bufbench.toml").write_text('[kernels.run]\njobs = 2\ntime-limit = "1m"')
    assert planned(capfd, "kernels", "run", "6.1", "6.12", "6.18")["at_most_seconds"] == 120


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\nblock = 8", "run.block: there is no such option; choose from profile, workload"),
        ("[run]\nas_json = true", "run.as_json: there is no such option"),
        ("[runs]\nblocks = 8", "runs: there is no such command; choose from doctor, run"),
        ("[kernels.rum]\nx = 1", "kernels.rum: there is no such command; choose from list"),
        (
            "[tool.bufbench.run]\nblocks = 8",
            "only pyproject.toml has [tool.bufbench.run]; write [run]",
        ),
        ("run = 3", "run is not a table; write [run]"),
        ('[run]\nblocks = "8"', "run.blocks is not a whole number"),
        ("[run]\nblocks = true", "run.blocks is not a whole number"),
        ("[run]\nblocks = 8.5", "run.blocks is not a whole number"),
        ('[run]\nrate = "fast"', "run.rate is not a number"),
        ("[run]\nwait = 1", "run.wait is not true or false"),
        ('[run]\nbudget = "8K"', "run.budget is not a list"),
        ("[run]\nbudget = [{}]", "run.budget is not a list, with each entry a string or a number"),
        ("[run]\nworkload = 1979-05-27", "run.workload is not a string or a number"),
        ('[run]\nworkload = "x"', "run.workload: 'x' is not one of 'storm'"),
        ('[run]\nseconds = "5 parsecs"', "'5 parsecs' is not a length of time"),
        ('[run]\nbudget = ["8Q"]', "run.budget: --budget: '8Q' is not a size"),
        (
            "[run]\nbudget = [5000]",
            "run.budget: --budget: a budget of 5,000 bytes is not a power of two times",
        ),
        ('[run]\npayload = "9G"', "run.payload: --payload: a payload of 9663676416 bytes is not"),
        ('[run]\noutput = "a\\u0000b"', "run.output contains a NUL character"),
        ('[run]\ntransport = ["a\\u0000b"]', "run.transport contains a NUL character"),
        ('[duet]\nbudget = "8Q"', "duet.budget: --budget: '8Q' is not a size"),
        ('[trace]\nbudget = "8Q"', "trace.budget: --budget: '8Q' is not a size"),
        ("[run", "is not TOML"),
        ("\udcff", "is not TOML"),
        ("a=" + "[" * 100_000, "is not TOML"),
        ("#" * 300_000, "is longer than any settings"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(text: str, said: str, folder: Path) -> None:
    (folder / "bufbench.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    words = {"kernels": ["kernels", "list"], "duet": ["duet", "A", "B"], "trace": ["trace"]}
    with pytest.raises(BufbenchError) as raised:
        app.run(words.get(text[1:].partition("]")[0].partition(".")[0], ["run", "--dry-run"]))
    assert str(raised.value).startswith("bufbench.toml")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", '[project]\nname = "bufbench"', "[tool.other]\nx = 1", "not = [toml"]
)
def test_a_pyproject_of_something_else_is_nothing_to_us(
    text: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "pyproject.toml").write_text(text)
    (folder / "pyproject.toml").chmod(0o666)
    assert experiments(capfd, "run") == ["storm"]


def test_what_is_no_file_is_passed_by(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(folder / "bufbench.toml")
    (folder / "pyproject.toml").mkdir()
    assert experiments(capfd, "run") == ["storm"]


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_root_does_not_follow_what_others_may_write(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "bufbench.toml"
    path.write_text('[run]\nworkload = "burst"')
    for mode in (0o666, 0o664, 0o646):
        path.chmod(mode)
        with pytest.raises(UsageError, match="is not followed as root: others may write it"):
            app.run(["run", "--dry-run"])
    path.chmod(0o644)
    os.chown(path, 1234, 1234)
    with pytest.raises(UsageError, match="is not followed as root"):
        app.run(["run", "--dry-run"])
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1234")
    assert experiments(capfd, "run") == ["burst"]


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_root_does_not_follow_a_link_of_others(folder: Path) -> None:
    (folder / "kept.toml").write_text('[run]\nworkload = "burst"')
    (folder / "bufbench.toml").symlink_to("kept.toml")
    os.lchown(folder / "bufbench.toml", 1234, 1234)
    with pytest.raises(UsageError, match="is not followed as root"):
        app.run(["run", "--dry-run"])


def test_a_start_without_settings_reads_no_toml(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\n[tool.ruff]\n')
    script = (
        "import sys; from bench.cli import app; app.run(['trace', '--help']);"
        "print('tomllib' in sys.modules)"
    )
    done = process.run([sys.executable, "-c", script], timeout_s=30, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "False"
