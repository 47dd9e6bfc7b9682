# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bench.measure import late
from bench.measure.late import MOST_EXAMPLES, Late, LateFacts, Noted, Why
from bench.record.records import CAPTURED, Records

MS = 1_000_000


def diagnose(
    records: Records,
    noted: Sequence[Noted],
    wakes_ns: Sequence[int] | None,
    *,
    involuntary_switches: int,
    **times: int,
) -> Late:
    facts = LateFacts(noted=noted, wakes_ns=wakes_ns, **times)
    return late.diagnose(records, facts, involuntary_switches=involuntary_switches)


def rows(*times_ms: tuple[float, float]) -> Records:
    """Return records by (kernel timestamp, delivery)."""
    made = np.zeros(len(times_ms), CAPTURED)
    made["timestamp_ns"] = [round(stamp * MS) for stamp, _ in times_ms]
    made["delivered_ns"] = [round(delivered * MS) for _, delivered in times_ms]
    return made


def of_first(
    *times_ms: tuple[float, float],
    wait_ms: tuple[float, float],
    wakes_ms: tuple[float, ...] | None,
    stopped_ms: float = 1_000,
) -> Late:
    """Return facts of the first record alone, which is late; a wait from 0 on: there was none."""
    entered_ns, returned_ns = (round(each * MS) for each in wait_ms)
    return diagnose(
        rows(*times_ms),
        [Noted(0, entered_ns, returned_ns)],
        None if wakes_ms is None else [round(each * MS) for each in wakes_ms],
        stopped_ns=round(stopped_ms * MS),
        threshold_ns=MS,
        count=1,
        involuntary_switches=3,
    )


@pytest.mark.parametrize(
    ("why", "times_ms", "wait_ms", "wakes_ms", "stopped_ms"),
    [
        # Nothing until the next burst's record came, 1.2 ms later; at that record's own wake-up.
        (Why.STRANDED, ((10, 11.3), (11.2, 11.3)), (9, 11.25), (11.21,), 1_000),
        # Nothing before the end of the trial.
        (Why.STRANDED, ((10, 50),), (9, 49.9), (49.8,), 49),
        # Woken 10 us after it was stamped, but on a CPU only after the next burst.
        (Why.UNSCHEDULED, ((10, 11.3), (11.2, 11.3)), (9, 11.25), (10.01,), 1_000),
        # Woken for an earlier record and still without a CPU when this one was stamped.
        (Why.UNSCHEDULED, ((10, 11.3), (9.5, 11.3)), (9, 11.25), (9.51, 11.2), 1_000),
        # The wake-up of another wait, before this one began, does not belong to this one.
        (Why.STRANDED, ((10, 11.3), (11.2, 11.3)), (9, 11.25), (8.9, 11.21), 1_000),
        # One of the same burst came meanwhile, none of the next: its interrupt took so long.
        (Why.SLOW_INTERRUPT, ((10, 11.3), (10.1, 11.3)), (9, 11.25), (11.2,), 1_000),
        (Why.NOT_WAITING, ((10, 11.3),), (10.2, 10.3), (10.25,), 1_000),
        (Why.NOT_WAITING, ((10, 11.3),), (0, 0), (), 1_000),
        (Why.UNKNOWN, ((10, 11.3),), (9, 11.25), None, 1_000),
        (Why.UNKNOWN, ((10, 11.3),), (9, 11.25), (12.0,), 1_000),
        # It came back from the wait before the record was stamped: then it was not waiting.
        (Why.NOT_WAITING, ((10, 11.3),), (9, 9.9), (9.8,), 1_000),
        (Why.NOT_WAITING, ((10, 11.3),), (9, 9.9), None, 1_000),
        # At the edges: half the threshold counts as late, and so does a wait from the stamp on.
        (Why.UNSCHEDULED, ((10, 11.3),), (10, 11.25), (10.499,), 1_000),
        (Why.SLOW_INTERRUPT, ((10, 11.3),), (9, 11.25), (10.5,), 1_000),
        (Why.STRANDED, ((10, 11.3), (10.5, 11.3)), (9, 11.25), (10.6,), 1_000),
        (Why.SLOW_INTERRUPT, ((10, 11.3), (10.499, 11.3)), (9, 11.25), (10.6,), 1_000),
        (Why.UNSCHEDULED, ((10, 11.3),), (9, 10), (9.9,), 1_000),
        # Records of the other CPU stand behind those that came after them.
        (Why.STRANDED, ((10, 11.3), (11.2, 11.3), (9.5, 11.4)), (9, 11.25), (11.21,), 1_000),
        (Why.SLOW_INTERRUPT, ((10, 11.3), (12, 12.3), (9.5, 11.4)), (9, 11.25), (11.21,), 1_000),
    ],
)
def test_why_a_record_was_late(
    why: Why,
    times_ms: tuple[tuple[float, float], ...],
    wait_ms: tuple[float, float],
    wakes_ms: tuple[float, ...] | None,
    stopped_ms: float,
) -> None:
    found = of_first(*times_ms, wait_ms=wait_ms, wakes_ms=wakes_ms, stopped_ms=stopped_ms)
    assert [each.why for each in found.examples] == [why]
    counts = {each: getattr(found, each.name.lower()) for each in Why}
    assert counts == {each: each is why for each in Why}
    assert (found.count, found.threshold_ns, found.involuntary_switches) == (1, MS, 3)


def test_times_count_from_the_record() -> None:
    found = of_first((10, 11.3), (11.2, 11.3), wait_ms=(9, 11.25), wakes_ms=(10.01,))
    (one,) = found.examples
    assert (one.latency_ns, one.entered_ns, one.woken_ns, one.returned_ns) == (
        1_300_000,
        -1_000_000,
        10_000,
        1_250_000,
    )


def test_what_was_only_counted_is_unknown() -> None:
    made = rows((10, 12))
    found = diagnose(
        made,
        [Noted(0, 9 * MS, 12 * MS)],
        (10 * MS,),
        stopped_ns=20 * MS,
        threshold_ns=MS,
        count=5,
        involuntary_switches=0,
    )
    assert (found.unscheduled, found.unknown) == (1, 4)


def test_half_of_an_odd_threshold_is_rounded_down() -> None:
    made = np.zeros(2, CAPTURED)
    made["timestamp_ns"] = [1_000, 1_002]
    made["delivered_ns"] = 1_005
    found = diagnose(
        made,
        [Noted(0, 900, 1_004)],
        [1_002],
        stopped_ns=9_000,
        threshold_ns=5,
        count=1,
        involuntary_switches=0,
    )
    assert found.stranded == 1


def test_what_was_not_noted_counts_beside_what_has_no_known_reason() -> None:
    found = diagnose(
        rows((10, 12)),
        [Noted(0, 9 * MS, 12 * MS)],
        None,
        stopped_ns=20 * MS,
        threshold_ns=MS,
        count=2,
        involuntary_switches=0,
    )
    assert found.unknown == 2


def test_stranded_records_are_the_first_examples() -> None:
    made = rows(*((float(10 * at), 10 * at + 5.0) for at in range(1, 101)))
    noted = [Noted(at, 1 + 10 * (at + 1) * MS - MS, (10 * (at + 1) + 4) * MS) for at in range(100)]
    # All woken in time but the last, for which nobody came until it was asked to end.
    wakes = [10 * at * MS + 1_000 for at in range(1, 100)] + [1_004 * MS]
    found = diagnose(
        made,
        noted,
        wakes,
        stopped_ns=1_003 * MS,
        threshold_ns=MS,
        count=100,
        involuntary_switches=0,
    )
    assert (found.stranded, found.unscheduled) == (1, 99)
    assert len(found.examples) == MOST_EXAMPLES
    assert [each.why for each in found.examples].index(Why.STRANDED) == 0


def test_reasons_and_the_number_of_examples_are_what_the_record_format_says() -> None:
    assert [why.value for why in Why] == [
        *("stranded", "unscheduled", "slow interrupt", "not waiting", "unknown"),
    ]  # fmt: skip
    assert MOST_EXAMPLES == 32


def test_what_was_not_noted_is_not_a_time() -> None:
    (never,) = of_first((10, 11.3), wait_ms=(0, 0), wakes_ms=()).examples
    assert (never.entered_ns, never.woken_ns, never.returned_ns) == (None, None, None)
    (unseen,) = of_first((10, 11.3), wait_ms=(9, 11.25), wakes_ms=None).examples
    assert (unseen.entered_ns, unseen.woken_ns, unseen.returned_ns) == (-MS, None, 1_250_000)


def test_nothing_late() -> None:
    found = diagnose(rows(), [], (), stopped_ns=0, threshold_ns=MS, count=0, involuntary_switches=0)
    assert (found.count, found.stranded, found.examples) == (0, 0, ())
