# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that what a caller exports for its own Python, pytest or Typer does not reach bufbench."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import pytest
from made_up_trials import blocks, header
from tracing import BUFBENCH, side_by_side

import bench
from bench.host import process
from bench.host.interpreter import cleaned
from bench.journal.writer import JournalWriter

SUITE = [sys.executable, "-m", "bench.suite"]
EXPORTED = [
    *("PYTHONWARNINGS=error", "PYTHONINSPECT=1", "PYTHONOPTIMIZE=2", "PYTHONHASHSEED=3"),
    *("PYTHONDONTWRITEBYTECODE=1", "PYTHONSAFEPATH=1", "PYTHONNODEBUGRANGES=1"),
    *("PYTHONSTARTUP=/nonsense.py", "PYTHONDEVMODE=1", "PYTHONUSERBASE=/x"),
    *("PYTHONTRACEMALLOC=5", "PYTHONINTMAXSTRDIGITS=0"),
    *("PYTHONBREAKPOINT=nonsense", "PYTHONMALLOC=debug", "PYTHONCASEOK=1", "PYTHONDEBUG=1"),
    *("COLUMNS=1", "COLUMNS=x", "LINES=0", "TYPER_USE_RICH=1", "TERMINAL_WIDTH=1"),
    *("_BUFBENCH_COMPLETE=complete_bash", "_TYPER_FORCE_DISABLE_TERMINAL=1", "PY_COLORS=1"),
    *("PYTEST_ADDOPTS=--nonsense", "PYTEST_PLUGINS=nonsense", "PYTEST_DEBUG=1"),
    *("PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", "NOX_DEFAULT_VENV_BACKEND=uv", "NOXSESSION=x"),
]  # fmt: skip


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "run.jsonl"
    with JournalWriter(path) as writer:
        writer.write(header())
        for arm in ("ringbuf@8KiB", "perfbuf@8KiB"):
            for trial in blocks(arm, [{}] * 8):
                writer.write(trial)
    return path


Ended = tuple[int, str, str]
"""Exit code, stdout and stderr."""


def ended(command: list[str], exported: str = "") -> Ended:
    words = ["env", *([exported] if exported else []), *command]
    done = process.run(words, timeout_s=60, check=False)
    return done.returncode, done.stdout, done.stderr


def with_each(command: list[str]) -> dict[str, Ended]:
    """Return how it ends with each of them exported, and with none."""
    return side_by_side(partial(ended, command), [*EXPORTED, ""])


@pytest.fixture(scope="module")
def usual(journal: Path) -> Ended:
    code, out, err = ended([*BUFBENCH, "report", str(journal)])
    assert (code, err) == (0, "")
    return code, out, err


@pytest.fixture(scope="module")
def reports(journal: Path) -> dict[str, Ended]:
    return with_each([*BUFBENCH, "report", str(journal)])


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    journal = tmp_path_factory.mktemp("suite") / "x"
    return with_each([*SUITE, "--collect-only", "-q", f"--journal={journal}"])


@pytest.mark.slow
@pytest.mark.parametrize("exported", EXPORTED)
def test_a_report_is_the_same(exported: str, reports: dict[str, Ended], usual: Ended) -> None:
    assert reports[exported] == usual


@pytest.mark.slow
@pytest.mark.parametrize("exported", [*EXPORTED, ""])
def test_the_suite_is_the_same(exported: str, suites: dict[str, Ended]) -> None:
    code, out, err = suites[exported]
    assert (code, err) == (0, "")
    assert out.count("test_arm[") > 20


def test_foreign_modules_are_not_taken(tmp_path: Path, usual: Ended, journal: Path) -> None:
    for name in ("rich", "pydantic", "typer", "click", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemError('another program's')\n")
    home = str(Path(bench.__file__).parents[1])
    words = [*BUFBENCH, "report", str(journal)]
    assert ended(words, f"PYTHONPATH={home}{os.pathsep}{tmp_path}") == usual


def test_what_is_kept() -> None:
    home = str(Path(bench.__file__).resolve().parents[1])
    kept = {"PATH": "/bin", "PYTHONIOENCODING": "ascii", "NO_COLOR": "1", "PYTHONPATH": home}
    foreign = {"PYTHONWARNINGS": "error", "COLUMNS": "3", "PYTEST_ADDOPTS": "-x"}
    assert cleaned({**kept, **foreign}) == kept
    assert cleaned({"PYTHONPATH": f"/x{os.pathsep}{home}"}) == {"PYTHONPATH": home}
    assert cleaned({"PYTHONPATH": "/x"}) == {}
