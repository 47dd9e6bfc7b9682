# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a new output form is one file: every command that answers offers and gives it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from made_up_kernels import entry, write
from made_up_trials import blocks, header

from bench.host import process
from bench.journal.writer import JournalWriter
from bench.report.renderers import find, names

TOY = '''
def render(*documents, data=None):
    """Return the titles, and what the data is."""
    return "".join(f"TOY {document.title}\\n" for document in documents) + f"{type(data)}\\n"
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the toy, and what commands report on."""
    made = tmp_path_factory.mktemp("toys")
    (made / "renderers").mkdir()
    (made / "renderers" / "toy.py").write_text(TOY, encoding="utf-8")
    for run, name in enumerate(("a", "b")):
        with JournalWriter(made / f"{name}.jsonl") as writer:
            writer.write(header())
            for arm in ("ringbuf@8KiB", "perfbuf@8KiB"):
                for trial in blocks(arm, [{"pairs": 1_200}] * 8, p50_ns=10_000 + run):
                    writer.write(trial)
    (made / "kernels").mkdir()
    write(made / "kernels", entry("6.12", "6.12.1-amd64"))
    return made


def bufbench(folder: Path, *arguments: str) -> process.Completed:
    """Run the command line with the toy's folder beside that of the renderers."""
    code = (
        "from bench.report import renderers\n"
        f"renderers.__path__.append({str(folder / 'renderers')!r})\n"
        "from bench.cli import main; main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    return process.run(command, timeout_s=60, check=False, cwd=folder)


COMMANDS = (
    ("report", "a.jsonl"),
    ("compare", "a.jsonl", "b.jsonl"),
    ("claims", "--from", "a.jsonl"),
    ("kernels", "report", "kernels"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_gives_it(folder: Path, command: tuple[str, ...]) -> None:
    done = bufbench(folder, *command, "--format", "toy")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("TOY ")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_offers_it(folder: Path, command: tuple[str, ...]) -> None:
    done = bufbench(folder, *[word for word in command if word.isalpha()], "--help")
    assert "|text|toy" in "".join(done.stdout.split())


def test_the_toy_is_one_file(folder: Path) -> None:
    assert len([*(folder / "renderers").glob("*.py")]) == 1
    assert {"csv", "github-benchmark", "html"} <= {*names()}  # and nothing else lists them
    assert all(callable(find(name)) for name in names())
