# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a new workload is a shape in C and a line of its front: counted, run and offered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from filecmp import dircmp
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "workloads"
OTHER_PROGRAMS = {"mapcalls.c", "tiny.c"}
FUNCTION = """static void run_toys(struct worker *worker)
{
	run_series(worker, chain_link, 3);
}

"""
ROW = '	{ .name = "toy", .run = run_toys, .beside = beside_chain },\n'
LINE = '    TOY = "toy"\n'
SCRIPT = """
import json
from workloads.generator import Generator
from workloads.storm import Shape, Storm

with Generator(Storm(shape=Shape("toy"), count=100, workers=2, depth=3)) as generator:
    generator.go()
    report = generator.wait(60)
print(json.dumps([report.made, report.reaped, report.failed, report.at_once]))
"""
HELP = """
from bench.cli.app import run
run(["run", "--help"])
"""


def insert(path: Path, before: str, text: str) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1
    path.write_text(source.replace(before, text + before), encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the workloads and a toy among them, built."""
    tree = tmp_path_factory.mktemp("toy")
    new = tree / "workloads"
    shutil.copytree(SOURCES, new, ignore=shutil.ignore_patterns("__pycache__"))
    insert(new / "shapes.c", "const struct shape SHAPES[] = {\n", FUNCTION)
    insert(new / "shapes.c", "	{ 0 },\n", ROW)
    insert(new / "storm.py", '    STORM = "storm"\n', LINE)
    programs = [path for path in sorted(new.glob("*.c")) if path.name not in OTHER_PROGRAMS]
    flags = ("-std=gnu17", "-static", "-O1", "-Wall", "-Wextra", "-Werror")
    subprocess.run(["gcc", *flags, *programs, "-o", new / "forkstorm"], check=True)
    return tree


def python(tree: Path, code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        (sys.executable, "-c", code),
        cwd=tree, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_takes_two_files(tree: Path) -> None:
    compared = dircmp(SOURCES, tree / "workloads", ignore=["__pycache__"])
    assert compared.diff_files == ["shapes.c", "storm.py"]
    assert (compared.left_only, compared.right_only) == ([], ["forkstorm"])


def test_it_runs_and_counts(tree: Path) -> None:
    made, reaped, failed, at_once = json.loads(python(tree, SCRIPT))
    assert (made, reaped, failed) == (102, 102, {})
    assert at_once == 2 * (1 + 3)


def test_the_command_line_offers_it(tree: Path) -> None:
    assert "toy|" in "".join(python(tree, HELP).split())
