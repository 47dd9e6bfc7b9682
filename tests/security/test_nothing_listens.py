# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a run opens no socket, listening or other, and leaves nothing in shared places."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tracing import BUFBENCH

from bench.host import scratch
from workloads import cgroup

pytestmark = [pytest.mark.live, pytest.mark.slow]

BURSTS = (
    "--workload",
    "burst",
    "--count",
    "20000",
    "--burst",
    "20",
    "--seconds",
    "0.4",
    "--transport",
    "perfbuf",
)


def sockets(process: psutil.Process) -> Iterator[str]:
    """Yield the sockets that a process has open."""
    with suppress(OSError):  # it has ended, or closed one while we looked
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            target = link.readlink().name
            if target.startswith("socket:"):
                yield f"{process.pid} {target}"


def prefixed() -> set[Path]:
    """Return the temporary folders and cgroups of all runs."""
    places = (*scratch._places(), cgroup.place())
    return {path for place in places if place for path in place.glob(f"{scratch.PREFIX}*")}


def is_left(path: Path) -> bool:
    """Return whether it is there and nobody owns it any more."""
    lock = scratch.abandoned(path)
    if lock is not None:
        os.close(lock)
    return lock is not None


def test_a_run_opens_no_socket_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "23456")
    journal = tmp_path / "results" / "journal.jsonl"
    command = [*BUFBENCH, "run", *BURSTS, "--blocks", "6"]  # a look takes a tenth of a second
    seen_sockets: set[str] = set()
    seen_storms = 0
    made: set[Path] = set()
    nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    with subprocess.Popen([*command, "--quiet", "--output", journal], **nothing) as run:
        harness = psutil.Process(run.pid)
        while run.poll() is None:
            try:
                family = [harness, *harness.children(recursive=True)]
            except psutil.NoSuchProcess:
                break
            seen_storms += any(process.pid != run.pid for process in family)
            for process in family:
                seen_sockets.update(sockets(process))
            made |= prefixed()
            time.sleep(0.02)
    assert run.returncode == 0
    for path in (journal, journal.parent):
        assert (path.stat().st_uid, path.stat().st_gid) == (12_345, 23_456)
    assert seen_storms > 3
    assert seen_sockets == set()
    assert not [path for path in made if is_left(path)]
