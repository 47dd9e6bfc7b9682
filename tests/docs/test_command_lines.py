# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run every command line that a document or a help text shows, as it is printed.

A shell runs it in a copy of the checkout's root, where journals lie under the names that documents
use. Only what stands at its end is replaced: nox and the command record what they were called with,
and that is then given to bufbench itself, which stops where it would measure or fetch.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import beginnings
import made_up_exact
import pytest
from made_up_archive import vmlinuz
from made_up_kernels import entry, write
from made_up_trials import blocks, header
from pydantic import TypeAdapter

from bench.errors import BufbenchError
from bench.fleet import certificates, engine
from bench.guests import sources
from bench.guests.sources import archives
from bench.host import lock, process
from bench.journal.writer import JournalWriter
from bench.questions.check import tool
from bench.questions.watch import buffers, replay
from bench.report.renderers import html
from bench.tracer.object import compiled, package

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app, fleet

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = (ROOT / "README.md", ROOT / "results/README.md", *(ROOT / "docs").glob("*.md"))
PYTESTS: Final = frozenset(("tests", "guests", "faults", "soak", "fuzz", "lint"))
COMMAND: Final = re.compile(r"(?:sudo )?(?:\w+=\S+ )?(?:\./run|(?:\.venv/bin/)?bufbench) .*")
STUB: Final = '#!/bin/sh\nexec /usr/bin/python3 -c \'{}\' "$0" "$@"\n'
RECORD: Final = (
    'import json, os, sys; print(json.dumps(sys.argv[1:]), file=open(os.environ["CALLED"], "a"))'
)


def shown() -> Iterator[str]:
    """Yield command lines of documents, indented or in YAML; of helps, what follows "Example:"."""
    for document in DOCUMENTS:
        for line in document.read_text().splitlines():
            text = re.sub(r"^(\s*- (run: )?| {4,})", "", line)
            if text != line and COMMAND.fullmatch(text):
                yield re.sub(r"  +[a-z].*", "", text)  # explained beside it
    for module in (ROOT / "bench/cli").rglob("*.py"):
        yield from re.findall(r"^    Example: (bufbench .*)$", module.read_text(), re.MULTILINE)


LINES: Final = sorted(set(shown()))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root with the script, journals, and stubs of what comes after it."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("run", "noxfile.py"):
        shutil.copy(ROOT / name, root)
    (root / ".venv/bin").mkdir(parents=True)
    tools = root / "tools"
    tools.mkdir()
    for stub in (root / ".venv/bin/python", root / ".venv/bin/bufbench", tools / "bufbench"):
        stub.write_text(STUB.format(RECORD))
    for name, script in {
        "sudo": 'while case "$1" in *=*) export "$1" ;; *) false ;; esac; do shift; done; "$@"',
        "dpkg-query": 'shift 3; for each; do echo "$each:install ok installed"; done',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
    for stub in [*tools.iterdir(), *(root / ".venv/bin").iterdir()]:
        stub.chmod(0o755)
    version = process.run(
        ["/usr/bin/python3", "-c", "import sys; print(sys.version)"], timeout_s=30
    ).stdout.rstrip("\n")
    (root / ".venv/made-by").write_text(f"{version} in {root}\n")
    (root / "results").mkdir()
    (root / "results/reference").symlink_to(ROOT / "results/reference")
    for run, name in enumerate(
        (
            *("OLD", "NEW", "results/quick-20261122-101500", "results/claims-20261122-101500"),
            *("results/monday", "results/today-1", "results/quick"),
        )
    ):
        with JournalWriter(root / f"{name}.jsonl") as writer:
            writer.write(header())
            for arm in ("ringbuf@8KiB", "perfbuf@8KiB"):
                for trial in blocks(arm, [{"pairs": 1_200}] * 8, p50_ns=10_000 + run):
                    writer.write(trial)
    duets = (ROOT / "results/reference/duets/trickle-idle.jsonl.gz").read_bytes()
    (root / "results/duet-20261122-101500.jsonl").write_bytes(gzip.decompress(duets))
    for folder in ("artefacts", "results/kernels-20261122-101500", "results/kernels-6.12"):
        (root / folder).mkdir()
        write(root / folder, entry("6.12", "6.12.1-amd64"))
    (root / "builds").mkdir()
    (root / "builds/good").write_bytes(vmlinuz("6.1.1"))
    (root / "builds/bad").write_bytes(vmlinuz("6.1.2"))
    shutil.copy("/bin/true", root / "reader")
    (root / "versions.json").write_text('[{"version": "6.12.81", "static_tag": ""}]')
    counted = made_up_exact.study(made_up_exact.kernel("6.1", made_up_exact.all_calls()))
    for name in ("yesterday", "today"):
        (root / f"{name}.json").write_bytes(TypeAdapter(type(counted)).dump_json(counted))
    return root


@pytest.fixture
def called(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return where stubs record how they were called; nothing measures or fetches."""
    beginnings.stop(monkeypatch)
    monkeypatch.setattr(lock, "held", beginnings.entered)
    for name in ("render", "render_page"):
        monkeypatch.setattr(html, name, lambda *_, **__: "")
    for module, name in (
        *((sources, "provide"), (sources, "offers"), (sources, "prune"), (archives, "Library")),
        *((compiled, "build"), (package, "read")),
        *((buffers, "find"), (replay, "read"), (tool, "running"), (fleet, "read")),
        *((engine, "require"), (certificates, "make")),
    ):
        monkeypatch.setattr(module, name, beginnings.called)
    monkeypatch.chdir(checkout)
    return tmp_path / "called"


def test_there_are_lines() -> None:
    text = "\n".join(LINES)
    assert len(LINES) > 40
    for each in ("./run bench", "./run claims", "sudo ./run bench", "bufbench size", "kernels run"):
        assert each in text


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_a_line_works_as_printed(line: str, checkout: Path, called: Path) -> None:
    printed = line.replace("${{ matrix.series }}", "6.12")  # GitHub puts it in
    done = process.run(
        ["sh", "-c", printed],
        timeout_s=60,
        check=False,
        cwd=checkout,
        env={
            "PATH": f"{checkout}/tools:{os.environ['PATH']}",
            "CALLED": str(called),
            "GITHUB_STEP_SUMMARY": str(called.with_name("summary")),
            "SERIES": "6.12",
        },
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    (words,) = (json.loads(each) for each in called.read_text().splitlines())
    ends_well(words)


def ends_well(words: list[str]) -> None:
    """Run with bufbench what the stub was called with, as far as it goes without measuring."""
    if Path(words[0]).name == "bufbench":
        command = words[1:]
    else:
        session, *rest = words[words.index("--session") + 1 :]
        arguments = rest[1:] if rest else []
        if session in PYTESTS:
            return
        if session == "bench":
            suite(arguments)
            return
        name, _, series = session.partition("(series=")
        command = [name, *(["run", series.strip("')")] if series else []), *arguments]
    try:
        assert app.run(command) == 0 or command[0] == "doctor"
    except BufbenchError as error:
        assert str(error) == beginnings.REACHED, error  # noqa: PT017  others are raised as they are


def suite(arguments: list[str]) -> None:
    """Run the suite but for its trials; that nothing was measured fails its gates."""
    words = [sys.executable, "-m", "bench.suite", "--collect-only", "-q", *arguments]
    done = process.run(words, timeout_s=60, check=False)
    assert ("Plan: " if "--dry-run" in arguments else "test_arm[") in done.stdout
    gates = any(word.startswith("--fail-on") for word in arguments)
    assert done.returncode == int(gates), done
    assert not gates or "was not measured" in done.stderr
