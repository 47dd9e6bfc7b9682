# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that bufbench trace accounts for every exit, whatever happens to it or its reader."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tracing import BUFBENCH, PATIENCE_S, tracing

from bench.tracer import live
from workloads.generator import Generator
from workloads.storm import Shape, Spawn, Storm, StormReport

pytestmark = pytest.mark.live

TRANSPORTS = ("ringbuf", "perfbuf")
STORM: Final = Storm(count=4_000)
_ACCOUNT: Final = re.compile(
    r"(\d+) delivered, (\d+) lost, (\d+) missed"
    r"(?:; (\d+) delivered are not shown, since the output was not read)?\n"
)


class Account(NamedTuple):
    """Hold the line at the end."""

    delivered: int
    lost: int
    missed: int
    unshown: int

    @classmethod
    def parse(cls, line: str) -> Account:
        found = _ACCOUNT.fullmatch(line)
        assert found, line
        return cls(*(int(each or 0) for each in found.groups()))


class Sufferer:
    """Run a tracer whose output goes to ``writer``, and keep what has been read at ``reader``."""

    def __init__(self, transport: str, reader: int, writer: int) -> None:
        self._reader = reader
        self.seen = b""
        words = [*BUFBENCH, "trace", "--transport", transport, "--budget", "64KiB"]
        self.process = subprocess.Popen(words, stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        while b" COMM" not in self.seen or not self.seen.endswith(b"\n"):
            self.read()

    def read(self, most: int = 65_536) -> bool:
        """Read more; return whether there was anything left, now or later."""
        try:
            part = os.read(self._reader, most)
        except OSError:  # a terminal that nobody has open any more
            return False
        self.seen += part
        return bool(part)

    def read_all(self, most: int = 65_536, pause_s: float = 0.0) -> None:
        while self.read(most):
            time.sleep(pause_s)

    def end(self) -> Account:
        """Send Ctrl-C, which nobody who does not read can delay."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 130
        return Account.parse(said)

    @property
    def lines(self) -> int:
        """Return whole lines below the heading."""
        return self.seen.count(b"\n") - 1


@contextmanager
def suffering(transport: str, ends: Callable[[], tuple[int, int]]) -> Iterator[Sufferer]:
    reader, writer = ends()
    sufferer = Sufferer(transport, reader, writer)
    try:
        yield sufferer
    finally:
        sufferer.process.kill()
        sufferer.process.communicate()
        os.close(reader)


def stormed(storm: Storm = STORM) -> StormReport:
    with Generator(storm) as generator:
        generator.go()
        return generator.wait(60)


def read_while_ending(tracer: Sufferer) -> Account:
    reading = threading.Thread(target=tracer.read_all)
    reading.start()
    account = tracer.end()
    reading.join()
    return account


def stopped(tracer: Sufferer) -> tuple[StormReport, Account]:
    """Stop it, so that it cannot run at all while the storm lasts."""
    tracer.process.send_signal(signal.SIGSTOP)
    report = stormed()
    tracer.process.send_signal(signal.SIGCONT)
    return report, read_while_ending(tracer)


def unread(tracer: Sufferer) -> tuple[StormReport, Account]:
    """Read nothing, neither before Ctrl-C nor after it."""
    report = stormed()
    account = tracer.end()
    assert account.unshown > 0
    tracer.read_all()  # what the pipe held
    return report, account


def read_late(tracer: Sufferer) -> tuple[StormReport, Account]:
    """Read nothing before the storm is over, as a pager may."""
    report = stormed()
    return report, read_while_ending(tracer)


def read_slowly(tracer: Sufferer) -> tuple[StormReport, Account]:
    """Read a line or two at a time, as a terminal may; return report and account."""
    reading = threading.Thread(target=tracer.read_all, args=(100, 0.001))
    reading.start()
    report = stormed()
    account = tracer.end()
    reading.join()
    return report, account


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ends", "suffer"),
    [
        (os.pipe, stopped),
        (os.pipe, unread),
        (os.pipe, read_late),
        (os.pipe, read_slowly),
        (pty.openpty, read_late),
        (pty.openpty, read_slowly),
    ],
)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_delivered_lost_and_missed_are_all_there_was(
    transport: str,
    ends: Callable[[], tuple[int, int]],
    suffer: Callable[[Sufferer], tuple[StormReport, Account]],
    tmp_path: Path,
) -> None:
    """Beside it an unhindered tracer, attached before and detached after, sees others' exits."""
    with tracing(tmp_path, "--json") as witness:
        witness.await_probe()
        already = len(witness.documents(torn=True))
        with suffering(transport, ends) as tracer:
            report, account = suffer(tracer)
        with subprocess.Popen(["true"]) as last:
            pass
        witness.await_exit_of(last.pid)
        assert witness.interrupt() == 130
        everyone = witness.documents()
        assert f"{len(everyone)} delivered, 0 lost, 0 missed" in witness.said.read_text()
    happened = account.delivered + account.lost + account.missed
    others = len(everyone) - already - report.reaped
    assert report.reaped == STORM.count + STORM.workers
    assert report.reaped <= happened <= report.reaped + others
    assert tracer.lines == account.delivered - account.unshown


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_missed_counts_processes_not_threads(transport: str) -> None:
    """Each process of a storm of threads, while the tracer itself is not attached."""
    storm = Storm(shape=Shape.THREADS, count=150, threads=4, spawn=Spawn.FORK)
    with live.opened(transport, 1 << 20) as tracer:
        program = tracer._program
        program.load()
        with program.counting_missed():
            report = stormed(storm)
        assert report.threads_made == storm.threads * storm.count
        missed = tracer.tally().missed
        assert report.reaped <= missed < report.reaped + report.threads_made // 2


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_missed_where_the_tracer_is_attached(transport: str) -> None:
    storm = Storm(shape=Shape.THREADS, count=150, threads=4, spawn=Spawn.FORK)
    with live.opened(transport, 8 << 20) as tracer:
        with tracer.attached():
            report = stormed(storm)
        seen = 0
        while rest := tracer.batch(0):
            seen += len(rest)
        tally = tracer.tally()
    assert (tally.delivered, tally.lost, tally.missed) == (seen, 0, 0)
    assert seen >= report.reaped


def test_a_batch_smaller_than_what_is_there_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_BATCH_RECORDS", 100)
    for transport in TRANSPORTS:
        with live.opened(transport, 8 << 20) as tracer:
            with tracer.attached():
                report = stormed()
            batches = []
            while rest := tracer.batch(0):
                batches.append(len(rest))
            attempted = sum(cpu.attempted for cpu in tracer._program.read_counters())
            tally = tracer.tally()
        assert max(batches) == 100
        assert sum(batches) == tally.delivered
        assert tally.delivered + tally.lost == attempted >= report.reaped
        assert tally.lost == 0
