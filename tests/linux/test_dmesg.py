# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

from pathlib import Path

import pytest

from bench.linux import kernel_log

COMPLAINTS = [
    "WARNING: CPU: 1 PID: 512 at kernel/bpf/ringbuf.c:430 __bpf_ringbuf_reserve+0x1/0x2",
    "BUG: kernel NULL pointer dereference, address: 0000000000000000",
    "BUG: KASAN: slab-out-of-bounds in bpf_ringbuf_output+0x1/0x2",
    "Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "INFO: rcu_sched detected stalls on CPUs/tasks:",
    "INFO: task forkstorm:512 blocked for more than 120 seconds.",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [forkstorm:512]",
    "clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable",
    "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
]
HARMLESS = [
    "Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc/html/latest/",
    "clocksource: kvm-clock: mask: 0xffffffffffffffff max_cycles: 0x1cd42e4dffb",
    "forkstorm[512]: segfault at 0 ip 0000000000401000 sp 00007ffe error 6",
    "process 'forkstorm' started with executable stack",
    "Linux version 6.18.44 (builder@host) #1 SMP PREEMPT_DYNAMIC",
]


def record(message: str, *, facility: int = 0) -> str:
    return f"{facility << 3 | 4},1234,5678901,-;{message}\n SUBSYSTEM=x\n DEVICE=BUG: y\n"


def test_complaints_are_found_among_the_rest() -> None:
    mixed = [message for pair in zip(COMPLAINTS, HARMLESS * 2, strict=True) for message in pair]
    assert kernel_log.complaints_in(map(record, mixed)) == tuple(COMPLAINTS)


def test_what_users_write_into_the_log_is_not_the_kernel_s() -> None:
    assert kernel_log.complaints_in([record(COMPLAINTS[0], facility=1)]) == ()


def test_lines_that_were_lost_are_reported() -> None:
    assert kernel_log.complaints_in([kernel_log.OVERFLOWED]) == (kernel_log.OVERFLOWED,)


def test_no_log_is_reported_and_harmless(tmp_path: Path) -> None:
    with kernel_log.KernelLog(tmp_path / "missing") as log:
        assert not log.readable
        assert log.complaints() == ()


def test_the_log_is_read_to_its_end_however_much_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Count a complaint behind very many lines to this trial, not to the next."""
    said = [record(HARMLESS[0])] * 50_000 + [record(COMPLAINTS[0])]

    def read(_fd: int, _size: int) -> bytes:
        if not said:
            raise BlockingIOError
        return said.pop(0).encode()

    path = tmp_path / "kmsg"
    path.touch()
    with kernel_log.KernelLog(path) as log:
        monkeypatch.setattr("os.read", read)
        assert log.complaints() == (COMPLAINTS[0],)


@pytest.mark.live
def test_only_what_comes_after_the_mark_is_seen() -> None:
    kmsg = Path("/dev/kmsg")
    kmsg.write_text("bufbench-test: before the mark\n")
    with kernel_log.KernelLog() as log:
        assert log.readable
        kmsg.write_text("bufbench-test: WARNING after the mark\n")
        found = [record for record in log.new_records() if "bufbench-test" in record]
        assert len(found) == 1
        assert "after the mark" in found[0]
        assert not any("bufbench-test" in record for record in log.new_records())
