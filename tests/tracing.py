# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run `bufbench trace` as people do, ready before the load starts, and see what it leaves."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from bench import cli
from bench.errors import BufbenchError
from bench.host import process
from bench.host.signals import Ending
from bench.linux import bpf

BUFBENCH: Final = [sys.executable, "-c", "from bench.cli import main; main()"]
PATIENCE_S: Final = 120.0
_PROG_GET_FD_BY_ID: Final = 13
_MAP_GET_FD_BY_ID: Final = 14


def bufbench(
    *arguments: str, before: Sequence[str] = (), timeout_s: float = 60, **environment: str
) -> process.Completed:
    """Run the command to its end. That it waited for another measurement is left out.

    ``before``: words that start it.
    """
    words = [*before, *BUFBENCH, *arguments]
    done = process.run(words, timeout_s=timeout_s, check=False, env=environment)
    done.stderr = re.sub(r"(?m)^bufbench: waiting, .*\n", "", done.stderr)
    return done


def on_one_cpu() -> tuple[str, ...]:
    """Return words that start a command where it may use the last CPU only.

    Its consumer then does not run while a BPF program does.
    """
    return ("taskset", "-c", str(max(os.sched_getaffinity(0))))


def within(*arguments: str, **environment: str) -> process.Completed:
    """Run the command within this process, which saves the start of another Python."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # what typer says of click
        patch.setattr(sys, "argv", ["bufbench", *arguments])
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            code = cli._command_line(Ending())
        except BufbenchError as error:
            print(f"bufbench: {error}", file=sys.stderr)
            code = error.exit_code
    return process.Completed(arguments, int(code), out.getvalue(), err.getvalue())


def side_by_side(command: Callable[[Any], Any], each: Iterable[Any]) -> dict[Any, Any]:
    """Call ``command`` for each, as many at a time as there are CPUs; not for what measures."""
    wanted = list(each)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(zip(wanted, pool.map(command, wanted), strict=True))


def unread(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command whose output nobody reads: each write of it fails."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            words,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    finally:
        os.close(writer)


def eventually(holds: Callable[[], bool]) -> bool:
    """Return whether ``holds`` comes true; what it waits for has no fixed time to happen in."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def answers_signals(pid: int) -> bool:
    """Return whether bufbench's handlers are set: before that Python alone answers a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def reaches(process: subprocess.Popen[Any], holds: Callable[[], bool]) -> bool:
    """Return whether ``holds`` comes true before ``process`` ends, however little CPU it is given.

    A file that it reads need not be there: a journal is removed again once it could be written.
    """
    over = False
    while not over:
        over = process.poll() is not None
        with suppress(FileNotFoundError):
            if holds():
                return True
        time.sleep(0.01)
    return False


class Tracing:
    """Run a tracer whose output goes to files; made by :func:`tracing`."""

    def __init__(self, folder: Path, arguments: Iterable[str]) -> None:
        words = tuple(arguments)
        stem = "-".join(("trace", *words)).replace("/", "_")
        self.shown = folder / f"{stem}.out"
        self.said = folder / f"{stem}.err"
        with self.shown.open("wb") as out, self.said.open("wb") as err:
            self.process = subprocess.Popen([*BUFBENCH, "trace", *words], stdout=out, stderr=err)

    def await_heading(self) -> None:
        """Wait until the text form is attached: its heading comes after that."""
        # Anybody's exit may follow it at once.
        assert eventually(lambda: b" COMM\n" in self.shown.read_bytes()), self.said.read_text()

    def await_probe(self, program: str = "true") -> None:
        """Wait until an exit made for the purpose is shown as JSON."""

        def probed() -> bool:
            with subprocess.Popen([program]) as probe:
                pass
            return any(line["pid"] == probe.pid for line in self.documents(torn=True))

        assert eventually(probed), self.said.read_text()

    def await_exit_of(self, pid: int) -> None:
        """Wait until a process's exit is shown as JSON, and all before it."""
        assert eventually(lambda: any(line["pid"] == pid for line in self.documents(torn=True)))

    def interrupt(self) -> int:
        """Send Ctrl-C; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=PATIENCE_S)

    def documents(self, *, torn: bool = False) -> list[dict[str, Any]]:
        """Return the lines of --json so far; while it runs the last one may be ``torn``."""
        lines = self.shown.read_bytes().split(b"\n")
        assert torn or lines[-1] == b"", "the last line is not whole"
        return [json.loads(line) for line in lines[:-1]]


@contextmanager
def tracing(folder: Path, *arguments: str) -> Iterator[Tracing]:
    """Run `bufbench trace` with ``arguments``; kill it at the end if it still runs."""
    tracer = Tracing(folder, arguments)
    try:
        yield tracer
    finally:
        tracer.process.kill()
        tracer.process.wait()


def bpf_ids(pid: int | str = "self") -> frozenset[tuple[str, int]]:
    """Return ("prog" or "map", id) of what a process holds open in the kernel."""
    found = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = entry.read_text()
        except OSError:  # closed meanwhile
            continue
        found |= {
            (kind, int(number))
            for kind, number in re.findall(r"^(prog|map)_id:\s*(\d+)", text, re.MULTILINE)
        }
    return frozenset(found)


def alive(ids: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return those still in the kernel, which frees them a while after the last holder is gone."""
    return {(kind, number) for kind, number in ids if _is_alive(kind, number)}


def _is_alive(kind: str, number: int) -> bool:
    command = _PROG_GET_FD_BY_ID if kind == "prog" else _MAP_GET_FD_BY_ID
    try:
        os.close(bpf._bpf(command, "=I", number))
    except FileNotFoundError:
        return False
    return True
