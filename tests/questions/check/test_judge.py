# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge a tool's lines against a made-up truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bench.errors import GateFailed, UsageError
from bench.questions.check.judge import GATES, check_gates, judge, parse_gates
from bench.questions.check.lines import Reading
from bench.questions.check.run import Checked, Storming
from bench.questions.check.tool import Output
from workloads.storm import StormReport
from workloads.truth import CHILD

READING = Reading(pattern=r"^(?P<pid>\d+) (?P<parent>\d+) (?P<code>\d+)", lost=r"lost (\d+)")
MS = 1_000_000


def storming(
    pids: Sequence[int], *, begin_ms: int = 0, chained: bool = False, settled: bool = True
) -> Storming:
    """Return a storm whose children were reaped a millisecond apart, and end with 0."""
    children = np.zeros(len(pids), dtype=CHILD)
    for index, pid in enumerate(pids):
        parent = pids[index + 1] if chained and index + 1 < len(pids) else 1
        children[index] = ((begin_ms + index) * MS, pid, parent, 0, 0)
    return Storming(
        rate_per_s=1_000.0,
        report=StormReport(made=len(pids), reaped=len(pids), start_ns=0, end_ns=10**9),
        children=children,
        begin_ns=begin_ms * MS,
        end_ns=(begin_ms + 1_000) * MS,
        settled=settled,
        cpu_s=0.25,
        rss_bytes=1 << 20,
    )


def output(*printed: tuple[int, str], said: Sequence[tuple[int, str]] = ()) -> Output:
    """Return lines and the millisecond at which each came."""
    return Output(
        printed=[(ms * MS, f"{line}\n".encode()) for ms, line in printed],
        said=[(ms * MS, f"{line}\n".encode()) for ms, line in said],
    )


def checked(*storms: Storming, chained: Storming | None = None) -> Checked:
    return Checked(storms=storms, chained=chained, attached_s=0.5, ended="")


def test_all_that_is_shown_is_counted_once() -> None:
    lines = output((5, "10 1 0"), (6, "11 1 0"), (7, "12 1 0"), (8, "999 7 0"))
    (rung,) = judge(checked(storming([10, 11, 12])), lines, READING).rungs
    assert (rung.processes, rung.seen, rung.twice, rung.missing) == (3, 3, 0, 0)
    assert rung.wrong == 0
    assert rung.delay_p50_ms == pytest.approx(5.0)
    assert rung.cpu_share == pytest.approx(0.25)
    assert rung.whole


def test_missing_twice_and_wrong() -> None:
    lines = output((5, "10 1 0"), (6, "10 1 0"), (7, "11 2 0"), (8, "12 1 7"), (9, "99 1 0"))
    (rung,) = judge(checked(storming([10, 11, 12, 13])), lines, READING).rungs
    assert (rung.seen, rung.twice, rung.silent, rung.reported) == (3, 1, 1, 0)
    assert (rung.wrong_pid, rung.wrong_parent, rung.wrong_status) == (1, 1, 1)


def test_other_processes_with_the_same_pid_are_not_the_child() -> None:
    lines = output((4, "11 7 3"), (5, "10 1 0"), (6, "11 1 0"), (7, "10 7 3"), (8, "11 1 0"))
    (rung,) = judge(checked(storming([10, 11])), lines, READING).rungs
    assert (rung.seen, rung.twice, rung.wrong) == (2, 1, 0)
    chained = storming([10, 11], begin_ms=2_000, chained=True)
    lines = output((2_004, "11 7 3"), (2_005, "10 11 0"), (2_006, "11 1 0"))
    found = judge(checked(storming([]), chained=chained), lines, READING).order
    assert found is not None
    assert (found.pairs, found.reversed) == (1, 0)


def test_processes_of_a_storm_that_had_the_same_pid_are_as_many() -> None:
    storm = storming([10, 11, 10])
    storm.children["status"][2] = 256
    lines = (5, "10 1 0"), (6, "11 1 0"), (7, "10 1 1")
    (rung,) = judge(checked(storm), output(*lines), READING).rungs
    assert (rung.processes, rung.seen, rung.twice, rung.wrong) == (3, 3, 0, 0)
    (rung,) = judge(checked(storm), output(*lines, (8, "10 1 1")), READING).rungs
    assert (rung.seen, rung.twice) == (3, 1)
    (rung,) = judge(checked(storm), output(*lines[:2]), READING).rungs
    assert (rung.seen, rung.missing) == (2, 1)
    found = judge(checked(storming([]), chained=storm), output(*lines), READING).order
    assert found is not None
    assert found.pairs == 0


@pytest.mark.parametrize(("reported", "silent"), [(0, 3), (2, 1), (3, 0), (50, 0)])
def test_what_is_reported_is_no_more_than_what_is_missing(reported: int, silent: int) -> None:
    lines = output((5, "10 1 0"), said=[(9, f"lost {reported} events")])
    (rung,) = judge(checked(storming([10, 11, 12, 13])), lines, READING).rungs
    assert (rung.reported, rung.silent) == (3 - silent, silent)


def test_each_storm_has_the_lines_of_its_own_time() -> None:
    first, second = storming([10, 11]), storming([10, 12], begin_ms=2_000)  # a PID comes again
    lines = output((5, "10 1 0"), (2_005, "10 1 0"), (2_006, "12 1 0"), (1_500, "11 1 0"))
    rungs = judge(checked(first, second), lines, READING).rungs
    assert [rung.seen for rung in rungs] == [1, 2]
    assert [rung.twice for rung in rungs] == [0, 0]


def test_what_is_reported_at_the_end_counts_for_all_storms() -> None:
    first, second = storming([10, 11]), storming([12, 13], begin_ms=2_000)
    lines = output((5, "10 1 0"), (2_005, "12 1 0"), (9_000, "lost 5 events"))
    rungs = judge(checked(first, second), lines, READING).rungs
    assert [(rung.reported, rung.silent) for rung in rungs] == [(1, 0), (1, 0)]


def test_a_parent_before_its_child_is_out_of_order() -> None:
    chain = storming([10, 11, 12, 13], begin_ms=2_000, chained=True)  # 13 made 12 made 11 ...
    lines = output((2_001, "10 11 0"), (2_002, "12 13 0"), (2_003, "11 12 0"), (2_004, "13 1 0"))
    found = judge(checked(storming([1]), chained=chain), lines, READING).order
    assert found is not None
    assert (found.pairs, found.reversed) == (3, 1)


def test_from_where_it_loses() -> None:
    storms = [storming([10 * at, 10 * at + 1], begin_ms=2_000 * at) for at in (1, 2, 3)]
    lines = output(*((2_000 * at + 5, f"{10 * at} 1 0") for at in (1, 2, 3)), (2_006, "11 1 0"))
    verdict = judge(checked(*storms), lines, READING)
    assert verdict.whole_to is verdict.rungs[0]
    assert verdict.loses_from is verdict.rungs[1]


def test_gates() -> None:
    assert parse_gates(["silent,order", "silent"]) == ("silent", "order")
    for wrong in ("loud", "", "silent,"):
        with pytest.raises(UsageError, match=r"no gate '(loud)?'"):
            parse_gates([wrong])
    chain = storming([12, 13], begin_ms=2_000, chained=True)
    lines = output((5, "10 1 0"), (2_001, "12 13 0"), (2_002, "13 1 0"))
    whole = judge(checked(storming([10]), chained=chain), lines, READING)
    check_gates(GATES, whole)
    lossy = judge(checked(storming([10, 11])), output((5, "10 2 0")), READING)
    check_gates(("twice",), lossy)
    with pytest.raises(GateFailed, match="order was not measured"):  # no chain was run
        check_gates(("order",), lossy)
    with pytest.raises(GateFailed, match="1 missing and not reported; 1 shown with a wrong"):
        check_gates(("silent", "wrong"), lossy)
