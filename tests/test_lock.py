# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the lock that keeps measurements apart: its holder is named, and no link is followed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tracing import eventually

from bench.errors import Busy, ExitCode, MachineUnfit
from bench.host import lock

HOLDER = """
import sys, time
from pathlib import Path
from bench.host import lock
with lock.held(path=Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(path: Path, word: str = "x") -> subprocess.Popen[str]:
    """Return a process that has the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), word], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def once_this_waits(act: Callable[[], None]) -> None:
    """Call ``act`` in a thread, once this process waits for a lock."""
    waiter = re.compile(rf"-> FLOCK .* {os.getpid()} ")

    def watch() -> None:
        assert eventually(lambda: waiter.search(Path("/proc/locks").read_text()) is not None)
        act()

    threading.Thread(target=watch).start()


def refusal(path: Path) -> str:
    with pytest.raises(Busy) as caught, lock.held(path=path):
        pass
    assert caught.value.exit_code == ExitCode.MACHINE_UNFIT
    return str(caught.value)


def test_the_holder_is_named_and_its_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holding(path, "two words\x1b[2J") as holder:
        line = refusal(path)
        assert f"process {holder.pid} since 20" in line
        assert line.endswith(r"'two words\x1b[2J'; add --wait, or end it")
        assert path.stat().st_mode & 0o777 == 0o600
        holder.kill()


def test_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holding(path) as holder:
        holder.send_signal(signal.SIGKILL)
    with lock.held(path=path):
        assert f"process {os.getpid()} " in refusal(path)


def test_waiting_ends_with_the_holder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lock"
    with holding(path) as holder:
        once_this_waits(holder.kill)
        with lock.held(wait=True, path=path):
            assert holder.wait(30) == -signal.SIGKILL
    line = capsys.readouterr().err
    assert f"waiting, another measurement is running: process {holder.pid}" in line


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
        with pytest.raises(MachineUnfit), lock.held(path=path):
            pass
    assert victim.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_user_s_file_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(MachineUnfit, match="another user"), lock.held(path=path):
        pass


def test_what_we_start_does_not_inherit_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.held(path=path), subprocess.Popen(["sleep", "60"]) as child:
        links = [str(each.readlink()) for each in Path(f"/proc/{child.pid}/fd").iterdir()]
        assert str(path) not in links
        child.kill()


# -- the lock of the whole kernel -----------------------------------------------------------------

EVERYWHERE = """
import sys, time
from bench.host import lock
with lock.held(wait=True):
    print("held", flush=True)
    time.sleep(60)
"""
REFUSED = """
from bench.host import lock
from bench.errors import Busy
try:
    with lock.held():
        print("both measure")
except Busy as error:
    print(error)
"""
APART = {
    "here": (),
    "mounts": ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run; exec "$@"', "sh"),
    "chroot": (
        *("unshare", "--mount", "sh", "-c"),
        'mount --rbind / /mnt; mount -t tmpfs none /mnt/run; exec chroot /mnt "$@"',
        "sh",
    ),
    "network": ("unshare", "--net", "--mount", "--ipc", "--uts", "--cgroup"),
    "pids": ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
    "user": ("unshare", "--user", "--map-root-user"),
    "everything": ("unshare", *["--mount", "--net", "--ipc", "--uts", "--cgroup", "--user", "-r"]),
}


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
@pytest.mark.parametrize("second", APART)
@pytest.mark.parametrize("first", ["here", "mounts", "pids"])
def test_no_two_measure_on_one_kernel(first: str, second: str) -> None:
    with subprocess.Popen(
        [*APART[first], sys.executable, "-c", EVERYWHERE],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as holder:
        assert holder.stdout
        try:
            assert holder.stdout.readline() == "held\n"
            done = subprocess.run(
                [*APART[second], sys.executable, "-c", REFUSED],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        finally:
            os.killpg(holder.pid, signal.SIGKILL)
    assert done.stdout.startswith("another measurement is running: "), done.stdout + done.stderr
    seen = f"process {'' if first == 'pids' else f'{holder.pid} since 20'}"  # else its child
    assert ("in a PID namespace" if second == "pids" else seen) in done.stdout


@pytest.mark.live
def test_another_user_sees_it_too() -> None:
    without = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    script = (
        "import fcntl, os\n"
        "try: fcntl.flock(os.eventfd(0), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: print('busy')"
    )
    with lock.held(wait=True):
        done = subprocess.run(
            [*without, "/usr/bin/python3", "-c", script],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.stdout == "busy\n", done.stderr


@pytest.mark.live
def test_waiting_for_another_namespace_ends_with_it() -> None:
    command = [*APART["mounts"], sys.executable, "-c", EVERYWHERE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        once_this_waits(lambda: os.killpg(holder.pid, signal.SIGKILL))
        with lock.held(wait=True):
            assert holder.wait(30) == -signal.SIGKILL


@pytest.mark.live
def test_it_is_lent_to_a_program_without_a_gap() -> None:
    with lock.held(wait=True) as descriptor:
        lent = {**os.environ, lock.LENT: str(descriptor)}
        for inherited, said in (((descriptor,), "both measure"), ((), "another measurement is")):
            done = subprocess.run(
                [sys.executable, "-c", REFUSED],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
                env=lent,
                pass_fds=inherited,
            )
            assert done.stdout.startswith(said), done.stderr


def test_a_kernel_without_a_shared_inode_is_called_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    monkeypatch.setattr(lock, "_place", lambda: tmp_path / "lock")
    with lock.held():
        pass
    assert "would go unnoticed" in capsys.readouterr().err


def test_the_holder_in_proc_locks() -> None:
    seen = Path(os.devnull).stat()
    file = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    other = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino + 1}"
    locks = (
        f"1: FLOCK  ADVISORY  WRITE 11 {other} 0 EOF\n"
        f"2: POSIX  ADVISORY  WRITE 12 {file} 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 13 {file} 0 EOF\n"
        f"3: -> FLOCK  ADVISORY  WRITE 14 {file} 0 EOF\n"
    )
    assert lock.locked_by(locks, seen) == 13
    assert lock.locked_by(locks[: locks.index("3:")], seen) is None
    assert lock.locked_by("3: FLOCK", seen) is None
