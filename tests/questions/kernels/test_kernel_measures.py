# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test measures and checks of several kernels: each by its label, a missing one as a failure."""

from __future__ import annotations

from made_up_claims import ladder
from made_up_kernels import entry, lost

from bench.campaign import gates
from bench.questions.kernels.document import document
from bench.questions.kernels.matrix import compare
from bench.report import document as documents
from bench.report.document import Passing


def test_each_kernel_has_its_own_under_its_label() -> None:
    made = document(compare([entry("6.1", "6.1.1-amd64"), entry("6.12", "6.12.1-amd64")]))
    found = {each.key: each for each in documents.measures([made])}
    of_each = {
        label: {key.removeprefix(f"{label}/") for key in found if key.startswith(f"{label}/")}
        for label in ("6.1", "6.12")
    }
    assert of_each["6.1"] == of_each["6.12"] != set()
    assert 2 * len(of_each["6.1"]) == len(found)
    names = [each.name for each in documents.checks([made])]
    assert {"6.1 trials balance", "6.12 ringbuf:causal", "6.12 whole result"} < {*names}


def test_a_kernel_without_a_result_fails_and_one_that_cannot_be_had_does_not() -> None:
    made = document(
        compare(
            [
                entry("6.12", "6.12.1-amd64"),
                lost("6.1", "panicked", "Kernel panic - not syncing: x"),
                lost("4.4", "unavailable", "no such kernel"),
            ]
        )
    )
    found = {each.name: each for each in documents.checks([made])}
    assert found["6.12 whole result"].outcome is Passing.PASSED
    assert found["6.1 whole result"].outcome is Passing.FAILED
    assert found["6.1 whole result"].text == "panicked: Kernel panic - not syncing: x"
    assert found["4.4 whole result"].outcome is Passing.SKIPPED


def test_a_gate_that_is_asked_for_is_a_check_of_every_kernel() -> None:
    matrix = compare([entry("6.1", "6.1.1-amd64"), lost("6.12", "hung", "x")])
    asked = gates.parse("ringbuf:causal,ringbuf:drops")
    found = {each.name: each for each in documents.checks([document(matrix, asked)])}
    assert found["6.1 ringbuf:causal"].outcome is Passing.PASSED
    assert found["6.1 ringbuf:causal"].text.startswith("not once in")
    assert found["6.1 ringbuf:drops"].outcome is Passing.FAILED
    assert found["6.12 ringbuf:drops"].outcome is Passing.FAILED
    assert "was not measured" in found["6.12 ringbuf:drops"].text


def test_a_budget_that_no_kernel_had_is_not_shown_as_tried() -> None:
    made = entry("6.1", "6.1.1-amd64", trials=ladder("memory-spread", 64, 256))
    (curve,) = (each for each in compare([made]).curves if each.key == "lossless:memory-spread")
    notes = {point.series: point.note for point in curve.points}
    assert notes["ringbuf"] == "20 storms a rung"
    assert notes["perfbuf"] == "20 storms a rung; 128 KiB is too small, twice that is shown"
