# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define traits: what sets a transport apart, as values for plans, judging and reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.plan.budgets import longest_record_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Define how a transport is drawn."""

    colour: str
    dark: str  # the same on a dark page
    shape: str  # of points
    dash: tuple[int, ...]  # of lines; (1, 0) is solid


GREY: Final = Look(colour="#808080", dark="#A8A8A8", shape="cross", dash=(1, 3))


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Describe one transport. The defaults are neutral: they suit names only journals have."""

    name: str
    title: str  # in sentences: "the ring buffer"
    short: str  # in tables: "ring"
    plural: bool = False  # of the title
    variant: str = ""  # folder under bpf/
    parameter: str = ""  # "rings" if ``NAME:rings=K`` is a transport, too ...
    parameter_help: str = ""  # ... and what it does: "has K rings for all CPUs"
    look: Look = GREY
    rank: int = 99  # in charts and tables, lowest first

    per_cpu: bool = False  # the budget is shared out to one buffer for each CPU
    most_buffers: int | None = None  # ... or to this many, where there are more CPUs
    ordered: bool = False  # records are read in the order in which they were reserved
    calls: bool = False  # can be written by reserve and submit or by output
    streams: bool = True  # records; else it counts, and nothing has a latency or an order
    overwrites: bool = False  # the oldest records, in place of refusing the newest
    wakes_seen: bool = False  # a tracepoint sees its wake-ups

    header_bytes: int = 8  # before each record
    least_records: int = 1  # that a buffer must be able to hold to measure anything
    setting: str = "max_entries"  # the name of its size in bcc and libbpf
    in_pages: bool = False  # whether that setting is in pages; else in bytes
    share: str = ""  # the part whose size is set, if not the whole
    wake_policy: str = "leave wake-ups adaptive (flags 0)"  # as advice

    @property
    def sharer(self) -> str:
        """Name the thing that has a share of the budget."""
        return "CPU" if self.most_buffers is None else "ring"

    @property
    def one_for_each_cpu(self) -> bool:
        """Return whether each CPU has a buffer of its own, which no other writes to."""
        return self.per_cpu and self.most_buffers is None

    def holds(self, payload_bytes: int, buffer_bytes: int) -> bool:
        """Return whether one buffer is large enough for records with this padding."""
        return self.least_records * self.stored_bytes(payload_bytes) <= buffer_bytes

    def stored_bytes(self, payload_bytes: int) -> int:
        """Return what a record with this padding takes in a buffer, its header included."""
        return -(-(self.header_bytes + longest_record_bytes(payload_bytes)) // 8) * 8

    def buffers(self, cpus: int) -> int:
        """Return how many buffers share a budget."""
        return min(cpus, self.most_buffers or cpus) if self.per_cpu else 1
