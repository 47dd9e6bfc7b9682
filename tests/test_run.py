# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the script at the root, as far as it may be run without installing anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.host import process

RUN = Path(__file__).parents[1] / "run"


def stub(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def run(*arguments: str, **environment: str) -> process.Completed:
    return process.run([RUN, *arguments], timeout_s=30, check=False, env=environment or None)


def test_the_sessions_are_listed_a_line_each() -> None:
    bare, asked = run(), run("--help")
    assert (bare.returncode, asked.returncode) == (2, 0)
    assert (bare.stdout, asked.stderr) == ("", "")
    assert bare.stderr == asked.stdout == run("-h").stdout
    source = (RUN.parent / "noxfile.py").read_text()
    names = re.findall(r"^@nox\.session\n(?:@.*\n)*def (\w+)", source, re.MULTILINE)
    assert len(names) > 5
    lines = asked.stdout.splitlines()[1:-1]
    assert [line.split()[0] for line in lines] == names
    assert all(len(line.split()) > 3 and len(line) < 110 for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch"], "no session 'nosuch'"),
        (["b.nch"], "no session 'b.nch'"),
        (["bench claims"], "no session"),
        (["kernels(series='9.99')"], "no session for the series '9.99'"),
        (["kernels(6.12)"], "no session"),
        (["bench(series='6.12')"], "no session"),
        (["--list"], "a session comes first"),
        (["--", "bench"], "a session comes first"),
        (["bench", "tests"], "./run bench -- tests"),
        (["bench", "--profile", "standard"], "./run bench -- --profile standard"),
        (["report", "results/quick.jsonl"], "./run report -- results/quick.jsonl"),
        (["kernels(series='6.12')", "--seed", "2"], "./run kernels(series='6.12') -- --seed 2"),
    ],
)
def test_wrong_usage_is_reported_in_a_line(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("run: ")
    assert said in line


@pytest.mark.parametrize(
    "arguments", [["bench"], ["bench", "--", "--profile", "quick"], ["claims"], ["soak"]]
)
def test_privileges_come_before_anything_is_installed(arguments: list[str], tmp_path: Path) -> None:
    stub(tmp_path, "dpkg-query", "echo 'dpkg-query was called' >&2; exit 1")
    stub(tmp_path, "apt-get", "echo 'apt-get was called' >&2; exit 1")
    words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", RUN, *arguments]
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = process.run(words, timeout_s=30, check=False, env=path)
    assert done.returncode == 3
    assert done.stderr == (
        f"run: {arguments[0]} measures with BPF programs; "
        "run as root, or grant CAP_BPF and CAP_PERFMON\n"
    )


def test_without_root_what_is_missing_is_named(tmp_path: Path) -> None:
    stub(tmp_path, "id", "echo 1000")
    stub(tmp_path, "dpkg-query", "echo 'gcc:install ok installed'")
    stub(tmp_path, "apt-get", "echo 'apt-get was called' >&2; exit 1")
    path = f"{tmp_path}:/usr/bin:/bin"
    done = process.run([RUN, "report"], timeout_s=30, check=False, env={"PATH": path})
    assert done.returncode == 3
    assert "python3-bpfcc" in done.stderr
    assert "stress-ng" not in done.stderr  # only the tests want it
    assert "gcc" not in done.stderr.split()  # that one is there
    assert "apt-get was called" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
