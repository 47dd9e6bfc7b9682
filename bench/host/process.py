# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run other programs, never through a shell.

Only the storms' generator and map callers, a guest's watch and a check's probes are started
elsewhere.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import EACCES, ENOENT
from pathlib import Path
from typing import BinaryIO, ClassVar

import psutil

from bench.amounts import given
from bench.errors import BufbenchError, ExitCode
from bench.host import signals
from bench.linux import refusal

_LAST_WORDS_S = 2.0
_KILL_S = 1.0
_PAUSE_S = 0.005
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
# Nothing outlives bufbench, even if bufbench is killed before the program has begun.
_TIED = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    try:
        os.execv(sys.argv[2], sys.argv[3:])  # under the name by which it was called
    except OSError as error:
        sys.exit(f"cannot run {sys.argv[2]}: {error.strerror}")
"""


Completed = subprocess.CompletedProcess[str]
"""A program that ended, and its output."""


class ProgramFailed(BufbenchError):
    """Report that a program could not be started, failed or took too long.

    ``completed`` holds the return code and the output so far; it is None if the program never
    started.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.MACHINE_UNFIT

    def __init__(
        self, message: str, *, completed: Completed | None = None, timed_out: bool = False
    ) -> None:
        super().__init__(message)
        self.completed = completed
        self.timed_out = timed_out


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    check: bool = True,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end and return its output.

    The program gets a session of its own, so that a time-out or Ctrl-C ends its children too; it
    does not outlive the thread that called. ``env`` is added to this process's environment. Raises
    ProgramFailed if it cannot be started, takes longer than ``timeout_s``, or, with ``check``,
    returns anything but 0.
    """
    words = tuple(str(word) for word in argv)
    environment = {**os.environ, **(env or {})}
    with _starting(words[0]):
        child = subprocess.Popen(
            _tied(words, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    timed_out = False
    try:
        stdout, stderr = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        timed_out = True
        stdout, stderr = _end(child)
    except BaseException:
        _end(child)
        raise
    completed = Completed(words, child.returncode, stdout, stderr)
    if timed_out:
        message = f"{words[0]} took longer than {given(timeout_s, 's')} and was killed"
        raise ProgramFailed(message, completed=completed, timed_out=True)
    if check and completed.returncode:
        raise ProgramFailed(_failure(completed), completed=completed)
    return completed


@contextmanager
def started(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    output: BinaryIO | None = None,
    terminal: int | None = None,
    tied: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own for as long as the context lasts.

    Its stdin is a pipe to which nothing is written: its end shows the program that bufbench has
    ended. Its stdout is a pipe and its stderr bufbench's, unless both go to the file ``output``, or
    stdout to the descriptor ``terminal`` and stderr to a pipe.
    On leaving, the whole session is killed. A program that is ``tied``, which need not look at its
    stdin, is also killed if bufbench is. Raises ProgramFailed if it cannot be started.
    """
    words = tuple(str(word) for word in argv)
    environment = {**os.environ, **(env or {})}
    with _starting(words[0]):
        child = subprocess.Popen(
            _tied(words, environment) if tied else words,
            stdin=subprocess.PIPE,
            stdout=output or (subprocess.PIPE if terminal is None else terminal),
            stderr=output if terminal is None else subprocess.PIPE,
            env=environment,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    try:
        yield child
    finally:
        end_session(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()


def ended(child: subprocess.Popen[bytes], within_s: float = 0.0) -> int | None:
    """Return the exit code of a child, the negative signal number if killed; None if it still runs.

    Unlike the methods of Popen, this does not reap it, so that its session can still be ended.
    """
    if child.returncode is not None:
        return child.returncode
    descriptor, poll = os.pidfd_open(child.pid), select.poll()
    try:
        poll.register(descriptor, select.POLLIN)
        over = poll.poll(within_s * 1e3)
    finally:
        os.close(descriptor)
    seen = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) if over else None
    if seen is None:
        return None
    return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status


def members(session: int) -> set[int]:
    """Return the PIDs of the session's running processes; zombies only wait for their parent."""
    found = set()
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):  # it ended meanwhile
            if os.getsid(pid) == session and psutil.Process(pid).status() not in _ENDED:
                found.add(pid)
    return found


def end_session(leader: subprocess.Popen[bytes], *, timeout_s: float = _KILL_S) -> None:
    """Kill all processes of a child's session, wait ``timeout_s`` for their end, reap the child.

    Nothing is done for a child that was reaped: its PID could have been reused.
    """
    if leader.returncode is not None:
        return
    os.kill(leader.pid, signal.SIGKILL)
    os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
    deadline = time.monotonic() + timeout_s
    while (left := members(leader.pid)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)
    leader.wait()


def _tied(words: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that runs ``words`` for as long as the calling thread lasts.

    Raises OSError where there is no such program.
    """
    program = shutil.which(words[0], path=environment.get("PATH"))
    if program is None:
        number = EACCES if os.sep in words[0] and Path(words[0]).exists() else ENOENT
        raise OSError(number, os.strerror(number))
    return (sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), program, *words)


@contextmanager
def _starting(program: str) -> Iterator[None]:
    """Raise MachineUnfit at a limit, and ProgramFailed, in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise refusal.explained(error) or ProgramFailed(
            f"cannot run {program}: {error.strerror}"
        ) from error


def _end(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Kill the child's whole session and return its output so far."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    try:
        return child.communicate(timeout=_LAST_WORDS_S)
    except subprocess.TimeoutExpired as error:
        # A process that left the session still holds the pipes: take the output so far.
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()
        child.wait()
        return _text(error.stdout), _text(error.stderr)


def _text(seen: str | bytes | None) -> str:
    return seen.decode(errors="replace") if isinstance(seen, bytes) else seen or ""


def _failure(completed: Completed) -> str:
    """Return one line: the program, how it ended, and the last line of its output."""
    code = completed.returncode
    ended = f"was killed by {signals.named(-code)}" if code < 0 else f"returned {code}"
    lines = (completed.stderr.strip() or completed.stdout.strip()).splitlines()
    return f"{completed.args[0]} {ended}" + (f": {lines[-1].strip()}" if lines else "")
