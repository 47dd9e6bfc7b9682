# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest
from made_up_claims import arm, evidence, noisy, rate, torn

from bench.errors import GateFailed, UsageError
from bench.questions.claims import expectations
from bench.questions.claims.catalogue import Judged, judge
from bench.questions.claims.claim import Verdict
from bench.questions.claims.document import document
from bench.report.document import Passing


def judged(ring: tuple[float, ...]) -> list[Judged]:
    made = arm("rate-default", "ringbuf@8MiB", rate, ring)
    return [judge(evidence(made, arm("rate-default", "perfbuf@8MiB", rate, noisy(1.0)[::-1])))]


def expected(word: str) -> expectations.Expectations:
    return expectations.parse([f"rb-faster-default={word}"])


def test_what_comes_out_as_expected_passes() -> None:
    expectations.check(expected("reproduced"), judged(noisy(12.0)), strict=True)


def test_what_comes_out_otherwise_is_named() -> None:
    with pytest.raises(GateFailed, match="rb-faster-default is reproduced, expected refuted"):
        expectations.check(expected("refuted"), judged(noisy(12.0)), strict=False)


def test_inconclusive_fails_only_if_strict() -> None:
    open_ones = judged(torn(1.1))
    expectations.check(expected("reproduced"), open_ones, strict=False)
    with pytest.raises(GateFailed, match="rb-faster-default is inconclusive"):
        expectations.check(expected("reproduced"), open_ones, strict=True)


def test_what_was_not_measured_fails() -> None:
    never_run = expectations.parse(["rb-noisy-cpu=reproduced"])
    with pytest.raises(GateFailed, match="rb-noisy-cpu is not measured"):
        expectations.check(never_run, judged(noisy(12.0)), strict=False)


def test_no_trials_at_all_fail() -> None:
    with pytest.raises(GateFailed, match="rb-faster-default is not measured"):
        expectations.check(expected("reproduced"), [], strict=False)
    expectations.check({}, [], strict=False)


def test_one_claim_has_one_expectation(tmp_path: Path) -> None:
    assert len(expectations.parse(["rb-order=refuted", "rb-order=refuted"])) == 1
    with pytest.raises(UsageError, match="rb-order is expected twice"):
        expectations.parse(["rb-order=reproduced", "rb-order=refuted"])
    (tmp_path / "empty.toml").write_text("# nothing\n")
    with pytest.raises(UsageError, match="expects nothing"):
        expectations.read(tmp_path / "empty.toml")


def test_a_file_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "expected.toml"
    path.write_text('rb-order = "reproduced"\npb-scales = "not-applicable"\n')
    assert expectations.read(path) == {
        "rb-order": Verdict.REPRODUCED,
        "pb-scales": Verdict.NOT_APPLICABLE,
    }


@pytest.mark.parametrize(
    "word", ["rb-order", "rb-order=yes", "nothing=reproduced", "=reproduced", "rb-order="]
)
def test_nonsense_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        expectations.parse([word])


def test_files_that_cannot_be_read_get_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        expectations.read(tmp_path / "missing.toml")
    (tmp_path / "broken.toml").write_text("rb-order = reproduced")
    with pytest.raises(UsageError, match="is not TOML"):
        expectations.read(tmp_path / "broken.toml")


@pytest.mark.parametrize(
    ("ring", "word", "strict", "outcome"),
    [
        (noisy(12.0), "reproduced", False, Passing.PASSED),
        (noisy(12.0), "refuted", False, Passing.FAILED),
        (noisy(0.5), "refuted", False, Passing.PASSED),
        (torn(1.1), "reproduced", False, Passing.SKIPPED),
        (torn(1.1), "reproduced", True, Passing.FAILED),
        (torn(1.1), "inconclusive", False, Passing.PASSED),
    ],
)
def test_a_check_goes_by_what_is_expected(
    ring: tuple[float, ...], word: str, strict: bool, outcome: Passing
) -> None:
    (of_machine,) = judged(ring)
    made = document(of_machine, expected=expected(word), strict=strict)
    (found,) = (each for each in made.checks if each.name == "rb-faster-default")
    assert found.outcome is outcome
    assert found.text.startswith(f"expected {word}; ")


def test_without_an_expectation_refuted_is_failed() -> None:
    for ring, outcome in ((noisy(12.0), Passing.PASSED), (noisy(0.5), Passing.FAILED)):
        made = document(judged(ring)[0])
        found = {each.name: each.outcome for each in made.checks}
        assert found.pop("rb-faster-default") is outcome
        assert Passing.FAILED not in found.values()
