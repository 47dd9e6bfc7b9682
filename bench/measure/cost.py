# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Cost: in the kernel, on the workload, in the consumer, and of wake-ups."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Raw sums of one trial; the per-event figures are derived."""

    storm_ns: int  # the storm's own length
    delivered: int  # records, the denominator of consumer figures
    attempted: int  # records, the denominator of producer figures
    kernel_runs: int | None  # None: BPF_ENABLE_STATS was off
    kernel_run_ns: int | None
    consumer_cpu_ns: int
    consumer_voluntary_switches: int
    consumer_involuntary_switches: int
    wakeups_taken: int  # returns of poll with something to read
    wakeups_raised: int | None  # irq_work interrupts (IWI), all CPUs; None: not told

    @property
    def ns_per_run(self) -> float | None:
        """Kernel ns per BPF run (one exit)."""
        if not self.kernel_runs or self.kernel_run_ns is None:
            return None
        return self.kernel_run_ns / self.kernel_runs
