# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write a setting in the terms of the libraries and tools that people use."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from bench.linux.pages import PAGE_BYTES
from bench.plan.traits import Traits
from bench.questions.tune.plan import Setting

_FALCO_PRESETS_BYTES: Final = tuple(mebi << 20 for mebi in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
"""Of engine.modern_ebpf.buf_size_preset, from 1 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Name the setting of one library or tool."""

    where: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """Describe the buffers with which a setting was tried."""

    way: Traits
    budget_bytes: int
    cpus: int
    record_bytes: int  # in a buffer, with its header

    @property
    def each_bytes(self) -> int:
        """Return the data bytes of one buffer."""
        return self.budget_bytes // self.way.buffers(self.cpus)


def terms(setting: Setting, buffers: Buffers) -> tuple[Term, ...]:
    """Return the setting in each library's terms, then tools whose wake-ups cannot be set so."""
    made = _perf if buffers.way.in_pages else _ring
    return tuple(Term(where=where, text=text) for where, text in made(setting, buffers).items())


def _ring(setting: Setting, buffers: Buffers) -> dict[str, str]:
    each, ms = buffers.each_bytes, setting.flush_ms
    flags = "flags 0: a wake-up once the consumer has caught up"
    if setting.wake_at:
        flags = (
            "flags bpf_ringbuf_query(&rb, BPF_RB_AVAIL_DATA) >= "
            f"{setting.wake_at * buffers.record_bytes} ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP, "
            "asked after reserve"
        )
    elif not setting.default:
        flags = "flags BPF_RB_NO_WAKEUP"
    consume = ", then ring_buffer__consume(rb): poll reads only after a wake-up"
    preset = 1 + bisect_left(_FALCO_PRESETS_BYTES[:-1], each)
    return {
        "BPF program": flags,
        "libbpf": f"max_entries = {each}; ring_buffer__poll(rb, {ms or -1})"
        + (consume if ms else ""),
        "bcc": f"BPF_RINGBUF_OUTPUT(NAME, {each // PAGE_BYTES}); ring_buffer_poll({ms or -1})"
        + (", then ring_buffer_consume()" if ms else ""),
        "cilium/ebpf": f"MaxEntries: {each}; ringbuf.Reader with "
        + (f"SetDeadline {ms} ms ahead before each Read" if ms else "no deadline"),
        "Falco": f"engine.modern_ebpf.buf_size_preset: {preset}, the smallest that is as "
        "large; it never wakes, and sleeps between reads by a rule of its own",
        "bpftrace": f"config = {{ perf_rb_pages={each // PAGE_BYTES} }}, in versions with a ring; "
        "its wake-ups cannot be set",
        "Tetragon": f"--rb-size-total={each}, of the ring that it has from Linux 5.11 on; its "
        "wake-ups cannot be set",
    }


def _perf(setting: Setting, buffers: Buffers) -> dict[str, str]:
    each, ms = buffers.each_bytes, setting.flush_ms
    pages = each // PAGE_BYTES
    # No watermark is later than the whole buffer.
    watermark = setting.wake_at * buffers.record_bytes or each
    new = f"perf_buffer__new_raw(..., {pages}) with "
    new += f"attr.watermark = 1, attr.wakeup_watermark = {watermark}"
    events = setting.wake_at or each // buffers.record_bytes
    mark = f", Watermark: {watermark}"
    if setting.default:
        new, events, mark = f"perf_buffer__new(..., {pages})", 1, ""
    return {
        "libbpf": f"{new}; perf_buffer__poll(pb, {ms or -1})"
        + (", then perf_buffer__consume(pb)" if ms else ""),
        "bcc": f"open_perf_buffer(f, page_cnt={pages}, wakeup_events={events}); "
        f"perf_buffer_poll({ms or -1})" + (", then perf_buffer_consume()" if ms else ""),
        "cilium/ebpf": f"perf.NewReaderWithOptions: perCPUBuffer {each}{mark}"
        + (f"; SetDeadline {ms} ms ahead before each Read" if ms else ""),
        "bpftrace": f"config = {{ perf_rb_pages={pages} }} (of each CPU, in versions without a "
        "ring); its wake-ups cannot be set",
        "Tetragon": f"--rb-size={each} (of each CPU), with --use-perf-ring-buffer in versions that "
        "have a ring; --rb-queue-size is of the queue behind it, and its wake-ups cannot be set",
    }
