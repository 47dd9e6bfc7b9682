# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Cost: in the kernel, on the workload, in the consumer, and of wake-ups."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Raw sums of one trial; the per-event figures are derived, None where they have no meaning."""

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

    @property
    def ns_per_run(self) -> float | None:
        """Kernel ns per BPF run (one exit)."""
        return _ratio(self.kernel_run_ns, self.kernel_runs)

    @property
    def cpu_s_per_million(self) -> float | None:
        """CPU seconds that the consumer spent per million records delivered."""
        # ns per record is ms per million records.
        per_record_ns = _ratio(self.consumer_cpu_ns, self.delivered)
        return None if per_record_ns is None else per_record_ns / 1e3

    @property
    def switches_per_event(self) -> float | None:
        """Context switches of the consumer, of either kind, per record delivered."""
        switches = self.consumer_voluntary_switches + self.consumer_involuntary_switches
        return _ratio(switches, self.delivered)

    @property
    def wakeups_taken_per_event(self) -> float | None:
        """Returns of poll after which something was read, per record delivered."""
        return _ratio(self.wakeups_taken, self.delivered)

    @property
    def empty_polls_per_event(self) -> float | None:
        """Returns of poll with nothing to read, per record delivered."""
        return _ratio(self.empty_polls, self.delivered)

    @property
    def empty_poll_share(self) -> float | None:
        """Returns of poll with nothing to read, over all that reported a buffer readable."""
        polls = None if self.empty_polls is None else self.empty_polls + self.wakeups_taken
        return _ratio(self.empty_polls, polls)

    @property
    def wakeups_raised_per_event(self) -> float | None:
        """irq_work interrupts per record attempted: the producer pays for them."""
        return _ratio(self.wakeups_raised, self.attempted)

    @property
    def wakeups_raised_per_run(self) -> float | None:
        """The same per BPF run."""
        return _ratio(self.wakeups_raised, self.kernel_runs)


def _ratio(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else part / whole
