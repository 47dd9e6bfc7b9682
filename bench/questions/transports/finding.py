# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Say in a sentence what one comparison found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bench.amounts import bound
from bench.judge.comparison import Bottleneck, Comparison, Outcome
from bench.judge.floor import LEAST_MARGIN
from bench.judge.statistics import FEWEST_BLOCKS
from bench.questions.transports.words import name, place
from bench.report.units import interval, number, point

_SAYS: Final = {
    "own_dropped_share": {
        Outcome.LESS: "{left} dropped less than {right}, {against}",
        Outcome.MORE: "{left} dropped more than {right}, {against}",
        Outcome.TOO_FEW: "{left} dropped {against} of {right} "
        f"(fewer than {FEWEST_BLOCKS} blocks)",
        Outcome.UNDECIDED: "{left} dropped {against} of {right}, undecided ({seen})",
    },
    "latency_p50_ns": {
        Outcome.LESS: "{left} delivered sooner (median latency {against}{lossy})",
        Outcome.MORE: "{left} delivered later (median latency {against}{lossy})",
        Outcome.TOO_FEW: "median latency was {against}{lossy}",
        Outcome.EQUIVALENT: f"both delivered as soon within {bound(LEAST_MARGIN)} "
        "(median latency {against}{lossy})",
        Outcome.UNDECIDED: "which delivers sooner is undecided "
        "(median latency {against}{lossy}, {seen})",
    },
    "write_ns": {
        Outcome.LESS: "{left} took less time to write ({against})",
        Outcome.MORE: "{left} took longer to write ({against})",
        Outcome.UNDECIDED: "a write took {against} ({seen})",
    },
    "physical_bytes": {Outcome.UNDECIDED: "{left} took {first} of memory against {second}"},
}
"""Words for a number, by its outcome; other outcomes use those of an undecided one."""
_SAYS_COUNTED: Final = _SAYS | {
    "latency_p50_ns": {
        Outcome.LESS: "{left} delivered after fewer instructions (median latency {against}{lossy})",
        Outcome.MORE: "{left} delivered after more instructions (median latency {against}{lossy})",
        Outcome.TOO_FEW: "median latency was {against}{lossy}",
        Outcome.EQUIVALENT: "both delivered after as many instructions within "
        f"{bound(LEAST_MARGIN)} (median latency {{against}}{{lossy}})",
        Outcome.UNDECIDED: "which delivers after fewer instructions is undecided "
        "(median latency {against}{lossy}, {seen})",
    },
    "write_ns": {
        Outcome.LESS: "{left} took fewer instructions to write ({against})",
        Outcome.MORE: "{left} took more instructions to write ({against})",
        Outcome.UNDECIDED: "a write took {against} ({seen})",
    },
}
"""The same where instructions are counted: fewer are not quicker."""

_LACKED: Final = {
    Bottleneck.BUFFER: "space, not CPU: the consumer was mostly idle but woke too late",
    Bottleneck.CONSUMER: "CPU, not space: the consumer never rested",
}


def sentence(comparison: Comparison, *, in_instructions: bool = False) -> str:
    """Return the findings of one comparison in a sentence, and why records were lost.

    ``in_instructions``: on a machine whose time is counted instructions.
    """
    says = _SAYS_COUNTED if in_instructions else _SAYS
    sides = (comparison.left, comparison.right)
    dropped = _said(comparison, "own_dropped_share", says)
    if dropped and not any(side.own_dropped for side in sides):
        attempted = dict.fromkeys(f"0 of {side.own_attempted:,}" for side in sides)
        each = " each" if len(attempted) == 1 else ""
        dropped = f"neither dropped anything ({' and '.join(attempted)} records{each})"
    order = ""
    if all(side.fewest_pairs for side in sides):
        pairs = [f"{each.causal_violations:,} of {each.causal_pairs:,}" for each in sides]
        first, *other = dict.fromkeys(pairs)
        order = f"{first} causal pairs were delivered parent first on either side"
        if other:
            order = f"{first} causal pairs against {other[0]} were delivered parent first"
    more = ("latency_p50_ns", "write_ns" if comparison.duet else "physical_bytes")
    parts = (dropped, order, *(_said(comparison, key, says) for key in more))
    words = "; ".join(filter(None, parts))
    return f"In {place(comparison)}, {words}.{_mend(comparison)}" if words else ""


def _mend(comparison: Comparison) -> str:
    """Return why records were lost, if both sides agree or only one lost any."""
    match tuple({comparison.left.bottleneck, comparison.right.bottleneck} - {Bottleneck.NONE}):
        case (only,):
            return f" Records were lost for lack of {_LACKED[only]}."
    return ""


def _said(comparison: Comparison, key: str, words: Mapping[str, Mapping[Outcome, str]]) -> str:
    """Return the comparison's finding for one number; "" unless both sides have it."""
    row = comparison.row(key)
    if row is None or row.left is None or row.right is None:
        return ""
    left, right = comparison.left, comparison.right
    first, second = number(row.left, row.unit), number(row.right, row.unit)
    against = f"{first} against {second}"
    if first == second and row.better:  # by less than is written
        against += f", {point(row.estimate, row.unit)}"
    says = words[key]
    return says.get(row.outcome, says[Outcome.UNDECIDED]).format(
        left=name(left.transport),
        right=name(right.transport),
        first=first,
        second=second,
        against=against,
        seen=f"{point(row.estimate, row.unit)}, {interval(row.estimate, row.unit)}",
        # A transport that drops looks faster.
        lossy=" for what was delivered" if left.own_dropped or right.own_dropped else "",
    )
