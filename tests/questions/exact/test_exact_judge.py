# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what is concluded from the boots of a kernel, and what is not reproducible."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_exact import EMPTY_NS, PERF_LENGTH, kernel, report, seen

from bench.questions.exact.judge import Seen, judge, mode
from bench.questions.exact.plan import RUNS
from bench.questions.exact.study import CallCount, KernelCount

CALL = ("reserve-submit", 72)
LOST = Seen(console=b"", report=b"", read=None, problem="hung")
ONE = seen(report({CALL: 141}))


def only(found: KernelCount) -> CallCount:
    (call,) = found.calls
    return call


def test_the_empty_program_is_subtracted() -> None:
    found = kernel("6.1", {CALL: 141})
    assert (found.release, found.empty, found.jit) == ("6.1.0-made-up", EMPTY_NS, True)
    assert (only(found).instructions, only(found).reproducible) == (141, True)


@pytest.mark.parametrize(
    ("values", "expected"), [([3, 1, 1, 2], (1, 2)), ([5, 4, 5, 4], (4, 2)), ([7], (7, 1))]
)
def test_the_mode_is_the_least_of_the_most_frequent(
    values: list[int], expected: tuple[int, int]
) -> None:
    assert mode(values) == expected


def test_a_distribution_is_kept_with_its_parts_apart() -> None:
    """Of perf records of 88 bytes the 47th, and every 46th or 47th on, crosses a page."""
    crossing = [n for n in range(RUNS) if (n + 1) * PERF_LENGTH // 4096 > n * PERF_LENGTH // 4096]
    values = [713] * RUNS
    values[0], values[3], values[4], values[9] = 700, 717, 717, 9000
    for at in crossing:
        values[at] = 760
    spread = only(kernel("6.1", {("perf-output", 72): values})).distributions[0]
    assert crossing[0] == 46
    assert (spread.mode, spread.times, spread.first) == (713, 252 - len(crossing), 700)
    assert spread.others == ((717, 2),)
    assert spread.crossings == ((760, len(crossing)),)
    assert spread.ticks == ((9000, 1),)


def test_a_ring_has_no_page_crossings() -> None:
    values = [141] * RUNS
    values[46] = 190
    spread = only(kernel("6.1", {CALL: values})).distributions[0]
    assert (spread.others, spread.crossings) == (((190, 1),), ())


def test_modes_of_two_seeds_must_be_equal() -> None:
    found = only(kernel("6.1", {CALL: 141}, other={CALL: 142}))
    assert not found.reproducible
    assert found.why == "141 with seed 1, 142 with seed 2"


def test_another_seed_may_have_other_ticks() -> None:
    values = [141] * RUNS
    values[7] = 5000
    assert only(kernel("6.1", {CALL: 141}, other={CALL: values})).reproducible


@pytest.mark.parametrize(
    ("again", "why"),
    [
        (replace(ONE, console=b"a tick\n"), "seed 1 differ, first in line 1 of the console"),
        (seen(report({CALL: [*[141] * 255, 5000]})), "differ, first in line 8 of the report"),
        (LOST, "a boot with seed 1 failed: hung"),
    ],
)
def test_two_boots_with_one_seed_must_be_equal_to_the_byte(again: Seen, why: str) -> None:
    found = only(judge("6.1", "", "", [ONE, ONE, again]))
    assert (found.reproducible, found.instructions) == (False, 141)
    assert why in found.why


def test_boots_that_are_missing_show_nothing() -> None:
    assert not only(judge("6.1", "", "", [ONE])).reproducible
    assert not only(judge("6.1", "", "", [ONE, ONE])).reproducible


def test_a_kernel_without_a_report_has_its_reason() -> None:
    found = judge("x", "6.1", "file", [LOST])
    assert (found.label, found.release, found.reason, found.calls) == ("x", "6.1", "hung", ())


def test_a_qemu_that_counts_no_instructions_is_noticed() -> None:
    found = seen(report({CALL: 141}, empty=list(range(65, 65 + RUNS))))
    assert judge("6.1", "", "", [found] * 3).reason == (
        "the empty program took 65 to 320 ns: QEMU did not count instructions"
    )


def test_a_refused_call_is_refused_alike() -> None:
    found = only(kernel("5.10", {("dynptr-submit", 72): "invalid func unknown#198"}))
    assert (found.instructions, found.reproducible) == (None, True)
    assert found.why == "its program is not loaded: invalid func unknown#198"
    assert not only(kernel("5.10", {CALL: "no"}, other={CALL: 141})).reproducible
    assert not only(kernel("5.10", {CALL: 141}, other={CALL: "no"})).reproducible


def test_a_call_has_to_do_what_it_is_there_for() -> None:
    """Refuse a ring that took fewer records than were written, and a full one that took some."""
    full = f" 0 {RUNS * PERF_LENGTH} ".encode()
    short = seen(report({CALL: 141}).replace(full, b" 0 8888 "))
    assert only(judge("6.1", "", "", [short] * 3)).why == "some of 256 records were refused"
    took = seen(report({("reserve-refused", 72): 89}).replace(b" 72 0 0 ", b" 72 0 88 "))
    assert only(judge("6.1", "", "", [took] * 3)).why == "a full buffer took 88 bytes"
