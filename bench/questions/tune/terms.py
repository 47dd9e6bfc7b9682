# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A setting in the terms of the libraries and tools that people set it in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.linux.pages import PAGE_BYTES
from bench.plan.traits import Traits
from bench.questions.tune.plan import Setting

_FALCO_PRESETS_BYTES: Final = tuple(mebi << 20 for mebi in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
"""Of engine.modern_ebpf.buf_size_preset, from 1 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What to write in one library or tool."""

    where: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """The buffers that a setting was tried with."""

    way: Traits
    budget_bytes: int
    cpus: int
    record_bytes: int  # in a buffer, with its header

    @property
    def each_bytes(self) -> int:
        """The data bytes of one buffer."""
        return self.budget_bytes // self.way.buffers(self.cpus)


def terms(setting: Setting, buffers: Buffers) -> tuple[Term, ...]:
    """Return the setting as each library has it, then tools whose wake-ups are not set so."""
    made = _perf if buffers.way.in_pages else _ring
    return tuple(Term(where=where, text=text) for where, text in made(setting, buffers))


def _ring(setting: Setting, buffers: Buffers) -> Iterator[tuple[str, str]]:
    each, ms = buffers.each_bytes, setting.flush_ms
    yield "BPF program", _flags(setting, buffers.record_bytes)
    timeout = ms or -1
    again = ", then ring_buffer__consume(rb): poll alone reads nothing that nobody was woken for"
    yield "libbpf", f"max_entries = {each}; ring_buffer__poll(rb, {timeout}){again if ms else ''}"
    again = ", then ring_buffer_consume()" if ms else ""
    yield (
        "bcc",
        f"BPF_RINGBUF_OUTPUT(NAME, {each // PAGE_BYTES}); ring_buffer_poll({timeout}){again}",
    )
    deadline = f"SetDeadline {ms} ms ahead before each Read" if ms else "no deadline"
    yield "cilium/ebpf", f"MaxEntries: {each}; ringbuf.Reader with {deadline}"
    preset = next(
        (at for at, most in enumerate(_FALCO_PRESETS_BYTES, 1) if most >= each),
        len(_FALCO_PRESETS_BYTES),
    )
    text = (
        f"engine.modern_ebpf.buf_size_preset: {preset}, the least as large; it never wakes, and "
        "sleeps between reads by a rule of its own"
    )
    yield "Falco", text


def _flags(setting: Setting, record_bytes: int) -> str:
    if setting.default:
        return "flags 0: a wake-up once the consumer has caught up"
    if not setting.wake_at:
        return "flags BPF_RB_NO_WAKEUP"
    return (
        f"flags bpf_ringbuf_query(&rb, BPF_RB_AVAIL_DATA) >= {setting.wake_at * record_bytes} ? "
        "BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP, asked after reserve"
    )


def _perf(setting: Setting, buffers: Buffers) -> Iterator[tuple[str, str]]:
    each, ms = buffers.each_bytes, setting.flush_ms
    pages, watermark = each // PAGE_BYTES, setting.wake_at * buffers.record_bytes
    # A watermark that is the whole buffer is the latest that there is.
    attribute = f"attr.watermark = 1, attr.wakeup_watermark = {watermark or each}"
    how = (
        "perf_buffer__new(..., {0})"
        if setting.default
        else "perf_buffer__new_raw(..., {0}) with {1}"
    )
    timeout = ms or -1
    again = ", then perf_buffer__consume(pb)" if ms else ""
    yield "libbpf", f"{how.format(pages, attribute)}; perf_buffer__poll(pb, {timeout}){again}"
    events = setting.wake_at or (1 if setting.default else each // buffers.record_bytes)
    again = ", then perf_buffer_consume()" if ms else ""
    text = (
        f"open_perf_buffer(f, page_cnt={pages}, wakeup_events={events}); "
        f"perf_buffer_poll({timeout}){again}"
    )
    yield "bcc", text
    mark = "" if setting.default else f", Watermark: {watermark or each}"
    deadline = f"; SetDeadline {ms} ms ahead before each Read" if ms else ""
    yield "cilium/ebpf", f"perf.NewReaderWithOptions: perCPUBuffer {each}{mark}{deadline}"
    yield "bpftrace", f"config = {{ perf_rb_pages={pages} }}; its wake-ups cannot be set"
    text = (
        f"--rb-size={each} (of each CPU); --rb-queue-size is of the queue behind it, and its "
        "wake-ups cannot be set"
    )
    yield "Tetragon", text
