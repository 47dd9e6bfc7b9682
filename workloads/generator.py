# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Start the fork-storm generator (forkstorm), let its storm go and read its report."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from errno import EACCES, EMFILE, ENFILE, ENOMEM
from pathlib import Path
from typing import Final, Self

from bench.errors import MachineUnfit, StormFailed, UsageError, check_range
from bench.host import process, signals
from bench.linux import cpus, refusal
from workloads.cgroup import Cgroup
from workloads.storm import Shape, Storm, StormReport
from workloads.truth import Truth
from workloads.user import StormUser, chosen

EXECUTABLE: Final = Path(__file__).parent / "forkstorm"
"""Where the build installs the generator, beside ``tiny``, which children exec."""

# The bounds that forkstorm.c itself has.
MOST_PROCESSES: Final = 10_000_000
MOST_WORKERS: Final = 8_192
MOST_IN_BURST: Final = 1_000_000
MOST_DEPTH: Final = 4_096
MOST_THREADS: Final = 256
MOST_RATE_PER_S: Final = 1e7
MOST_SECONDS: Final = 3_600.0

_OPTIONS: Final = (
    *("shape", "count", "workers", "spawn", "rate_per_s", "gap", "burst_size", "pause_ms"),
    *("depth", "threads", "exit_code", "seconds", "seed"),
)
"""Fields of a storm that are options of forkstorm; ``rate_per_s`` is its ``--rate``."""
_OF_THE_MACHINE: Final = (EMFILE, ENFILE, ENOMEM)
_PROFILE: Final = "take --workload replay --profile FILE"
_BUILD_IT: Final = "install the package, which builds it"
_READY_S = 10.0
_GRACE_S = 6.0  # to reap and report after SIGTERM; forkstorm gives its workers 5
_KILL_S = 5.0
_SPARE_PROCESSES: Final = 64  # the generator, and those that have left but are still counted
_REFUSED = {2: UsageError, 3: MachineUnfit}  # forkstorm's exit codes before it is ready


def require(executable: Path = EXECUTABLE) -> None:
    """Raise MachineUnfit if the generator cannot be executed."""
    try:
        with executable.open("rb"):
            pass
        if not os.access(executable, os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise _cannot_start(executable, error) from error


def _cannot_start(executable: Path, error: OSError) -> MachineUnfit:
    remedy = "" if error.errno in _OF_THE_MACHINE else _BUILD_IT
    return refusal.refused(f"cannot start the generator {executable}", error, remedy=remedy)


def check(storm: Storm, usable: Sequence[int]) -> None:
    """Raise UsageError, naming what to change, if the storm is impossible on the usable CPUs."""
    check_range("--count", storm.count, 1, MOST_PROCESSES)
    check_range("--workers", storm.workers, 1, MOST_WORKERS)
    check_range("--burst", storm.burst_size, 1, MOST_IN_BURST)
    check_range("--depth", storm.depth, 1, MOST_DEPTH)
    check_range("threads", storm.threads, 1, MOST_THREADS)
    check_range("seed", storm.seed, 0, 2**64 - 1)
    if storm.exit_code is not None:
        check_range("exit code", storm.exit_code, 0, 255)
    check_range("--rate", storm.rate_per_s, 0.0, MOST_RATE_PER_S)
    check_range("pause in ms", storm.pause_ms, 0.0, MOST_SECONDS * 1e3)
    check_range("--seconds", storm.seconds, 0.001, MOST_SECONDS)
    if storm.shape.paced and storm.rate_per_s == 0:
        raise UsageError(f"{storm.shape.paced} is paced", remedy="add --rate, above 0")
    if (storm.shape is Shape.REPLAY) != bool(storm.schedule):
        raise UsageError("a replay needs a profile, and nothing else has one", remedy=_PROFILE)
    if storm.shape is Shape.BURST and storm.rate_per_s > 0:
        raise UsageError("a burst has no rate", remedy="leave --rate out")
    _check_cpus(storm, usable)


def storm_arguments(storm: Storm) -> list[str]:
    """Return the storm as forkstorm's options, without ``--tiny``, ``--user`` and descriptors."""
    words: list[str] = []
    for name in _OPTIONS:
        value = getattr(storm, name)
        option = name.removesuffix("_per_s").replace("_", "-")
        words += [f"--{option}", "turn" if value is None else str(value)]
    if storm.cpus:
        words += ["--cpus", ",".join(map(str, storm.cpus))]
    return words


class Generator:
    """Run forkstorm once. Once entered, it has its session and waits; `go` starts the storm.

    It runs as ``user``, by default nobody if this process may change user, within ``cgroup`` if
    there is one, and records what it knows of each child in ``truth``. Leaving ends it and
    everything that it made, whatever state it is in. It dies with the *thread* that entered it
    (PR_SET_PDEATHSIG), so that thread must stay until it is left.

    Raises UsageError for a storm that makes no sense, MachineUnfit if limits leave no room for
    it, StormFailed for everything else that keeps it from reporting.
    """

    def __init__(
        self,
        storm: Storm,
        *,
        executable: Path = EXECUTABLE,
        user: StormUser | None = None,
        cgroup: Cgroup | None = None,
        truth: Truth | None = None,
    ) -> None:
        check(storm, cpus.usable())
        self._storm = storm
        self._user = chosen() if user is None else user
        self._cgroup = cgroup
        self._truth = truth
        self._executable = executable
        self._process: subprocess.Popen[bytes] | None = None
        self._report_fd = -1
        self._go_fd = -1
        self._schedule_fd = -1
        self._unread = b""

    @property
    def session(self) -> int:
        """Return the storm's session id, which is the generator's pid."""
        return self._started().pid

    def __enter__(self) -> Self:
        try:
            self._start()
            self._confine(self._ready())
        except BaseException:
            self._end(in_order=False)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end(in_order=kind is None)

    def go(self) -> None:
        """Start the storm. Raises StormFailed if the generator is gone."""
        self._started()
        try:
            os.write(self._go_fd, b"g")
        except BrokenPipeError:
            raise self._failure() from None

    def wait(self, timeout_s: float) -> StormReport:
        """Return the report once the storm is over and the generator has ended.

        Raises StormFailed if it dies, takes longer, or reports what makes no sense.
        """
        deadline = time.monotonic() + timeout_s
        lines: list[str] = []
        while (line := self._line(deadline)) != "end":
            lines.append(line)
        try:
            self._started().wait(max(0.0, deadline - time.monotonic()) + _GRACE_S)
        except subprocess.TimeoutExpired:
            raise StormFailed("the generator has reported but does not end") from None
        return parse_report(lines)

    def _start(self) -> None:
        words = [str(self._executable), *storm_arguments(self._storm), *self._user.arguments()]
        given = []
        if self._storm.schedule:
            given.append(self._scheduled())
            words += ["--schedule-fd", str(given[-1])]
        if self._truth is not None:
            given.append(self._truth.fd)
            words += self._truth.arguments()
        if self._storm.execute:
            words += ["--tiny", str(self._executable.with_name("tiny"))]
        with ExitStack() as ends:
            try:
                self._report_fd, report_to = os.pipe()
                ends.callback(os.close, report_to)
                go_from, self._go_fd = os.pipe()
                ends.callback(os.close, go_from)
            except OSError as error:
                raise refusal.refused("the generator gets no pipe", error) from error
            words += ["--report-fd", str(report_to), "--go-fd", str(go_from)]
            try:
                self._process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=(report_to, go_from, *given),
                    env={},  # the harness's may hold secrets, and a storm has its arguments
                )
            except BlockingIOError:  # a limit on processes: not about the generator
                raise
            except OSError as error:
                raise _cannot_start(self._executable, error) from error

    def _scheduled(self) -> int:
        """Return a file of when each child is due, evenly within its bin."""
        bin_ns = self._storm.bin_ms * 1e6
        due_ns = [
            round(bin_ns * (place + child / children))
            for place, children in enumerate(self._storm.schedule)
            for child in range(children)
        ]
        self._schedule_fd = os.memfd_create("schedule", os.MFD_CLOEXEC)
        os.pwrite(self._schedule_fd, struct.pack(f"={len(due_ns)}Q", *due_ns), 0)
        return self._schedule_fd

    def _ready(self) -> int:
        """Wait until it is ready; return the most processes and threads that it will have."""
        said = self._line(time.monotonic() + _READY_S)
        word, _, at_once = said.partition(" ")
        if word != "ready" or not (at_once.isascii() and at_once.isdecimal()):
            raise StormFailed(f"the generator said {said!r} instead of ready")
        return int(at_once)

    def _confine(self, at_once: int) -> None:
        """Put it into the cgroup before it has made anything: what it makes is born there."""
        if self._cgroup is None:
            return
        try:
            self._cgroup.bound(at_once + _SPARE_PROCESSES)
            self._cgroup.add(self._started().pid)
        except ProcessLookupError:
            raise self._failure() from None
        except OSError:
            # The manager of this machine's cgroups took it away. Then the storm's own plan is
            # what bounds it, as where there is no cgroup.
            self._cgroup = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise StormFailed("the generator is not running", remedy="enter it first")
        return self._process

    def _line(self, deadline: float) -> str:
        """Return the next line of the report pipe; StormFailed at its end or past the deadline."""
        self._started()
        poll = select.poll()
        poll.register(self._report_fd, select.POLLIN)
        while b"\n" not in self._unread:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1e3):
                raise StormFailed("the generator did not report in time")
            read = os.read(self._report_fd, 65_536)
            if not read:
                raise self._failure()
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace")

    def _failure(self) -> Exception:
        """Return the error for a generator that closed its pipes, with its last output."""
        child = self._started()
        if child.returncode is None:
            if process.ended(child, _GRACE_S) is None:
                return StormFailed("the generator closed its pipe without a report")
            process.end_session(child, timeout_s=_KILL_S)
        code = child.wait()
        said = ""
        if child.stderr:
            # Never to the end of file: a process that it left behind may hold the other end.
            os.set_blocking(child.stderr.fileno(), False)
            said = (child.stderr.read() or b"").decode(errors="replace").strip()
        if code in _REFUSED and said:
            return _REFUSED[code](said)
        ended = f"was killed by {signals.named(-code)}" if code < 0 else f"returned {code}"
        return StormFailed(f"the generator {ended}" + (f": {said}" if said else ""))

    def _end(self, *, in_order: bool) -> None:
        """End the generator and what it made; close the pipes. Safe to call twice.

        ``in_order`` gives it time to reap what it made; Ctrl-C does not wait for that.
        """
        child = self._process
        try:
            if child and child.returncode is None:
                try:
                    os.kill(child.pid, signal.SIGTERM)
                    process.ended(child, _GRACE_S if in_order else 0.0)
                finally:  # also when a second Ctrl-C cuts the grace short
                    process.end_session(child, timeout_s=_KILL_S)
        finally:
            for fd in (self._report_fd, self._go_fd, self._schedule_fd):
                if fd >= 0:
                    os.close(fd)
            self._report_fd = self._go_fd = self._schedule_fd = -1
            if child and child.stderr:
                child.stderr.close()


def parse_report(lines: list[str]) -> StormReport:
    """Return the generator's ``key=value`` lines as a report.

    Raises StormFailed if a line is unknown, a number is missing, or the counts do not agree.
    """
    numbers: dict[str, int] = {}
    failed: dict[str, int] = {}
    statuses: dict[int, int] = {}
    stopped_by = ""
    for line in lines:
        key, _, value = line.partition("=")
        group, _, name = key.partition(".")
        if key == "trouble":
            raise StormFailed(f"the generator's counts cannot be trusted: {value[:200]}")
        with suppress(ValueError):
            if key == "stopped_by":
                stopped_by = value
            elif group == "failed":
                failed[name] = int(value)
            elif group == "status":
                statuses[int(name)] = int(value)
            else:
                numbers[key] = int(value)
            continue
        raise StormFailed(f"the generator's report is garbled: {line[:80]!r}")
    try:
        report = StormReport(
            **numbers, failed=failed, exit_statuses=statuses, stopped_by=stopped_by
        )
    except TypeError as error:
        raise StormFailed("the generator's report is incomplete or of another version") from error
    if not report.made == report.reaped == sum(statuses.values()):
        raise StormFailed(f"the generator made {report.made} processes, reaped {report.reaped}")
    return report


def _check_cpus(storm: Storm, usable: Sequence[int]) -> None:
    listed = cpus.list_format(usable)
    for cpu in storm.cpus:
        if cpu not in usable:
            raise UsageError(
                f"--cpus: CPU {cpu} is not online, or not allowed to this process",
                remedy=f"choose from {listed}",
            )
    if len(set(storm.cpus)) != len(storm.cpus):
        raise UsageError(f"--cpus {cpus.list_format(storm.cpus)} names one twice")
    if len(storm.cpus or usable) < storm.shape.cpus:
        raise UsageError(
            f"{storm.shape} wants two CPUs", remedy="take another --workload, or more --cpus"
        )
