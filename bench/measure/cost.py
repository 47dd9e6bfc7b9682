# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold the cost: in the kernel, on the workload, in the consumer, and of wake-ups."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Raw sums of one trial; judge/numbers.py derives figures per event from them."""

    storm_ns: int  # the storm's own length
    delivered: int  # records, the denominator of consumer figures
    attempted: int  # records, the denominator of producer figures
    kernel_runs: int | None  # None: BPF_ENABLE_STATS was off
    kernel_run_ns: int | None
    consumer_cpu_ns: int
    consumer_voluntary_switches: int
    consumer_involuntary_switches: int
    wakeups_taken: int  # returns of poll after which something was read
    wakeups_raised: int | None  # irq_work interrupts (IWI), all CPUs; None: not reported
    delivery_ns: int = 0  # first kernel timestamp to the last delivery; 0 without records
    consumer_syscalls: int | None = None  # None: not counted
    empty_polls: int | None = None  # returns of poll with nothing to read; None: not counted
    record_ns: float | None = None  # from record to record of one exit; None: one record an exit
    # In the storm's steady middle; None: too few, or not recorded.
    steady_exit_ns: float | None = None  # from one delivered exit of the storm to the next
    steady_delivery_ns: float | None = None  # from one delivery to the next

    @property
    def consumer_switches(self) -> int:
        """Return the context switches of the consumer, of both kinds."""
        return self.consumer_voluntary_switches + self.consumer_involuntary_switches

    @property
    def polls(self) -> int | None:
        """Return how often poll reported a buffer readable, with something to read or not."""
        return None if self.empty_polls is None else self.empty_polls + self.wakeups_taken
