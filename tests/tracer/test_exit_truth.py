# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare the tracer with waitpid and /proc: what an exit is, and whose."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from truth import Truth, teller

from bench.plan.config import Producer
from bench.record.layout import CapturedRecord, Flag
from bench.tracer import live, settings

pytestmark = [pytest.mark.live, pytest.mark.slow]

KINDS = [
    "leader-first",
    "leader-first-then-killed",
    "all-alone-leader-first",
    "all-alone-leader-last",
    "all-alone-at-once",
    "exec-from-thread",
    "exec-from-leader",
    "signal",
    "core",
    "names",
    "orphan",
    "daemon",
    "session-leader",
]


@pytest.fixture(scope="module", params=["ringbuf", "perfbuf"])
def tracer(request: pytest.FixtureRequest) -> Iterator[live.LiveTrace]:
    with live.opened(request.param, 1 << 20) as opened:
        yield opened


def traced(
    tracer: live.LiveTrace, action: Callable[[], list[Truth]]
) -> tuple[list[Truth], list[CapturedRecord]]:
    """Return what ``action`` knows, and what the tracer saw meanwhile."""
    with tracer.attached():
        truths = action()
    records: list[CapturedRecord] = []
    while batch := tracer.batch(0):
        records += batch
    assert tracer.tally().lost == 0
    return truths, records


def of(maker: int, truths: list[Truth], records: list[CapturedRecord]) -> list[CapturedRecord]:
    """Return the records of the program's processes; others may get a pid of one of theirs."""
    pids = {truth.pid for truth in truths}
    makers = {maker, *pids}
    return [row for row in records if row.pid in pids and row.parent_pid in makers]


def seen(record: CapturedRecord) -> tuple[int, int, int, bytes]:
    return record.pid, record.parent_pid, record.status, record.comm.split(b"\0", 1)[0]


def known(truth: Truth) -> tuple[int, int, int, bytes]:
    return truth.pid, truth.parent_pid, truth.status, truth.comm


def agree(
    tracer: live.LiveTrace, program: Path, kind: str, count: int, folder: Path
) -> list[Truth]:
    with teller(program, kind, count, folder) as process:
        truths, records = traced(tracer, process.go)
        assert Counter(map(seen, of(process.pid, truths, records))) == Counter(map(known, truths))
    return truths


@pytest.mark.parametrize("kind", KINDS)
def test_each_exit_once_with_parent_status_and_name(
    kind: str, tracer: live.LiveTrace, truths: Path, tmp_path: Path
) -> None:
    found = agree(tracer, truths, kind, 40, tmp_path)
    assert len(found) == (80 if kind in {"orphan", "daemon"} else 40)


def test_every_exit_code(tracer: live.LiveTrace, truths: Path, tmp_path: Path) -> None:
    found = agree(tracer, truths, "code", 256, tmp_path)
    assert [os.waitstatus_to_exitcode(truth.status) for truth in found] == [*range(256)]


def test_the_kinds_are_what_they_are_called(
    tracer: live.LiveTrace, truths: Path, tmp_path: Path
) -> None:
    killed = {truth.status for truth in agree(tracer, truths, "signal", 20, tmp_path)}
    assert {signal.SIGKILL, signal.SIGTERM, signal.SIGRTMIN + 3, signal.SIGRTMAX} < killed
    assert {t.status for t in agree(tracer, truths, "leader-first", 3, tmp_path)} == {0, 256, 512}
    dumped = agree(tracer, truths, "core", 8, tmp_path)
    assert {truth.status & 0x7F for truth in dumped} == {
        signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT, signal.SIGTRAP,
    }  # fmt: skip


def test_a_dumped_core_is_reported(tracer: live.LiveTrace, truths: Path, tmp_path: Path) -> None:
    found = agree(tracer, truths, "core", 4, tmp_path)
    if not any(truth.status & 0x80 for truth in found):
        pytest.skip("this machine's core_pattern or limits keep cores from being dumped")


def test_times_are_of_the_whole_process(
    tracer: live.LiveTrace, truths: Path, tmp_path: Path
) -> None:
    with teller(truths, "leader-first", 20, tmp_path) as process:
        found, records = traced(tracer, process.go)
        rows = of(process.pid, found, records)
    maker = next(record for record in records if record.pid == process.pid)
    for row in rows:
        assert row.duration_ns == row.timestamp_ns - row.start_ns > 0
        assert row.parent_start_ns == maker.start_ns < row.start_ns
        assert row.timestamp_ns < maker.timestamp_ns
        assert row.timestamp_ns <= row.delivered_ns


def test_children_that_a_parent_left_behind_are_reported(
    tracer: live.LiveTrace, truths: Path, tmp_path: Path
) -> None:
    with teller(truths, "orphan", 20, tmp_path) as process:
        found, records = traced(tracer, process.go)
        rows = of(process.pid, found, records)
    childless = {row.pid: bool(row.flags & Flag.NO_CHILDREN) for row in rows}
    left = {truth.pid for truth in found[::2]}  # the parents go first
    assert childless == {truth.pid: truth.pid not in left for truth in found}


@pytest.mark.parametrize("kind", ["orphan", "daemon", "session-leader", "code", "exec-from-thread"])
def test_own_is_who_stays_in_the_session(
    kind: str, tracer: live.LiveTrace, truths: Path, tmp_path: Path
) -> None:
    with teller(truths, kind, 40, tmp_path) as process:
        tracer._program.configure(settings.encode(Producer(), session=process.pid, rings=1))
        found, records = traced(tracer, process.go)
    own = {record.pid for record in records if record.flags & Flag.OWN}
    assert own == {truth.pid for truth in found if truth.session == process.pid}
    assert process.pid not in own


def test_nothing_is_own_without_a_session(
    tracer: live.LiveTrace, truths: Path, tmp_path: Path
) -> None:
    tracer._program.configure(settings.encode(Producer(), session=0, rings=1))
    with teller(truths, "code", 20, tmp_path) as process:
        _, records = traced(tracer, process.go)
    assert len(records) > 20
    assert not any(record.flags & Flag.OWN for record in records)
