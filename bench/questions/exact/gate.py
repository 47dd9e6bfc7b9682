# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Gates for CI: a call that takes more instructions than it did is another path of code."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
    """A call, or all of them, and how many instructions more it may take, at every size."""

    call: str
    more: int

    def failures(self, base: KernelCount, kernel: KernelCount) -> Iterator[str]:
        """Say what does not hold on ``kernel``; what was not counted is no evidence, and fails."""
        before, after = self._of(base), self._of(kernel)
        if not before:
            yield f"{self} was not measured on {base.label}" + (base.reason and f": {base.reason}")
        grown = defaultdict[tuple[str, int], list[str]](list)
        reasons: dict[tuple[str, int], str] = {}
        for name, size in dict.fromkeys((*before, *after)):
            one, two = before.get((name, size)), after.get((name, size))
            if self.call == ALL and (one is None or one.instructions is None):
                continue  # where there was none it cannot have grown
            lack = _lack(base, one) or _lack(kernel, two)
            if lack:
                yield f"{self} was not measured at {size} bytes: {lack}"
            elif (more := _count(two) - _count(one)) > self.more:
                grown[name, more].append(f"{_count(two):,} at {size} bytes")
                reasons.setdefault((name, more), _reason(one, two))
        for (name, more), counts in grown.items():
            yield (
                f"{name} takes {more:,} instructions more on {kernel.label} than on {base.label} "
                f"({', '.join(counts)}){reasons[name, more]}"
            )

    def _of(self, kernel: KernelCount) -> Mapping[tuple[str, int], CallCount]:
        return {
            (each.name, each.bytes): each for each in kernel.calls if self.call in (ALL, each.name)
        }

    def __str__(self) -> str:
        return f"{self.call}:+{self.more}"


def _count(call: CallCount | None) -> int:
    return (call.instructions if call is not None else None) or 0


def _reason(before: CallCount | None, after: CallCount | None) -> str:
    """Name the functions that grew, where they are known."""
    found = differences(before, after) if before is not None and after is not None else []
    grown = [f"{name} {now - was:+,}" for name, was, now in found if now > was]
    return f": {', '.join(grown[:_MOST_FUNCTIONS])}" if grown else ""


def _lack(kernel: KernelCount, call: CallCount | None) -> str:
    """Say what a count lacks; "" if it may be compared."""
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

    That is the kernel of the same label in ``baseline``, else the first there; without a baseline
    the first of ``kernels``. Kernels of another architecture have a base of their own.
    """
    if not baseline:
        baseline = _firsts(kernels)
        kernels = [each for each in kernels if each not in baseline]
    if gates and not kernels:
        raise GateFailed("gate failed: there is no kernel to compare with the first")
    failed = [
        failure
        for kernel in kernels
        for gate in gates
        for failure in gate.failures(_base(kernel, baseline), kernel)
    ]
    if failed:
        more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
        raise GateFailed(f"gate failed: {'; '.join(failed[:5])}{more}")


def uncompared(kernels: Sequence[KernelCount]) -> tuple[KernelCount, ...]:
    """Return the kernels that are alone of their architecture beside others: no base has theirs."""
    machines = Counter(each.machine for each in kernels)
    return tuple(each for each in kernels if len(machines) > 1 and machines[each.machine] == 1)


def _firsts(kernels: Sequence[KernelCount]) -> list[KernelCount]:
    """Return the first kernel, and the first of each other architecture."""
    firsts = {each.machine: each for each in reversed(kernels) if each.machine}
    return [each for each in kernels if each is kernels[0] or each is firsts.get(each.machine)]


def _base(kernel: KernelCount, baseline: Sequence[KernelCount]) -> KernelCount:
    """Return what a kernel is compared with; one that was lost is, whatever it was."""
    alike = [each for each in baseline if kernel.machine in ("", each.machine) or not each.machine]
    named = [each for each in alike if each.label == kernel.label]
    return (named or alike or [_none(kernel.machine)])[0]


def _none(machine: str) -> KernelCount:
    reason = "counts of two architectures are not compared"
    return KernelCount(label=f"a kernel of {machine}", release="", origin="", reason=reason)
