# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that any value of an option ends in a documented exit code and one line, and soon."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_trials import blocks, header

from bench.errors import BufbenchError, ExitCode, MachineUnfit
from bench.journal.writer import JournalWriter

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    import typer

    from bench.cli import app

pytestmark = pytest.mark.usefixtures("nothing_runs")
WORDS = (
    "", " ", "-1", "0", "1", "-0", "nan", "-nan", "inf", "-inf", "1e999", "1e-999", "9" * 30,
    "9" * 5_000, "-" + "9" * 30, "0x10", "1_000", "٣", "½", "1.5", "true", "None", "%s%n", "{0}",
    "../..", "/dev/null", "/", "-", "--", "=", ",", ":", "@", "*", "~", "\n", "a\nb", "\x1b[2J",
    "\u202e", "\udcff", "[red]", "<b>", "64KiB", "999999GiB", "1" * 15 + "g", "storm", "mixed",
    "0-99999", "0,0", "3-1", "drops", "ringbuf:drops", "rb-order=reproduced",
)  # fmt: skip
HOSTILE = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), max_size=30),
    st.integers().map(str),
    st.floats().map(str),
)
MOST_CPU_S = 20.0
NAMES = ("run", "size", "tune", "report", "compare", "claims", "trace")


def options(name: str) -> list[str]:
    """Return a command's options, each with = where a value follows."""
    command: Any = typer.main.get_command(app.app)
    command = command.get_command(None, name)
    found = [each for each in command.params if each.param_type_name == "option"]
    return [
        each.opts[0] + ("" if getattr(each, "is_flag", False) else "=")
        for each in found
        if each.name not in ("help", "wait")
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a good journal, for whatever is written by accident."""
    made = tmp_path_factory.mktemp("hostile")
    with JournalWriter(made / "good.jsonl") as writer:
        writer.write(header())
        for arm in ("ringbuf@8KiB", "perfbuf@8KiB"):
            for trial in blocks(arm, [{}] * 2):
                writer.write(trial)
    return made


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make it the current folder."""
    monkeypatch.chdir(made)
    return made


def ending(arguments: list[str]) -> int:
    """Return the exit code of a command; fail on anything but a documented one, and on slow ones.

    By their CPU time, which others' load hardly lengthens.
    """
    said, code, before_s = "fine", None, time.process_time()
    try:
        code = app.run(arguments)
    except BufbenchError as error:
        said, code = str(error), error.exit_code
    except SystemExit as leave:
        code = leave.code
    assert time.process_time() - before_s < MOST_CPU_S
    assert 0 < len(said.strip()) < 10_000
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize("name", NAMES)
def test_any_value_of_any_option(
    name: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    known = options(name)
    positional = {"report": ["good.jsonl"], "compare": ["good.jsonl"] * 2}.get(name, [])
    cheap = ["--format=json"] if name == "report" else []

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(st.lists(st.tuples(st.sampled_from(known), HOSTILE), max_size=4))
    def tried(chosen: list[tuple[str, str]]) -> None:
        words = [
            option + value if option.endswith("=") else option
            for option, value in chosen
            if not (name == "report" and option == "--format=" and value in {"html", "svg", "png"})
        ]
        code = ending([name, *positional, *cheap, *words])
        assert code in set(ExitCode)
        capfd.readouterr()

    tried()
    assert (folder / "good.jsonl").exists()


@pytest.mark.parametrize("name", NAMES)
@given(words=st.lists(HOSTILE, min_size=1, max_size=3))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_words(name: str, words: list[str], folder: Path) -> None:
    assert folder.exists()
    assert ending([name, *words]) in set(ExitCode)


def test_what_makes_sense_gets_as_far_as_running(nothing_runs: str, folder: Path) -> None:
    assert folder.exists()
    for words in (["run"], ["size"], ["claims"], ["trace"], ["run", "--profile", "quick"]):
        with pytest.raises(MachineUnfit, match=nothing_runs):
            app.run(words)


def test_a_line_is_one_line_whatever_it_names(tmp_path: Path) -> None:
    from tracing import bufbench

    name = "a\nb\x1b[2J\u202e"
    for words in (
        ["report", str(tmp_path / name)],
        ["claims", "--expect-file", str(tmp_path / name)],
        ["claims", "--only", name],
        ["run", "--transport", name],
        ["run", "--profile", name],
        ["run", "--shape", name],
        [name],
    ):
        done = bufbench(*words)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.rstrip("\n").isprintable()
        assert "Traceback" not in done.stderr


def test_seeds_that_no_journal_holds_are_refused(folder: Path) -> None:
    assert folder.exists()
    for seed in (2**63, -(2**63), 10**40):
        assert ending(["run", f"--seed={seed}"]) == ExitCode.USAGE
    assert sys.maxsize == 2**63 - 1
    assert ending(["run", f"--seed={sys.maxsize}"]) == ExitCode.MACHINE_UNFIT
