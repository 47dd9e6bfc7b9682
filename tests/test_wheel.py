# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure by the wheel in an empty virtual environment, without bcc, compiler and shell.

As in a container: in a root that has nothing else but Python, libbpf and what they load.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.journal.reader import read_journal
from bench.tracer import libbpf, loader
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
STDLIB = Path(sysconfig.get_path("stdlib"))
BIND = """
for each in /proc /sys /dev $1; do mkdir -p "$0$each"; mount --rbind "$each" "$0$each"; done
shift
exec chroot "$0" "$@"
"""
NOTHING_ELSE = """
import ctypes, shutil
assert not any(map(shutil.which, ("cc", "gcc", "clang", "sh", "dpkg")))
try:
    ctypes.CDLL("libbcc.so.0")
except OSError:
    import bcc
"""

Alone = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a command where there is nothing else."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs' folder of an environment with bufbench and its dependencies."""
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


@pytest.fixture(scope="module")
def root(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root with Python, libbpf, and the libraries that they and the environment load."""
    root, python = tmp_path_factory.mktemp("root"), Path(sys.executable).resolve()
    libbpf.find()
    mapped = Path("/proc/self/maps").read_text().split()
    library = next(Path(each) for each in mapped if "/libbpf.so" in each)
    modules = [*STDLIB.rglob("*.so"), *installed.parent.rglob("*.so*")]
    ldd = subprocess.run(
        ["/usr/bin/ldd", python, library, *modules], capture_output=True, text=True, check=False
    )
    files = {each: each for each in map(Path, re.findall(r"(/\S+) \(0x", ldd.stdout))}
    files |= {python: python, library: library.with_name(libbpf.name())}
    for file, place in files.items():
        if not file.is_relative_to(installed.parent):
            copy = root / place.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    (root / "usr/bin/python3").symlink_to(python.name)
    (root / "tmp").mkdir()
    root.chmod(0o755)  # storms do not run as root
    return root


@pytest.fixture
def alone(installed: Path, root: Path, tmp_path: Path) -> Alone:
    """Run a program of the environment in that root, where it can write to ``tmp_path``."""
    bound = f"{installed.parent} {STDLIB} {tmp_path}"

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        inside = [str(installed / command[0]), *command[1:]]
        return subprocess.run(
            ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", BIND, str(root), bound, *inside],
            env={"PATH": f"/usr/sbin:/usr/bin:/sbin:/bin:{installed}"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def test_it_measures(alone: Alone, tmp_path: Path) -> None:
    missing = alone("python", "-c", NOTHING_ELSE)
    assert "ModuleNotFoundError: No module named 'bcc'" in missing.stderr
    words = ("--blocks", "1", "--count", "500", "--wait", "--output", str(tmp_path / "run.jsonl"))
    done = alone("bufbench", "run", *words)
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
def test_others_work_too(command: str, alone: Alone) -> None:
    done = alone("bufbench", *command.split())
    assert done.returncode == 0, done.stderr


def test_bcc_s_reader_is_refused_in_a_line(alone: Alone) -> None:
    done = alone("bufbench", "run", "--reader", "bcc", "--blocks", "1", "--count", "500", "--wait")
    assert done.returncode == 3
    assert "bcc cannot be imported" in done.stderr.splitlines()[-1]
    assert "python3-bpfcc" in done.stderr
