# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test pace on streams whose gaps are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bench.measure.cost import delivery_ns, exit_ns, per_record_ns
from bench.record.records import CAPTURED, Flag, Records


def exits(cpu: int, times_ns: Sequence[Sequence[int]], flags: Flag = Flag.OWN) -> Records:
    """Return the records of one CPU: of each exit those at these times."""
    count = sum(map(len, times_ns))
    made = np.zeros(count, CAPTURED)
    made["timestamp_ns"] = [10**15 + each for one in times_ns for each in one]
    made["sequence"] = np.arange(count)
    made["cpu"] = cpu
    made["flags"] = flags | Flag.REPEAT
    firsts = np.cumsum([0, *map(len, times_ns)])[:-1]
    made["flags"][firsts] = flags
    return made


def test_single_records_have_no_pace():
    assert per_record_ns(exits(0, [[0], [1_000], [2_000]])) is None
    assert per_record_ns(np.zeros(0, CAPTURED)) is None


def test_time_between_exits_does_not_count():
    assert per_record_ns(exits(0, [[0, 100, 200], [9_000, 9_100, 9_200]])) == 100


def test_an_interrupted_exit_does_not_matter():
    steady = [[start, start + 50, start + 100] for start in range(0, 10**6, 10**5)]
    stolen = [[10**7, 10**7 + 5_000_000, 10**7 + 5_000_050]]
    assert per_record_ns(exits(0, [*steady, *stolen])) == 50


def test_what_happens_within_most_exits_does():
    """Include a rare dear record in its exit's mean: 9 gaps of 100 ns and one of 1,100."""
    one = [*range(0, 1_000, 100), 2_000]
    assert per_record_ns(exits(0, [one, [10**6 + each for each in one]])) == 200


def test_cpus_are_distinguished_however_their_records_mingle():
    left = exits(0, [[0, 100], [5_000, 5_100]])
    right = exits(1, [[30, 330], [5_030, 5_330], [8_030, 8_330]])
    both = np.concatenate([left, right])
    assert per_record_ns(both[np.argsort(both["timestamp_ns"], kind="stable")]) == 300


def test_exits_with_a_gap_are_left_out():
    made = exits(0, [[0, 100, 200, 300], [1_000, 1_020, 1_040, 1_060]])
    assert per_record_ns(made[[0, 1, 3, 4, 5, 6, 7]]) == pytest.approx(20)


def test_an_exit_without_its_first_record_is_left_out():
    made = exits(0, [[0, 100], [1_000, 1_020]])
    assert per_record_ns(made[1:]) == pytest.approx(20)


def test_others_exits_are_left_out():
    mine = exits(0, [[0, 40]])
    others = exits(1, [[0, 900], [2_000, 2_900]], Flag(0))
    assert per_record_ns(np.concatenate([mine, others])) == 40


@pytest.mark.parametrize("other", set(Flag) - {Flag.OWN, Flag.REPEAT})
def test_other_flags_do_not_matter(other: Flag) -> None:
    mine = exits(0, [[0, 40], [500, 560], [900, 960]], Flag.OWN | other)
    assert per_record_ns(mine) == 60
    assert per_record_ns(exits(0, [[0, 900]], other)) is None


def test_timestamps_may_be_small() -> None:
    made = exits(0, [[0, 900]])
    made["timestamp_ns"] -= 10**15 - 100
    assert per_record_ns(made) == 900


def test_a_cpu_that_has_no_first_record_has_no_exit():
    lone = exits(1, [[0, 900]])[1:]
    assert per_record_ns(lone) is None
    assert per_record_ns(np.concatenate([exits(0, [[0, 40]]), lone])) == 40


def test_the_last_exit_counts():
    assert per_record_ns(exits(0, [[0], [1_000, 1_070]])) == 70


BEGIN = 10**12


def stream(gaps_ns: list[int], *, flags: int = Flag.OWN) -> Records:
    rows = np.zeros(len(gaps_ns), CAPTURED)
    rows["timestamp_ns"] = BEGIN + np.cumsum(gaps_ns)
    rows["delivered_ns"] = rows["timestamp_ns"] + 5_000
    rows["flags"] = flags
    return rows


def test_ends_that_are_slow_do_not_count() -> None:
    rows = stream([50_000] * 20 + [1_000] * 161 + [90_000] * 20)
    assert exit_ns(rows) == 1_000
    assert delivery_ns(rows) == 1_000


def test_the_order_of_delivery_does_not_matter_to_exits() -> None:
    rows = stream([1_000] * 400)
    rows["timestamp_ns"] = np.random.default_rng(1).permutation(rows["timestamp_ns"])
    assert exit_ns(rows) == 1_000


def test_only_the_first_record_of_the_storm_s_own_exits_is_an_exit() -> None:
    rows = stream([1_000] * 600)
    rows["flags"][1::3] = Flag.OWN | Flag.REPEAT
    rows["flags"][2::3] = 0
    assert exit_ns(rows) == 3_000
    assert delivery_ns(rows) == 1_000


def test_of_many_exits_a_sample_says_the_same() -> None:
    rows = stream([1_000] * 300_000)
    assert exit_ns(rows) == pytest.approx(1_000, rel=1e-9)


def test_too_few_say_nothing() -> None:
    assert exit_ns(stream([1_000] * 99)) is None
    assert delivery_ns(stream([1_000] * 99)) is None
    assert exit_ns(stream([1_000] * 100)) == 1_000
