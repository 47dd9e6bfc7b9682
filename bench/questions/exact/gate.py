# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Fail if a call takes more instructions than before, that is, another code path."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.errors import GateFailed, UsageError
from bench.questions.exact.functions import differences
from bench.questions.exact.plan import NAMES
from bench.questions.exact.study import CallCount, KernelCount

ALL: Final = "all"
_MOST_FUNCTIONS: Final = 3
_GATE: Final = re.compile(r"(?P<call>[a-z-]+):\+(?P<more>[0-9]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gate:
    """Limit how many more instructions one call, or any, may take at every size."""

    call: str
    more: int

    def failures(self, base: KernelCount, kernel: KernelCount) -> Iterator[str]:
        """Yield what does not hold on ``kernel``; a call that was not counted fails."""
        before, after = (
            {key: call for key, call in each.by_key.items() if self.call in (ALL, key[0])}
            for each in (base, kernel)
        )
        if not before:
            yield f"{self} was not measured on {base.label}" + (base.reason and f": {base.reason}")
        grown = defaultdict[tuple[str, int], list[tuple[CallCount, CallCount]]](list)
        for key in dict.fromkeys((*before, *after)):
            one, two = before.get(key), after.get(key)
            if self.call == ALL and (one is None or one.instructions is None):
                continue  # there was none before, so it cannot have grown
            if lack := _lack(base, one) or _lack(kernel, two):
                yield f"{self} was not measured at {key[1]} bytes: {lack}"
            elif one and two and (more := (two.counted or 0) - (one.counted or 0)) > self.more:
                grown[key[0], more].append((one, two))
        for (name, more), calls in grown.items():
            counts = ", ".join(f"{two.counted:,} at {two.bytes} bytes" for _, two in calls)
            yield (
                f"{name} takes {more:,} instructions more on {kernel.label} than on {base.label} "
                f"({counts}){_reason(*calls[0])}"
            )

    def __str__(self) -> str:
        return f"{self.call}:+{self.more}"


def _reason(before: CallCount, after: CallCount) -> str:
    """Name the functions that grew, if they are known."""
    grown = [f"{name} {now - was:+,}" for name, was, now in differences(before, after) if now > was]
    return f": {', '.join(grown[:_MOST_FUNCTIONS])}" if grown else ""


def _lack(kernel: KernelCount, call: CallCount | None) -> str:
    """Return why a count cannot be compared; "" if it can."""
    if call is None:
        return f"{kernel.label} has none" + (kernel.reason and f", {kernel.reason}")
    if call.instructions is None:
        return f"{kernel.label} refused it, {call.why}"
    return "" if call.reproducible else f"not reproducible on {kernel.label}, {call.why}"


def parse(*texts: str) -> tuple[Gate, ...]:
    """Parse lists such as ``reserve-submit:+0,perf-output:+8``; UsageError for anything else."""
    gates = []
    for word in (word.strip() for text in texts for word in text.split(",")):
        found = _GATE.fullmatch(word)
        if found is None or found["call"] not in (ALL, *NAMES):
            raise UsageError(
                f"no gate {word[:40]!r}",
                remedy=f"write CALL:+INSTRUCTIONS with CALL one of {', '.join((ALL, *NAMES))}",
            )
        gates.append(Gate(found["call"], int(found["more"])))
    return tuple(dict.fromkeys(gates))


def check(
    gates: Sequence[Gate], kernels: Sequence[KernelCount], baseline: Sequence[KernelCount] = ()
) -> None:
    """Raise GateFailed if a kernel takes more than its base.

    The base is the kernel of the same label in ``baseline``, else its first; without a baseline,
    the first of ``kernels``. Kernels of another architecture have another base.
    """
    pairs = list(_pairs(kernels, baseline))
    if gates and not pairs:
        raise GateFailed("gate failed: there is no kernel to compare with the first")
    failed = [
        failure
        for base, kernel in pairs
        for gate in gates
        for failure in gate.failures(base, kernel)
    ]
    if failed:
        more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
        raise GateFailed(f"gate failed: {'; '.join(failed[:5])}{more}")


def _pairs(
    kernels: Sequence[KernelCount], baseline: Sequence[KernelCount]
) -> Iterator[tuple[KernelCount, KernelCount]]:
    """Yield kernels with their bases; a lost kernel, without an architecture, matches any."""
    for kernel in kernels:
        alike = [
            each
            for each in baseline or kernels
            if "" in (kernel.machine, each.machine) or kernel.machine == each.machine
        ]
        named = [each for each in alike if baseline and each.label == kernel.label]
        reason = "counts of two architectures are not compared"
        foreign = KernelCount(label=f"a kernel of {kernel.machine}", reason=reason)
        base = (named or alike or [foreign])[0]
        if baseline or base is not kernel:
            yield base, kernel


def uncompared(kernels: Sequence[KernelCount]) -> tuple[KernelCount, ...]:
    """Return the kernels without a base of their architecture."""
    machines = Counter(each.machine for each in kernels)
    return tuple(each for each in kernels if len(machines) > 1 and machines[each.machine] == 1)
