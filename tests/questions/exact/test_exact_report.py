# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a guest's report is read whole, or refused in words."""

from __future__ import annotations

import pytest
from made_up_exact import all_calls, report

from bench.questions.exact.plan import RUNS
from bench.questions.exact.report import Counted, Refused, parse

WHOLE = report({("reserve-submit", 72): 141, ("dynptr-submit", 72): "invalid func unknown#198"})


def test_counts_stand_in_the_order_of_the_calls() -> None:
    runs = b"call ring-output 72 0 20480 180,7*254,9\nend\n"
    found = parse(WHOLE.replace(b"end\n", runs)).calls[-1]
    assert isinstance(found, Counted)
    assert found.values == (180, *[7] * 254, 9)
    assert (found.name, found.bytes, found.begin, found.end) == ("ring-output", 72, 0, 20480)


def test_a_refusal_keeps_the_kernels_words() -> None:
    assert parse(WHOLE).calls[-1] == Refused(
        name="dynptr-submit", bytes=72, reason="its program is not loaded: invalid func unknown#198"
    )


def test_facts_and_every_call_of_the_plan() -> None:
    found = parse(report(all_calls()))
    assert found.facts["release"] == "6.1.0-made-up"
    assert len(found.calls) == len(all_calls()) + 1
    assert all(isinstance(each, Counted) and len(each.values) == RUNS for each in found.calls)


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        (b"", "there is no report"),
        (WHOLE.removesuffix(b"end\n"), "not whole"),
        (WHOLE.replace(b"exact 1", b"exact 2"), "not whole"),
        (WHOLE.replace(b"page 4096", b"page 0"), "no page size"),
        (WHOLE.replace(b"191,", b"", 1), "not 256 counts of reserve-submit"),
        (WHOLE.replace(b"191,", b"191*9999,", 1), "not 256 counts of reserve-submit"),
        (WHOLE.replace(b"191,", b"-191,", 1), "garbled"),
        (WHOLE.replace(b"submit 72 0", b"submit 0"), "garbled"),
        (WHOLE.replace(b"end\n", b"failed bpf 1 Operation not permitted\nend\n"), "not permitted"),
    ],
)
def test_what_is_not_a_report_is_refused(whole: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(whole)
