# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Gates for CI: counts that must be zero. Times never gate by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.errors import GateFailed, NotBalanced, UsageError
from bench.trial.result import State, TrialResult


def _drops(trial: TrialResult) -> int:
    return trial.ledger.own_dropped if trial.ledger else 0


def _causal(trial: TrialResult) -> int:
    return trial.ordering.causal_violations if trial.ordering else 0


_COUNTS: Final[Mapping[str, Callable[[TrialResult], int]]] = {"drops": _drops, "causal": _causal}


@dataclass(frozen=True, slots=True)
class Gate:
    """Something that must not happen, on one transport or on any."""

    what: str
    transport: str | None = None

    def counted(self, trials: Iterable[TrialResult]) -> int:
        """How often it happened. Invalid trials count nothing: they fail on their own."""
        return sum(
            _COUNTS[self.what](trial)
            for trial in trials
            if trial.state is not State.INVALID and self.transport in (None, trial.config.transport)
        )

    def __str__(self) -> str:
        return f"{self.transport}:{self.what}" if self.transport else self.what


def parse(text: str) -> tuple[Gate, ...]:
    """Gates of a list such as ``ringbuf:causal,drops``; UsageError for what is none."""
    gates = []
    for word in filter(None, text.split(",")):
        transport, _, what = word.strip().rpartition(":")
        if what not in _COUNTS:
            raise UsageError(
                f"no gate {word.strip()!r}",
                remedy="write drops or causal, or TRANSPORT:drops, separated by commas",
            )
        gates.append(Gate(what, transport or None))
    return tuple(gates)


def check(gates: Iterable[Gate], trials: Iterable[TrialResult]) -> None:
    """NotBalanced if a trial is no result, else GateFailed if a gate does not hold."""
    seen = tuple(trials)
    invalid = [trial for trial in seen if trial.state is State.INVALID]
    if invalid:
        first = invalid[0]
        raise NotBalanced(
            f"{len(invalid)} of {len(seen)} trials did not balance; the first is "
            f"{first.experiment} {first.arm} block {first.block}: {'; '.join(first.reasons)}",
            remedy="the journal has them all; please report this",
        )
    counts = {str(gate): gate.counted(seen) for gate in gates}
    failed = [f"{gate} happened {count} times" for gate, count in counts.items() if count]
    if failed:
        raise GateFailed(f"gate failed: {', '.join(failed)}")
