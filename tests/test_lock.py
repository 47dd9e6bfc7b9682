# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The lock that keeps two measurements apart: who holds it is named, and no link is followed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench import lock
from bench.errors import Busy, ExitCode, MachineUnfit

HOLDER = """
import sys, time
from pathlib import Path
from bench import lock
with lock.held(["bufbench", "run", sys.argv[2]], path=Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(path: Path, word: str = "x") -> subprocess.Popen[str]:
    """A process that has the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), word], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def refusal(path: Path) -> str:
    with pytest.raises(Busy) as caught, lock.held(["second"], path=path):
        pass
    assert caught.value.exit_code == ExitCode.MACHINE_UNFIT
    return str(caught.value)


def test_the_holder_is_named_and_its_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holding(path, "two words\x1b[2J") as holder:
        told = refusal(path)
        assert f"process {holder.pid} since 20" in told
        assert "bufbench run 'two words?[2J'" in told
        assert "--wait" in told
        assert path.stat().st_mode & 0o777 == 0o600
        holder.kill()


def test_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holding(path) as holder:
        holder.send_signal(signal.SIGKILL)
    with lock.held(["next"], path=path):
        assert f'"pid": {os.getpid()}' in path.read_text()
    assert path.read_text() == ""


def test_waiting_ends_with_the_holder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lock"
    with holding(path) as holder:
        threading.Timer(0.5, holder.kill).start()
        began_s = time.monotonic()
        with lock.held(["patient"], wait=True, path=path):
            assert time.monotonic() - began_s > 0.3
    told = capsys.readouterr().err
    assert f"waiting, another measurement is running: process {holder.pid}" in told


@pytest.mark.parametrize("left", [b"", b"{", b'{"pid": "none"}', b"\xff\xfe", b"[]"])
def test_a_holder_that_does_not_name_itself(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "lock"
    with holding(path) as holder:
        path.write_bytes(left)
        assert "it does not say which" in refusal(path)
        holder.kill()


def test_no_link_is_followed_and_nothing_else_is_taken_for_it(tmp_path: Path) -> None:
    victim = tmp_path / "precious"
    victim.write_text("precious")
    for name, make in (
        ("symbolic", lambda path: path.symlink_to(victim)),
        ("hard", lambda path: path.hardlink_to(victim)),
        ("folder", lambda path: path.mkdir()),
        ("fifo", os.mkfifo),
    ):
        path = tmp_path / name
        make(path)
        with pytest.raises(MachineUnfit), lock.held(["x"], path=path):
            pass
    assert victim.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_user_s_file_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(MachineUnfit, match="not ours"), lock.held(["x"], path=path):
        pass


def test_what_we_start_does_not_inherit_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.held(["first"], path=path), subprocess.Popen(["sleep", "60"]) as child:
        links = [str(each.readlink()) for each in Path(f"/proc/{child.pid}/fd").iterdir()]
        assert str(path) not in links
        child.kill()
