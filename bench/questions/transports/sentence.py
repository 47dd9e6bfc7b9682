# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What comparisons mean, in sentences."""

from __future__ import annotations

from typing import Final

from bench.judge.bottleneck import Bottleneck
from bench.judge.comparison import Comparison, Outcome
from bench.judge.floor import LEAST_MARGIN
from bench.judge.statistics import FEWEST_BLOCKS
from bench.questions.transports.words import name, place
from bench.report.units import interval, number, point, share

_SAYS: Final = {
    "own_dropped_share": {
        Outcome.LESS: "{left} dropped less than {right}, {against}",
        Outcome.MORE: "{left} dropped more than {right}, {against}",
        Outcome.TOO_FEW: "{left} dropped {against} of {right} "
        f"(fewer than {FEWEST_BLOCKS} blocks)",
        Outcome.UNDECIDED: "{left} dropped {against} of {right}, undecided ({seen})",
    },
    "latency_p50_ns": {
        Outcome.LESS: "it delivered sooner (median latency {against}{lossy})",
        Outcome.MORE: "it delivered later (median latency {against}{lossy})",
        Outcome.TOO_FEW: "median latency was {against}{lossy}",
        Outcome.EQUIVALENT: f"both deliver as soon within {share(LEAST_MARGIN)} "
        "(median latency {against}{lossy})",
        Outcome.UNDECIDED: "which delivers sooner is undecided "
        "(median latency {against}{lossy}, {seen})",
    },
    "write_ns": {
        Outcome.LESS: "it takes less time to write ({against})",
        Outcome.MORE: "it takes longer to write ({against})",
        Outcome.UNDECIDED: "a write takes {against} ({seen})",
    },
    "physical_bytes": {Outcome.UNDECIDED: "it takes {first} of memory against {second}"},
}
"""What is said of a number, by its outcome; of those not named, what an undecided one gets."""

_LACKED: Final = {
    Bottleneck.BUFFER: "space, not CPU: the consumer was mostly idle but woke too late",
    Bottleneck.CONSUMER: "CPU, not space: the consumer never rested",
}


def sentence(comparison: Comparison) -> str:
    """Say what one comparison found, in one sentence, and why records were lost."""
    sides = (comparison.left, comparison.right)
    dropped = _said(comparison, "own_dropped_share")
    if dropped and not any(side.own_dropped for side in sides):
        attempted = " and ".join(f"0 of {side.own_attempted:,}" for side in sides)
        dropped = f"neither dropped anything ({attempted} records)"
    order = ""
    if all(side.fewest_pairs for side in sides):
        pairs = (f"{e.causal_violations:,} of {e.causal_pairs:,} causal pairs" for e in sides)
        order = f"{' against '.join(pairs)} were delivered parent first"
    more = ("latency_p50_ns", "write_ns" if comparison.duet else "physical_bytes")
    parts = (dropped, order, *(_said(comparison, key) for key in more))
    words = "; ".join(filter(None, parts))
    return f"In {place(comparison)}, {words}.{_mend(comparison)}" if words else ""


def _mend(comparison: Comparison) -> str:
    """Say why records were lost, if it is the same on both sides or only one lost any."""
    match tuple({comparison.left.bottleneck, comparison.right.bottleneck} - {Bottleneck.NONE}):
        case (only,):
            return f" Records were lost for lack of {_LACKED[only]}."
    return ""


def _said(comparison: Comparison, key: str) -> str:
    """Say what the comparison found of one number; "" unless both sides have it."""
    row = comparison.row(key)
    if row is None or row.left is None or row.right is None:
        return ""
    left, right = comparison.left, comparison.right
    first, second = number(row.left, row.unit), number(row.right, row.unit)
    says = _SAYS[key]
    return says.get(row.outcome, says[Outcome.UNDECIDED]).format(
        left=name(left.transport),
        right=name(right.transport),
        first=first,
        second=second,
        against=f"{first} against {second}",
        seen=f"{point(row.estimate, row.unit)}, {interval(row.estimate, row.unit)}",
        # A transport that drops looks quick.
        lossy=" for what was delivered" if left.own_dropped or right.own_dropped else "",
    )
