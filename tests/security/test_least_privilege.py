# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test doctor --least-privilege: what it names suffices, and each one that is missing is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tracing import BUFBENCH

from bench.doctor import least_privilege
from bench.doctor.least_privilege import Need, need
from bench.linux import capabilities, procfs
from bench.linux.capabilities import Capability as Cap
from workloads import user

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(
        not (capabilities.held() >= user._TO_CHANGE_USER and shutil.which("setpriv")),
        reason="needs root, to become nobody, and setpriv",
    ),
]
NOBODY = 65_534


@pytest.fixture(scope="module")
def needs() -> dict[str, Need]:
    return {each.name: each for each in least_privilege.examine()}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that nobody can reach and write: pytest's own are closed."""
    folder = Path("/var/tmp", f"bufbench-test-{os.getpid()}")
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def as_nobody(
    names: tuple[str, ...], *arguments: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run bufbench with ``arguments`` as nobody with these capabilities alone."""
    sets = ",".join(["-all", *(f"+{name[4:].lower()}" for name in names)])
    become = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder),
    }
    return subprocess.run(
        [
            *(*become, "--inh-caps", sets, "--ambient-caps", sets),
            *(*BUFBENCH, *arguments),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def reachable(open_folder: Path) -> Path:
    """Skip where nobody cannot even start Python: an environment in a closed home."""
    if as_nobody((), "--version", folder=open_folder).returncode != 0:
        pytest.skip("nobody cannot read this installation")
    return open_folder


def above_all() -> bool:
    """Return whether perf_event_paranoid is above 2, like Debian's and Ubuntu's 3 or 4."""
    return (procfs.sysctl("kernel.perf_event_paranoid") or 0) > 2


def test_the_kernels_own_rules_are_found(needs: dict[str, Need]) -> None:
    assert needs["make BPF maps"].capabilities == ("CAP_BPF",)
    assert needs["load a tracer"].capabilities == ("CAP_PERFMON", "CAP_BPF")
    assert needs["run storms as another user"].capabilities == (
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
    )
    assert all(each.possible for each in needs.values() if each.commands)
    for each in needs.values():
        assert bool(each.refused) == bool(each.capabilities or not each.possible)


def test_trace_works_with_what_was_found(needs: dict[str, Need], reachable: Path) -> None:
    names = least_privilege.together(list(needs.values()), "trace")
    assert ("CAP_SYS_ADMIN" in names) == above_all()
    ended = as_nobody(names, "trace", "--duration", "0.3", folder=reachable)
    assert ended.returncode == 0, ended.stderr
    assert "delivered, 0 lost" in ended.stderr


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_run_works_with_what_was_found(
    transport: str, needs: dict[str, Need], reachable: Path
) -> None:
    names = least_privilege.together(list(needs.values()), "run")
    journal = reachable / "journal.jsonl"
    ended = as_nobody(
        names,
        *("run", "--count", "300", "--blocks", "1", "--budget", "64KiB", "--quiet"),
        *("--transport", transport, "--output", str(journal)),
        folder=reachable,
    )
    assert ended.returncode == 0, ended.stderr
    trials = [json.loads(line) for line in journal.read_text().splitlines()]
    trial = next(line for line in trials if line["kind"] == "trial")
    assert trial["storm"]["user_id"] == NOBODY
    assert trial["state"] in ("valid", "noisy", "disturbed")
    assert trial["storm"]["reaped"] == 302
    left = {path.name for path in reachable.iterdir() if path.suffix != ".lock"}
    assert left == {"journal.jsonl"}


def test_less_is_reported_in_one_line(needs: dict[str, Need], reachable: Path) -> None:
    if above_all():
        pytest.skip("perf_event_paranoid wants CAP_SYS_ADMIN, which stands in for the others")
    names = least_privilege.together(list(needs.values()), "trace")
    for missing in names:
        fewer = tuple(name for name in names if name != missing)
        ended = as_nobody(fewer, "trace", "--duration", "0.1", folder=reachable)
        assert ended.returncode == 3, (missing, ended.stderr)
        assert ended.stderr.startswith("bufbench: ")
        assert ended.stderr.count("\n") == 1
        assert missing in ended.stderr or "mount" in ended.stderr


def test_the_doctor_says_so(needs: dict[str, Need], reachable: Path) -> None:
    names = least_privilege.together(list(needs.values()), "run")
    said = as_nobody(names, "doctor", "--least-privilege", "--json", folder=reachable)
    assert said.returncode == 0, said.stderr
    parts = {part["name"]: part for part in json.loads(said.stdout)["parts"]}
    assert parts.keys() == needs.keys()
    assert all(part["possible"] for part in parts.values() if part["commands"])
    table = as_nobody((), "doctor", "--least-privilege", folder=reachable)
    assert table.returncode == 3
    assert "bufbench run cannot: make BPF maps" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80


part = partial(need, "a part", commands="run", otherwise="nothing")


def test_a_part_that_anybody_may_do_needs_nothing() -> None:
    found = part(lambda: None)
    assert (found.capabilities, found.possible, found.refused) == ((), True, "")


def test_a_part_that_nothing_helps_is_reported() -> None:
    def fail() -> None:
        raise FileNotFoundError(2, "No such file or directory")

    found = part(fail, Cap.BPF, remedy="make it")
    assert not found.possible
    assert (found.refused, found.remedy) == ("No such file or directory", "make it")


def test_an_attempt_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.doctor.least_privilege._DEADLINE_S", 1)
    monkeypatch.setattr(capabilities, "held", frozenset)
    found = part(lambda: __import__("signal").pause())
    assert (found.possible, found.refused) == (False, "it did not end")
