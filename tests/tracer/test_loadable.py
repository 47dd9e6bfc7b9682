# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that what keeps a tracer from loading is named by its errno: each in a real process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tracing import BUFBENCH

from bench.linux import libc, perf_event, tracefs
from bench.tracer import probes

pytestmark = pytest.mark.live

RUN = ("run", "--workload", "storm", "--count", "300", "--blocks", "1", "--quiet", "--wait")

# A seccomp filter that answers one system call with EPERM, then the command.
FILTERED = """
import ctypes, os, struct, sys
number = int(sys.argv[1])
code = b"".join(struct.pack("=HBBI", *each) for each in (
    (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)))
block = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", 4, ctypes.addressof(block)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0, ctypes.get_errno()
os.execv(sys.argv[2], sys.argv[2:])
"""
SECCOMP = (sys.executable, "-c", FILTERED)
BPF, PERF_EVENT_OPEN = str(libc.SYS_BPF), str(libc.SYS_PERF_EVENT_OPEN)


def limited(words: str) -> tuple[str, ...]:
    return ("sh", "-c", f'{words}; exec "$@"', "sh")


CASES = {
    "user namespace": (("unshare", "-Ur"), "EPERM", "leave the user namespace"),
    "few files": (limited("ulimit -n 30"), "EMFILE", "raise ulimit -n, which is 30"),
    "removed folder": (
        limited('d=$(mktemp -d); cd "$d"; rmdir "$d"'),
        "ENOENT",
        "the current folder is gone",
    ),
    "no room": (
        (
            *("unshare", "--mount"),
            *limited("mount -t tmpfs -o size=16k none /run; export TMPDIR=/run"),
        ),
        "ENOSPC",
        "make room",
    ),
    "short files": (limited("ulimit -f 8"), "EFBIG", "raise ulimit -f"),
    "no bpf": ((*SECCOMP, BPF), "EPERM", "seccomp"),
    "no perf events": ((*SECCOMP, PERF_EVENT_OPEN), "EPERM", "seccomp"),
}


def bufbench(
    before: Sequence[str], *arguments: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, *BUFBENCH, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
    )


def of_bufbench(text: str) -> list[str]:
    """Return its messages, but that it waits for another measurement."""
    lines = text.splitlines()
    return [each for each in lines if each.startswith("bufbench: ") and "waiting" not in each]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("command", ["run", "trace"])
def test_cause_and_remedy_in_one_line(name: str, command: str, tmp_path: Path) -> None:
    before, code, words = CASES[name]
    output = ("--output", str(tmp_path / "run.jsonl"))
    arguments = (*RUN, *output) if command == "run" else ("trace", "--duration", "1")
    done = bufbench(before, *arguments, folder=tmp_path)
    assert done.returncode == 3, done.stderr
    (line,) = of_bufbench(done.stderr)
    assert f"({code})" in line
    assert words in line
    assert "could not compile" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run.jsonl").exists()


@pytest.mark.parametrize("name", ["user namespace", "no bpf", "few files"])
def test_the_doctor_tries_it_too(name: str, tmp_path: Path) -> None:
    before, code, words = CASES[name]
    done = bufbench(before, "doctor", "--json", folder=tmp_path)
    assert done.returncode == 3
    failed = [each for each in json.loads(done.stdout)["findings"] if each["status"] == "fail"]
    assert any(f"({code})" in each["seen"] and words in each["remedy"] for each in failed)


def test_limits_below_what_libraries_take_are_named(tmp_path: Path) -> None:
    for words, option in (
        *(("ulimit -v 100000", "-v"), ("ulimit -v 330000", "-v")),
        *(("ulimit -d 60000", "-d"), ("ulimit -d 140000", "-d"), ("ulimit -d 200000", "-d")),
    ):
        done = bufbench(limited(words), "report", "none.jsonl", folder=tmp_path)
        assert done.returncode == 3
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"bufbench: ulimit {option} is ")


def test_a_small_stack_is_no_obstacle(tmp_path: Path) -> None:
    output = ("--output", str(tmp_path / "run.jsonl"))
    done = bufbench(limited("ulimit -s 512"), *RUN, *output, folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_all_works_here_and_leaves_nothing() -> None:
    assert [name for name, error in probes.steps() if error] == []
    assert probes.refused() is None
    probes.require()


def test_an_attachment_that_is_refused_leaves_no_event() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="Bad file descriptor"):
        perf_event.open_tracepoint(tracefs.number(tracefs.EXIT), -1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
