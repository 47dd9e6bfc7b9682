# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a gate fails on one instruction more, another code path, and on missing counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_exact import all_calls, kernel

from bench.errors import GateFailed, UsageError
from bench.questions.exact.gate import Gate, check, parse, uncompared
from bench.questions.exact.study import KernelCount

CALL = ("reserve-submit", 72)
BIG = ("reserve-submit", 4168)
OLD = kernel("6.1", {CALL: 141, BIG: 141, ("perf-output", 72): 713})
NEW = kernel("7.3", {CALL: 149, BIG: 141, ("perf-output", 72): 701})


def failure(text: str, *kernels: KernelCount, base: tuple[KernelCount, ...] = ()) -> str:
    """Return why the gate does not hold; "" if it does."""
    try:
        check(parse(text), kernels, base)
    except GateFailed as failed:
        return str(failed)
    return ""


def test_gates_are_parsed() -> None:
    assert parse("reserve-submit:+0, all:+12", "all:+12") == (
        Gate("reserve-submit", 0),
        Gate("all", 12),
    )


@pytest.mark.parametrize("text", ["", "reserve-submit", "drops", "reserve:+0", "all:0", "all:+x"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no gate"):
        parse(text)


@pytest.mark.parametrize(
    ("gate", "fails"),
    [
        ("reserve-submit:+0", True),
        ("reserve-submit:+7", True),
        ("reserve-submit:+8", False),
        ("perf-output:+0", False),
        ("all:+0", True),
        ("all:+8", False),
    ],
)
def test_against_the_first_kernel(gate: str, fails: bool) -> None:
    assert bool(failure(gate, OLD, NEW)) is fails


def test_the_failure_names_call_size_and_kernels() -> None:
    assert failure("reserve-submit:+0", OLD, NEW) == (
        "gate failed: reserve-submit takes 8 instructions more on 7.3 than on 6.1 (149 at 72 bytes)"
    )
    both = kernel("7.4", {CALL: 149, BIG: 149})
    assert failure("reserve-submit:+0", OLD, both).endswith("(149 at 72 bytes, 149 at 4168 bytes)")


ARM64 = kernel("6.12-arm64", {CALL: 200}, machine="aarch64")
MORE = kernel("7.3-arm64", {CALL: 210}, machine="aarch64")


def test_each_architecture_has_a_base_of_its_own() -> None:
    assert not failure("reserve-submit:+10", OLD, ARM64, MORE, NEW)
    assert failure("reserve-submit:+9", OLD, ARM64, MORE, NEW) == (
        "gate failed: reserve-submit takes 10 instructions more on 7.3-arm64 than on 6.12-arm64 "
        "(210 at 72 bytes)"
    )
    assert uncompared((OLD, ARM64, NEW)) == (ARM64,)
    assert uncompared((OLD, ARM64, MORE)) == (OLD,)
    assert not uncompared((OLD, NEW))
    assert not uncompared((OLD,))


def test_counts_of_two_architectures_are_not_compared() -> None:
    words = "a kernel of aarch64: counts of two architectures are not compared"
    assert words in failure("reserve-submit:+0", MORE, base=(OLD, NEW))
    assert not failure("reserve-submit:+10", MORE, base=(OLD, ARM64))
    assert "there is no kernel to compare" in failure("all:+0", OLD, ARM64)


def test_against_a_baseline_each_kernel_has_its_own() -> None:
    assert not failure("all:+0", OLD, NEW, base=(OLD, NEW))
    assert "on 6.1" in failure("all:+0", NEW, base=(OLD,))


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (kernel("7.3", {CALL: "invalid func", BIG: 141}), "7.3 refused it, its program"),
        (kernel("7.3", {BIG: 141}), "7.3 has none"),
        (kernel("7.3", {CALL: 141, BIG: 141}, other={CALL: 1, BIG: 141}), "not reproducible"),
        (KernelCount(label="7.3", reason="hung"), "7.3 has none, hung"),
    ],
)  # fmt: skip
def test_what_was_not_counted_is_no_evidence(lacking: KernelCount, words: str) -> None:
    assert words in failure("reserve-submit:+0", OLD, lacking)
    assert failure("reserve-submit:+0", lacking, OLD)


def test_all_leaves_out_what_the_base_never_had() -> None:
    base = kernel("5.10", {CALL: 139, ("dynptr-submit", 72): "invalid func"})
    newer = kernel("6.1", {CALL: 139, ("dynptr-submit", 72): 193})
    assert not failure("all:+0", base, newer)
    assert "5.10 refused it" in failure("dynptr-submit:+0", base, newer)


def test_one_instruction_more_of_any_call_is_found() -> None:
    before = kernel("a", all_calls())
    for at, call in enumerate(before.calls):
        longer = replace(call, instructions=(call.instructions or 0) + 1)
        calls = (*before.calls[:at], longer, *before.calls[at + 1 :])
        after = replace(before, label="b", calls=calls)
        assert failure("all:+0", before, after).count("more on b") == 1
    assert not failure("all:+0", before, replace(before, label="b"))


def test_nothing_to_compare_with_is_a_failure() -> None:
    assert "no kernel to compare" in failure("all:+0", OLD)
