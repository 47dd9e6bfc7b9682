# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the capture extension on buffers that the kernel writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from trials import KIB, READERS, budget

from bench.linux import perf_event
from bench.measure import latency, ledger
from bench.plan.config import MIXED, Consumer, Poll, Producer, Reader, TrialConfig
from bench.record.layout import ROW
from bench.record.records import CAPTURED, Records
from bench.tracer import settings, transports
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import BufferRequest
from bench.trial.rig import Rig
from workloads.generator import Generator
from workloads.storm import Storm

TRANSPORTS = ("ringbuf", "perfbuf")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Buffers:
    """Hold buffers of one transport, empty and mapped, and the program that can fill them."""

    program: Program
    capture: Capture
    producer: Producer
    rings: int
    drain: Callable[[], None]  # as the reader does it

    def fill(self, exits: int, cpus: tuple[int, ...] = ()) -> int:
        """Make so many exits, at least; return the records that they made."""
        with Generator(Storm(count=exits, cpus=cpus)) as generator:
            session = generator.session
            self.program.configure(
                settings.encode(self.producer, session=session, rings=self.rings)
            )
            with self.program.attached():
                generator.go()
                generator.wait(30)
        return sum(cpu.attempted for cpu in self.program.read_counters())

    def rows(self) -> Records:
        found: Records = np.frombuffer(self.capture.array, dtype=CAPTURED, count=self.capture.count)
        return found.copy()


@contextmanager
def mapped(
    rig: Rig,
    name: str,
    *,
    budget_bytes: int | None = None,
    records_per_exit: int = 100,
    payload_bytes: int = 0,
    capacity: int = 100_000,
    reader: Reader = Reader.NATIVE,
    cost_ns: int = 0,
) -> Iterator[Buffers]:
    way = transports.find(name)
    budget_bytes = budget_bytes or budget(rig, name, 512 * KIB)
    producer = Producer(records_per_exit=records_per_exit, payload_bytes=payload_bytes)
    config = TrialConfig(
        transport=name,
        budget_bytes=budget_bytes,
        producer=producer,
        consumer=Consumer(reader=reader, cost_ns=cost_ns),
    )
    program = rig.program_for(way, config)
    rig.hold(program)  # each filling detaches it
    program.configure(settings.encode(producer, session=0, rings=way.rings(rig.cpus)))
    program.zero_counters()
    request = BufferRequest(config=config, cpus=rig.cpus, sharing=rig.usable)
    capture = Capture(capacity)
    with way.open(program, capture, request) as opened:
        yield Buffers(program, capture, producer, way.rings(rig.cpus), opened.drain)


@pytest.mark.live
@pytest.mark.parametrize("poll", [each for each in Poll if each is not Poll.STOPPED])
@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_stopped_capture_drains_what_is_there(rig: Rig, name: str, poll: Poll) -> None:
    with mapped(rig, name) as buffers:
        attempted = buffers.fill(20)
        buffers.capture.stop()
        buffers.capture.run(poll=poll, interval_ns=1_000_000)
        rows = buffers.rows()
        assert len(rows) == attempted >= 2_000
        assert ledger.balance(rows, buffers.program.read_counters()).balanced


@pytest.mark.live
@pytest.mark.parametrize("name", TRANSPORTS)
def test_rows_are_stamped_in_the_order_of_reading(rig: Rig, name: str) -> None:
    with mapped(rig, name) as buffers:
        before_ns = time.monotonic_ns()
        buffers.fill(20)
        buffers.capture.stop()
        filled_ns = time.monotonic_ns()
        buffers.capture.run(poll=Poll.BUSY)
        rows = buffers.rows()
    assert (np.diff(rows["delivered_ns"].astype(np.int64)) >= 0).all()
    assert (rows["delivered_ns"] >= filled_ns).all()
    assert (rows["timestamp_ns"] >= before_ns).all()
    assert (rows["timestamp_ns"] <= filled_ns).all()
    for cpu in set(rows["cpu"].tolist()):
        assert (np.diff(rows["sequence"][rows["cpu"] == cpu].astype(np.int64)) == 1).all()


@pytest.mark.live
@pytest.mark.parametrize("name", TRANSPORTS)
def test_records_behind_many_others_of_a_visit_share_stamps(rig: Rig, name: str) -> None:
    """Give the first ones stamps of their own; of n the last n / 64 share one."""
    with mapped(rig, name) as buffers:
        buffers.fill(20, cpus=rig.cpus[:1])
        buffers.capture.stop()
        buffers.capture.run(poll=Poll.BUSY)
        rows = buffers.rows()
    own = rows[rows["cpu"] == rig.cpus[0]]
    errors = latency.errors_ns(own, rows)
    first = np.flatnonzero(np.diff(own["delivered_ns"], prepend=0))
    together = np.diff(first, append=len(own))
    others = len(rows) - len(own)  # some of which may lie between
    assert len(own) >= 2_000
    assert (errors[: max(0, 64 - others)] == 0).all()
    assert together.max() > 16
    assert (together <= 1 + (others + first) // 64).all()
    assert (errors[np.repeat(together, together) > 1] > 0).all()


@pytest.mark.live
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", TRANSPORTS)
def test_what_looks_at_each_record_stamps_each(rig: Rig, name: str, reader: Reader) -> None:
    """libbcc hands over one at a time; work for each record begins when it was delivered."""
    with mapped(rig, name, reader=reader, cost_ns=100) as buffers:
        buffers.fill(5)
        buffers.capture.stop()
        buffers.drain()
        rows = buffers.rows()
    assert len(rows) >= 500
    assert (np.diff(rows["delivered_ns"]) > 0).all()


@pytest.mark.live
@pytest.mark.parametrize("poll", [each for each in Poll if each is not Poll.STOPPED])
@pytest.mark.parametrize("name", TRANSPORTS)
def test_it_can_be_stopped_from_another_thread(rig: Rig, name: str, poll: Poll) -> None:
    with mapped(rig, name) as buffers:
        consumer = threading.Thread(
            target=buffers.capture.run, kwargs={"poll": poll, "interval_ns": 1_000_000}
        )
        consumer.start()
        attempted = buffers.fill(10)
        buffers.capture.stop()
        consumer.join(timeout=30)
        assert not consumer.is_alive()
        assert buffers.capture.count == attempted


@pytest.mark.live
@pytest.mark.parametrize("name", TRANSPORTS)
def test_what_finds_no_room_is_counted(rig: Rig, name: str) -> None:
    with mapped(rig, name, capacity=1_234) as buffers:
        attempted = buffers.fill(20)
        buffers.capture.stop()
        buffers.capture.run(poll=Poll.BUSY)
        assert buffers.capture.count == buffers.capture.capacity == 1_234
        assert buffers.capture.overflow == attempted - 1_234


@pytest.mark.live
@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_tally_counts_records_and_their_ages_whatever_their_layout(rig: Rig, name: str) -> None:
    """Begin a record with its timestamp; 8 bytes before its end there is none."""
    for stamp_at, dated in ((0, True), (64, False), (80, False)):
        with mapped(rig, name) as buffers:
            before_ns = time.monotonic_ns()
            buffers.capture.tally(stamp_at, before_ns)
            attempted = buffers.fill(5)
            buffers.capture.stop()
            buffers.capture.run(poll=Poll.BUSY)
            after_ns, capture = time.monotonic_ns(), buffers.capture
        assert (capture.delivered, capture.count) == (attempted, 0)
        assert 72 * attempted <= capture.delivered_bytes <= 80 * attempted
        assert 80 * attempted <= capture.peak_bytes <= budget(rig, name, 512 * KIB)
        ages = np.frombuffer(capture.age_counts(), np.uint64)
        assert (int(ages.sum()), capture.misdated) == ((attempted, 0) if dated else (0, attempted))
        assert (0 < capture.age_max_ns < after_ns - before_ns) is dated


@pytest.mark.live
@pytest.mark.parametrize("name", TRANSPORTS)
def test_an_array_is_used_again_by_a_new_capture(rig: Rig, name: str) -> None:
    with mapped(rig, name) as buffers:
        buffers.fill(5)
        buffers.capture.stop()
        buffers.capture.run(poll=Poll.BUSY)
        assert buffers.capture.count
        assert buffers.capture.mapped_bytes
        again = Capture(1, buffers.capture.array)
        assert again.array is buffers.capture.array
        assert again.capacity == buffers.capture.capacity
        for number in ("count", "mapped_bytes", "buffer_count", "overflow", "stopping", "cpu_ns"):
            assert getattr(again, number) == 0


@pytest.mark.live
@pytest.mark.parametrize("name", TRANSPORTS)
def test_collecting_waits_for_the_first_record(rig: Rig, name: str) -> None:
    with mapped(rig, name, records_per_exit=1) as buffers:
        assert buffers.capture.collect(0) == 0
        before_ns = time.monotonic_ns()
        assert buffers.capture.collect(20) == 0
        assert time.monotonic_ns() - before_ns >= 20_000_000
        with buffers.program.attached(), subprocess.Popen(["sleep", "0.1"]):
            assert buffers.capture.collect(60_000) > 0
            assert time.monotonic_ns() - before_ns < 60_000_000_000


@pytest.mark.live
@pytest.mark.parametrize("capacity", [1, 7, 1_234])
@pytest.mark.parametrize("name", [*TRANSPORTS, "sharded"])
def test_collecting_takes_no_more_than_there_is_room_for(
    rig: Rig, name: str, capacity: int
) -> None:
    """Everything that has arrived: the next call goes on, with every buffer in its turn."""
    with mapped(rig, name, capacity=capacity) as buffers:
        attempted = buffers.fill(40)
        parts = []
        while count := buffers.capture.collect(0):
            assert count <= capacity
            parts.append(buffers.rows())
        rows = np.concatenate(parts)
        assert buffers.capture.overflow == 0
        assert ledger.balance(rows, buffers.program.read_counters()).balanced
        assert len(rows) == attempted > 2 * capacity


@pytest.mark.live
@pytest.mark.parametrize("name", TRANSPORTS)
def test_collecting_begins_at_the_first_row_each_time(rig: Rig, name: str) -> None:
    with mapped(rig, name) as buffers:
        attempted = buffers.fill(5)
        assert buffers.capture.collect(0) == attempted == buffers.capture.count
        assert buffers.capture.collect(0) == 0
        again = buffers.fill(1)
        first = next(ROW.iter_unpack(memoryview(buffers.capture.array)[: ROW.size]))
        assert buffers.capture.collect(0) == again - attempted
        assert next(ROW.iter_unpack(memoryview(buffers.capture.array)[: ROW.size])) > first


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("payload_bytes", [0, 8, 16, 24, 128, 512, 1000, 4096, MIXED])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", TRANSPORTS)
def test_records_arrive_whole_wherever_a_small_buffer_wraps(
    rig: Rig, name: str, reader: Reader, payload_bytes: int
) -> None:
    """Read after every few exits: how much gets lost must not depend on who else needs a CPU."""
    exits = 15 if 0 <= payload_bytes < 128 else 5  # so that some more fit
    each_bytes = 4 * KIB if 0 <= payload_bytes <= 512 else 32 * KIB
    with mapped(
        rig,
        name,
        budget_bytes=budget(rig, name, each_bytes),
        records_per_exit=1,
        payload_bytes=payload_bytes,
        reader=reader,
    ) as buffers:
        buffers.capture.stop()  # each drain ends once the buffers are empty
        own_bytes = 0
        while own_bytes <= 3 * each_bytes:
            buffers.fill(exits, cpus=rig.cpus[:1])
            buffers.drain()
            rows = buffers.rows()
            own = rows[(rows["flags"] & 1) != 0]
            own_bytes = int(own["length"].sum())
        assert ledger.balance(rows, buffers.program.read_counters()).residues == ()
    lengths = {72, 200, 1024, 4168} if payload_bytes == MIXED else {72 + payload_bytes}
    assert set(rows["length"].tolist()) == lengths
    assert (rows["tail"] == rows["sequence"])[rows["length"] > 72].all()
    assert set(own["comm"].tolist()) == {b"forkstorm"}
    assert set(own["cpu"].tolist()) == {rig.cpus[0]}
    padding = rows["arrived_bytes"] - rows["length"]
    expected = 0 if name != "perfbuf" else -(12 + rows["length"].astype(np.int64)) % 8
    assert (padding == expected).all()


@pytest.mark.live
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_delivery_lies_between_readings_of_the_clock_around_it(
    rig: Rig, name: str, reader: Reader
) -> None:
    """However long a drain takes it lies within; of 50 of one record each most take some us."""
    with mapped(rig, name, records_per_exit=1, reader=reader) as buffers:
        capture = buffers.capture
        capture.stop()  # each drain ends once the buffers are empty
        with buffers.program.attached():
            for _ in range(50):
                subprocess.run(["true"], check=True)
                known, before_ns = capture.count, time.monotonic_ns()
                buffers.drain()
                after_ns = time.monotonic_ns()
                rows = buffers.rows()[known:]
                assert len(rows)
                assert rows["delivered_ns"].min() >= before_ns
                assert rows["delivered_ns"].max() <= after_ns
                assert (rows["timestamp_ns"] <= rows["delivered_ns"]).all()
        assert capture.misdated == 0


def test_the_end_of_a_wait_is_no_wake_up() -> None:
    capture = Capture(10)
    thread = threading.Thread(target=capture.run, kwargs={"poll": Poll.EPOLL})
    thread.start()
    time.sleep(0.05)  # it waits
    capture.stop()
    thread.join()
    assert (capture.wakeups_taken, capture.empty_polls) == (0, 0)


def test_the_array_is_seen_without_a_copy() -> None:
    capture = Capture(1_000)
    rows = np.frombuffer(capture.array, dtype=CAPTURED)
    assert len(rows) == capture.capacity == 1_000
    assert rows.flags.writeable
    assert not rows.flags.owndata
    assert memoryview(capture.array).nbytes == 1_000 * ROW.size


def test_a_stopped_capture_without_buffers_ends_at_once() -> None:
    capture = Capture(10)
    capture.stop()
    capture.run(poll=Poll.EPOLL)
    assert (capture.count, capture.stopping) == (0, 1)


@pytest.mark.parametrize("add", ["add_ring", "add_perf"])
def test_what_is_no_buffer_cannot_be_mapped(add: str) -> None:
    capture = Capture(10)
    read, write = os.pipe()
    try:
        with pytest.raises(OSError, match="page"):
            getattr(capture, add)(read, 4096)
    finally:
        os.close(read)
        os.close(write)
    assert (capture.buffer_count, capture.mapped_bytes) == (0, 0)


@pytest.mark.parametrize("capacity", [0, 1 << 50])
def test_a_capture_of_no_possible_size(capacity: int) -> None:
    with pytest.raises((OSError, ValueError)):
        Capture(capacity)


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_reader_that_is_not_given_the_cpu_meanwhile_reads_all(rig: Rig, name: str) -> None:
    """Distrust a look that found nothing: it may be older than all there is (found by a soak)."""
    if len(rig.cpus) < 2:
        pytest.skip("the reader needs a CPU that the storm does not use")
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as hog:
        try:
            os.sched_setaffinity(hog.pid, {rig.cpus[0]})
            hog.send_signal(signal.SIGSTOP)
            for _ in range(40):
                with mapped(rig, name, records_per_exit=1) as buffers:
                    thread = threading.Thread(
                        target=_read_idly, args=(buffers.capture, rig.cpus[0])
                    )
                    thread.start()
                    time.sleep(0.002)  # it looks, over and over
                    hog.send_signal(signal.SIGCONT)
                    attempted = buffers.fill(3, cpus=rig.cpus[-1:])
                    buffers.capture.stop()
                    hog.send_signal(signal.SIGSTOP)
                    thread.join()
                    assert buffers.capture.count == attempted
        finally:
            hog.kill()


def _read_idly(capture: Capture, cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    capture.run(poll=Poll.BUSY)


@pytest.mark.live
def test_more_buffers_than_512_are_read() -> None:
    """Read one for each CPU, of which a kernel can have 8,192."""
    with ExitStack() as stack:
        capture = Capture(1)
        stack.callback(capture.unmap)
        for _ in range(600):
            event = perf_event.open_output(0)
            stack.callback(os.close, event)
            capture.add_perf(event, 4096)
        assert capture.buffer_count == 600
        assert capture.collect(0) == 0
