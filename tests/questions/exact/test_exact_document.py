# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show the counts in every form: what was counted, and what was not, with its reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_exact import all_calls, kernel, rows, study
from rendered import text

from bench.errors import JournalError
from bench.questions.exact.document import document
from bench.questions.exact.study import KernelCount, Setup, read
from bench.report import renderers
from bench.report.document import Passing, tables

CALL = ("reserve-submit", 72)
OLD = kernel("6.1", {**all_calls(), CALL: 141, ("reserve-submit-overwrite", 72): "no such flag"})
NEW = kernel("7.3", {**all_calls(3), CALL: 1149})
LOST = KernelCount(label="./bad<b>", reason="hung: not over after 120 s")
STUDY = study(OLD, NEW, LOST)


def test_the_title_is_the_answer() -> None:
    assert document(STUDY).title == (
        "reserve-submit of 72 bytes takes 141 to 1,149 instructions on 2 kernels"
    )


def test_each_count_is_beside_its_difference_from_the_first_kernel() -> None:
    shown = rows(document(STUDY), "instructions")
    assert shown["reserve-submit, 72 bytes"] == ["141", "1,149 +1,008"]
    assert shown["reserve-submit-overwrite, 72 bytes"][0] == "refused"


def test_a_kernel_that_was_lost_keeps_its_row_and_reason() -> None:
    shown = text(document(STUDY))
    assert "./bad<b>: hung: not over after 120 s" in shown
    assert (
        "6.1: refused: reserve-submit-overwrite (its program is not loaded: no such flag)" in shown
    )


def test_what_is_not_reproducible_says_why() -> None:
    unlike = kernel("6.1", {CALL: 141}, other={CALL: 142})
    shown = text(document(study(unlike)))
    assert "6.1: not reproducible: all calls (141 with seed 1, 142 with seed 2)" in shown
    assert "0 of 1" in shown


def test_a_kernel_that_interprets_its_programs_is_named() -> None:
    shown = text(document(study(OLD, replace(NEW, jit=False))))
    assert "7.3: the JIT is off" in shown
    assert "6.1: the JIT is off" not in shown


def test_two_architectures_stand_apart() -> None:
    """Each with its own base; a difference between the two is nowhere."""
    foreign = [
        kernel(label, {CALL: count}, machine="aarch64")
        for label, count in (("6.12-arm64", 1200), ("7.3-arm64", 1207))
    ]
    setup = Setup(qemu="9.9", options=("-cpu", "x"), parameters=("console=z",), program_sha256="1")
    found = document(replace(study(OLD, foreign[0], NEW, foreign[1]), others=(setup,)))
    assert found.title == (
        "reserve-submit of 72 bytes takes 141 to 1,149 instructions on 2 kernels and 1,200 to "
        "1,207 on 2 kernels"
    )
    (table,) = (each for each in tables(found.parts) if each.key == "instructions")
    assert [each.heading for each in table.columns] == ["6.1", "7.3", "6.12-arm64", "7.3-arm64"]
    shown = rows(found, "instructions")["reserve-submit, 72 bytes"]
    assert shown == ["141", "1,149 +1,008", "1,200", "1,207 +7"]
    whole = renderers.find("html")(found)
    assert "-cpu x" in whole
    assert "console=z" in whole


def test_no_kernel_at_all_is_a_document_too() -> None:
    assert document(study(LOST)).title == "No kernel was counted"


@pytest.mark.parametrize("form", renderers.names())
def test_every_renderer_shows_it(form: str) -> None:
    shown = renderers.find(form)(document(STUDY))
    if form != "github-benchmark-bigger":  # which has what is better when it is more
        assert "reserve-submit" in shown
        assert "149" in shown
    if form in ("html", "markdown", "summary"):
        assert "bad<b>" not in shown


def test_programs_follow_counts_and_check_that_they_come_out_again() -> None:
    found = document(STUDY)
    keys = {each.key: each.value for each in found.measures}
    assert keys["7.3/reserve-submit/72/instructions"] == 1149
    assert "6.1/reserve-submit-overwrite/72/instructions" not in keys
    outcomes = {each.name: each.outcome for each in found.checks}
    assert outcomes["6.1: reserve-submit, 72 bytes, is reproducible"] == Passing.PASSED
    assert outcomes["6.1: reserve-submit-overwrite, 72 bytes, is reproducible"] == Passing.SKIPPED


def test_the_page_says_what_a_count_is_not_and_has_all_counts() -> None:
    page = renderers.find("html")(document(STUDY))
    assert "a locked instruction counts like a nop" in page
    assert "All counts on 7.3" in page


def test_json_has_what_is_promised_and_can_be_read_again(tmp_path: Path) -> None:
    whole = renderers.find("json")(document(STUDY))
    first = json.loads(whole)["kernels"][0]["calls"][0]
    assert {key: first[key] for key in ("name", "bytes", "instructions", "reproducible")} == {
        "name": "reserve-submit",
        "bytes": 72,
        "instructions": 141,
        "reproducible": True,
    }
    path = tmp_path / "exact.json"
    path.write_text(whole)
    assert read(path) == STUDY


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}'])
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "exact.json"
    path.write_text(content)
    with pytest.raises(JournalError, match="is not what kernels exact --json writes"):
        read(path)
    with pytest.raises(JournalError, match="cannot be read"):
        read(tmp_path / "none.json")
