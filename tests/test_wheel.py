# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The wheel in an empty virtual environment: no bcc, no compiler, and it measures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.journal.reader import read_journal
from bench.tracer import loader
from bench.trial.result import State

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif(not loader.objects(), reason="bufbench was built without clang"),
]
ROOT = Path(__file__).parents[1]
PIP = ("-m", "pip", "--disable-pip-version-check", "-q")
AS_USUAL = ("--no-build-isolation", "--no-deps", "--config-settings=build-dir=build/wheel")
"""As ./run builds it, which compiles only what changed."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that has bufbench and its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, *PIP, "wheel", *AS_USUAL, "-w", folder, "."],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    (wheel,) = folder.glob("*.whl")
    programs = folder / "environment/bin"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", programs.parent], check=True)
    into = ("--python", programs / "python", "install", "--no-compile")  # a tenth is imported
    subprocess.run([sys.executable, *PIP, *into, wheel], check=True)
    return programs


def alone(
    installed: Path, command: Sequence[str | Path], folder: Path
) -> subprocess.CompletedProcess[str]:
    """A command that finds no program but those of the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUFBENCH")}
    return subprocess.run(
        [installed / command[0], *command[1:]],
        env={**kept, "PATH": str(installed)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_it_measures(installed: Path, tmp_path: Path) -> None:
    missing = alone(installed, ["python", "-c", "import bcc"], tmp_path)
    assert "No module named 'bcc'" in missing.stderr
    words = "bufbench run --blocks 1 --count 500 --wait --output run.jsonl"
    done = alone(installed, words.split(), tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = read_journal(tmp_path / "run.jsonl", strict=True).runs
    assert run.header.machine.bcc_version.startswith("none: prebuilt, libbpf 1.")
    assert {trial.config.transport for trial in run.trials} == {"ringbuf", "perfbuf"}
    for trial in run.trials:
        assert trial.state is not State.INVALID, trial.reasons
        assert trial.ledger is not None
        assert trial.ledger.own_exits == trial.storm.reaped >= 500


@pytest.mark.parametrize(
    "command",
    [
        "trace --duration 0.5",
        "duet ringbuf:output perfbuf:payload=512 --storms 8 --count 500 --wait",
        "doctor",
    ],
)
def test_others_work_too(command: str, installed: Path, tmp_path: Path) -> None:
    done = alone(installed, ["bufbench", *command.split()], tmp_path)
    assert done.returncode == 0, done.stderr


def test_bcc_s_reader_is_refused_in_a_line(installed: Path, tmp_path: Path) -> None:
    words = ["bufbench", "run", "--reader", "bcc", "--blocks", "1", "--count", "500", "--wait"]
    done = alone(installed, words, tmp_path)
    assert done.returncode == 3
    assert "bcc cannot be imported" in done.stderr.splitlines()[-1]
    assert "python3-bpfcc" in done.stderr
