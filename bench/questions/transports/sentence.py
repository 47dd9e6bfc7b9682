# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What comparisons mean, in sentences."""

from __future__ import annotations

from bench.judge.comparison import Bottleneck, Comparison, Outcome, Row, Side
from bench.judge.floor import LEAST_MARGIN
from bench.judge.statistics import FEWEST_BLOCKS
from bench.questions.transports.words import name, place
from bench.report.units import interval, number, point, share


def sentence(comparison: Comparison) -> str:
    """Say what one comparison found, in one sentence."""
    last = _write(comparison) if comparison.duet else _memory(comparison)
    parts = (_drops(comparison), _order(comparison), _latency(comparison), last)
    words = "; ".join(filter(None, parts))
    return f"In {place(comparison)}, {words}.{_mend(comparison)}" if words else ""


def _mend(comparison: Comparison) -> str:
    """Say why records were lost, if it is the same on both sides or only one lost any."""
    match tuple({comparison.left.bottleneck, comparison.right.bottleneck} - {Bottleneck.NONE}):
        case (Bottleneck.BUFFER,):
            why = "space, not CPU: the consumer was mostly idle but woke too late"
        case (Bottleneck.CONSUMER,):
            why = "CPU, not space: the consumer never rested"
        case _:
            return ""
    return f" Records were lost for lack of {why}."


def _against(row: Row | None) -> str:
    """Return both numbers; "" unless both are known."""
    if row is None or row.left is None or row.right is None:
        return ""
    return f"{number(row.left, row.unit)} against {number(row.right, row.unit)}"


def _seen(row: Row) -> str:
    """Return the estimate and its interval: what an undecided comparison leaves possible."""
    return f"{point(row.estimate, row.unit)}, {interval(row.estimate, row.unit)}"


def _drops(comparison: Comparison) -> str:
    row = comparison.row("own_dropped_share")
    against = _against(row)
    if row is None or not against:
        return ""
    if comparison.left.own_dropped == comparison.right.own_dropped == 0:
        attempted = (comparison.left.own_attempted, comparison.right.own_attempted)
        return "neither dropped anything (0 of {:,} and 0 of {:,} records)".format(*attempted)
    left, right = name(comparison.left.transport), name(comparison.right.transport)
    found = {
        Outcome.LESS: f"less than {right}, {against}",
        Outcome.MORE: f"more than {right}, {against}",
        Outcome.TOO_FEW: f"{against} of {right} (fewer than {FEWEST_BLOCKS} blocks)",
    }
    return f"{left} dropped " + found.get(
        row.outcome, f"{against} of {right}, undecided ({_seen(row)})"
    )


def _order(comparison: Comparison) -> str:
    sides = (comparison.left, comparison.right)
    if min(side.fewest_pairs for side in sides) == 0:
        return ""
    return f"{' against '.join(map(_violations, sides))} were delivered parent first"


def _violations(side: Side) -> str:
    return f"{side.causal_violations:,} of {side.causal_pairs:,} causal pairs"


def _latency(comparison: Comparison) -> str:
    row = comparison.row("latency_p50_ns")
    against = _against(row)
    if row is None or not against:
        return ""
    if comparison.left.own_dropped or comparison.right.own_dropped:
        against += " for what was delivered"  # a transport that drops looks quick
    median = f"(median latency {against})"
    known = {
        Outcome.LESS: f"it delivered sooner {median}",
        Outcome.MORE: f"it delivered later {median}",
        Outcome.TOO_FEW: f"median latency was {against}",
        Outcome.EQUIVALENT: f"both deliver as soon within {share(LEAST_MARGIN)} {median}",
    }
    undecided = f"which delivers sooner is undecided (median latency {against}, {_seen(row)})"
    return known.get(row.outcome, undecided)


def _write(comparison: Comparison) -> str:
    row = comparison.row("write_ns")
    against = _against(row)
    if row is None or not against:
        return ""
    known = {
        Outcome.LESS: f"it takes less time to write ({against})",
        Outcome.MORE: f"it takes longer to write ({against})",
    }
    return known.get(row.outcome, f"a write takes {against} ({_seen(row)})")


def _memory(comparison: Comparison) -> str:
    left, _, right = _against(comparison.row("physical_bytes")).partition(" against ")
    return left and f"it takes {left} of memory against {right}"
