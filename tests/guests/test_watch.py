# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the watch over a guest: how things end, and that nothing outlives it. Commands stand in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tracing import eventually

import bench
from bench.guests import boot
from bench.guests.watch import MOST_CONSOLE_BYTES, End, Ended
from bench.host import process


def watched(folder: Path, command: list[str], *, limit_s: float = 20.0) -> Ended:
    """Return how a command that is no guest ended."""
    with boot.watched(folder, limit_s, command) as watch:
        assert watch.stdout is not None
        return Ended.parse(watch.stdout.read())


@pytest.mark.parametrize(
    ("words", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -signal.SIGKILL)]
)
def test_a_command_ends_by_itself(words: str, code: int, tmp_path: Path) -> None:
    ended = watched(tmp_path, ["sh", "-c", f"echo said; {words}"])
    assert (ended.end, ended.code) == (End.EXITED, code)
    assert (tmp_path / "console.log").read_text() == "said\n"


@pytest.mark.parametrize("qmp", ["", "/nowhere"])
def test_a_command_that_is_not_there_says_so(qmp: str, tmp_path: Path) -> None:
    with boot.watched(tmp_path, 20.0, ["./nothing"], qmp=qmp) as watch:
        assert watch.stdout is not None
        ended = Ended.parse(watch.stdout.read())
    assert (ended.end, ended.code) == (End.NEVER_STARTED if qmp else End.EXITED, 127)
    assert (tmp_path / "console.log").read_text() == (
        "cannot run ./nothing: No such file or directory\n"
    )


def test_a_library_is_preloaded_into_the_command_alone(tmp_path: Path) -> None:
    shown = "tr '\\0' '\\n' </proc/$PPID/environ | grep -c ^LD_PRELOAD=; echo $LD_PRELOAD"
    with boot.watched(tmp_path, 20.0, ["sh", "-c", shown], preloaded="libm.so.6") as watch:
        assert watch.stdout is not None
        assert Ended.parse(watch.stdout.read()).end is End.EXITED
    assert (tmp_path / "console.log").read_text() == "0\nlibm.so.6\n"


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    ended = watched(tmp_path, ["sleep", "60"], limit_s=0.3)
    assert ended.end is End.TIMED_OUT
    assert 0.3 <= ended.seconds < 60


def test_a_console_that_never_stops_is_cut(tmp_path: Path) -> None:
    most = MOST_CONSOLE_BYTES
    ended = watched(tmp_path, ["head", "-c", str(most + 1_000_000), "/dev/zero"])
    assert ended.end is End.EXITED
    assert (tmp_path / "console.log").stat().st_size == most


def test_a_watch_that_was_killed_itself_said_nothing() -> None:
    assert Ended.parse(b"").end is End.GONE
    assert Ended.parse(b'{"end": "exi').end is End.GONE


HARNESS = """
import sys
from pathlib import Path
from bench.guests import boot
with boot.watched(Path(sys.argv[1]), 60, sys.argv[2:]) as watch:
    print(watch.pid, flush=True)
    watch.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_harness(number: signal.Signals, tmp_path: Path) -> None:
    """Also children of children."""
    command = [sys.executable, "-c", HARNESS, str(tmp_path)]
    command += ["sh", "-c", "sleep 60 & sleep 60 & wait"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(bench.__file__).resolve().parent.parent)},
        text=True,
    ) as harness:
        assert harness.stdout is not None
        leader = int(harness.stdout.readline())
        assert eventually(lambda: len(process.members(leader)) == 4)  # watch, shell, two sleeps
        harness.send_signal(number)
        assert eventually(lambda: not process.members(leader))


SPEAKING = """
import json, socket, sys, time
print("KVM internal error. Suberror: 1", flush=True)
line = socket.socket(socket.AF_UNIX)
line.bind(sys.argv[1])
line.listen()
state, *said = sys.argv[2:]
peer = line.accept()[0]
def say(**what):
    peer.sendall(json.dumps(what).encode() + b"\\n")
say(QMP={})
asked = peer.makefile("rb")
def answer():
    command = json.loads(asked.readline())["execute"]
    say(**{"return": {"status": state} if command == "query-status" else {}})
for _ in range(2):
    answer()
for event in said:
    name, _, reason = event.partition("=")
    state = reason if name == "STOP" else state
    say(event=name, data={"reason": reason})
    if name == "STOP":
        answer()
if said[-1:] == ["end"]:
    sys.exit(0)
time.sleep(60)
"""


def speaking(folder: Path, *words: str) -> Ended:
    """Return how a program ended that speaks to the watch as QEMU does."""
    qmp = str(folder / "qmp")
    command = [sys.executable, "-c", SPEAKING, qmp, *words]
    with boot.watched(folder, 60.0, command, qmp=qmp) as watch:
        assert watch.stdout is not None
        return Ended.parse(watch.stdout.read())


@pytest.mark.parametrize(
    "words",
    [
        ("internal-error",),
        ("running", "STOP=internal-error"),
        ("running", "RESUME", "STOP=io-error"),
    ],
)
def test_a_guest_that_qemu_stopped_for_good_is_ended_at_once(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    """Also one that was stopped before the watch came."""
    ended = speaking(tmp_path, *words)
    assert ended.end is End.BROKEN
    assert "KVM internal error" in (tmp_path / "console.log").read_text()


def test_one_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    words = ("running", "STOP=paused", "SHUTDOWN=guest-shutdown", "end")
    assert speaking(tmp_path, *words).end is End.POWERED_OFF


@pytest.mark.parametrize(
    ("reasons", "end"),
    [
        (["guest-shutdown"], End.POWERED_OFF),
        (["guest-reset", "guest-shutdown"], End.RESET),
        (["guest-panic"], End.RESET),
        (["host-error"], End.BROKEN),
        (["host-qmp-quit"], End.GONE),
    ],
)
def test_a_shutdown_has_its_reason(reasons: list[str], end: End, tmp_path: Path) -> None:
    events = (f"SHUTDOWN={each}" for each in reasons)
    assert speaking(tmp_path, "running", *events, "end").end is end
