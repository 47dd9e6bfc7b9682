# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Check gates for CI: counts that must be zero, out of some total. Times never gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.amounts import counted
from bench.errors import GateFailed, NotBalanced, UsageError
from bench.judge.load import state_of
from bench.plan.experiments import BASELINES
from bench.tracer.transports import known, names
from bench.trial.result import State, TrialResult

WHAT: Final = {"drops": "records", "causal": "pairs of a parent and its child"}
"""Names of gates, and what each is counted out of."""


def counts(what: str, trial: TrialResult) -> tuple[int, int]:
    """Return how often it happened, and out of how many."""
    if what == "drops" and trial.ledger:
        return trial.ledger.own_dropped, trial.ledger.own_attempted
    if what == "causal" and trial.ordering:
        return trial.ordering.causal_violations, trial.ordering.causal_pairs
    return 0, 0


@dataclass(frozen=True, slots=True)
class Gate:
    """Name something that must not happen, on one transport or on any."""

    what: str
    transport: str | None = None

    def failure(self, trials: Iterable[TrialResult]) -> str:
        """Return why the gate does not hold; "" if it does.

        Zero out of nothing is no evidence and fails too; a reduced storm counts as nothing.
        Invalid trials do not count, as they fail by themselves.
        """
        happened = 0
        out_of = dict.fromkeys([self.transport] if self.transport else [], 0)
        for trial in trials:
            transport = trial.config.transport
            if trial.state is State.INVALID or transport in BASELINES:
                continue
            if self.transport in (None, transport):
                seen, looked_at = counts(self.what, trial)
                happened += seen
                full = state_of(trial) is not State.REDUCED
                out_of[transport] = out_of.get(transport, 0) + full * looked_at
        return self.explain(happened, out_of)

    def explain(self, happened: int, out_of: Mapping[str, int]) -> str:
        """Return why these counts, by transport, are a failure; "" if they are not."""
        if happened:
            return f"{self} happened {counted(happened, 'time')}"
        what = WHAT[self.what]
        missing = [f"no {what} on {name}" for name, looked_at in out_of.items() if not looked_at]
        if missing or not out_of:
            return f"{self} was not measured: {', '.join(missing) or 'no trial with a transport'}"
        return ""

    def __str__(self) -> str:
        return f"{self.transport}:{self.what}" if self.transport else self.what


def parse(*texts: str) -> tuple[Gate, ...]:
    """Parse lists such as ``ringbuf:causal,drops``; raise UsageError for anything else."""
    gates = []
    for word in (word.strip() for text in texts for word in text.split(",")):
        transport, colon, what = word.rpartition(":")
        if what not in WHAT or (colon and not known(transport)):
            raise UsageError(
                f"no gate {word[:40]!r}",
                remedy="write drops or causal, or TRANSPORT:drops with TRANSPORT one of "
                f"{', '.join(names())}, separated by commas",
            )
        gates.append(Gate(what, transport or None))
    return tuple(dict.fromkeys(gates))


def check_plan(gates: Iterable[Gate], transports: Iterable[str]) -> None:
    """Raise GateFailed if a gate is about a transport that will not be run."""
    planned = {*transports}
    if absent := [str(gate) for gate in gates if gate.transport not in (None, *planned)]:
        raise GateFailed(
            f"gate failed: {', '.join(absent)} cannot be measured: only "
            f"{', '.join(sorted(planned))} would be run"
        )


def check(gates: Iterable[Gate], trials: Iterable[TrialResult]) -> None:
    """Raise NotBalanced if a trial is invalid, else GateFailed if a gate does not hold."""
    check_each(gates, {"": trials})


def check_each(gates: Iterable[Gate], machines: Mapping[str, Iterable[TrialResult]]) -> None:
    """Check the trials of several kernels, by name: a gate has to hold on each."""
    seen = {name: tuple(trials) for name, trials in machines.items()}
    trials = [trial for each in seen.values() for trial in each]
    if invalid := [trial for trial in trials if trial.state is State.INVALID]:
        first = invalid[0]
        raise NotBalanced(
            f"{len(invalid)} of {counted(len(trials), 'trial')} did not balance; the first is "
            f"{first.experiment} {first.arm} block {first.block}: {'; '.join(first.reasons)}",
            remedy="the journal has them all; please report this",
        )
    wanted = tuple(gates)
    if failed := [
        f"{failure} (kernel {name})" if name else failure
        for name, each in seen.items()
        for gate in wanted
        if (failure := gate.failure(each))
    ]:
        raise GateFailed(f"gate failed: {'; '.join(failed)}")
