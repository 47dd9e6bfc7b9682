# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a call's functions from what guest and plugin wrote, add them up, and compare."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_exact import SYMBOLS, blocks, kernel, rows, study, with_functions
from rendered import text

from bench.errors import GateFailed
from bench.questions.exact import gate
from bench.questions.exact.document import document
from bench.questions.exact.functions import PROGRAM, calls, differences, explained, symbols
from bench.questions.exact.study import KernelCount
from bench.report import renderers
from bench.report.document import Figures, tables

CALL = ("reserve-submit", 72)
PLACE = 1  # in the plan, after the empty program
OLD = with_functions(kernel("6.1", {CALL: 141}), reserve=79, submit=21, lock=26, other=15)
NEW = with_functions(kernel("7.3", {CALL: 149}), reserve=114, submit=20, other=15)


def parts(of: KernelCount) -> dict[str, int]:
    (call,) = of.calls
    return {each.name: each.instructions for each in call.functions}


def test_an_address_belongs_to_the_function_before_it() -> None:
    known = symbols(SYMBOLS)
    assert known.name(0xFFFFFFFF81001FFF) == "__bpf_reserve"  # a clone has its function's name
    assert known.name(0xFFFFFFFF81002000) == "lock"  # the plainest of three
    assert known.name(0xFFFFFFFF81000000) == "startup"
    assert known.name(0xFFFFFFFF81004000) == PROGRAM
    assert known.name(0x1000) == PROGRAM


def test_parts_are_without_the_empty_programs_and_add_up() -> None:
    found = explained(kernel("6.1", {CALL: 141}), blocks((PLACE, 110, 26)), SYMBOLS)
    assert found.unexplained == ""
    assert parts(found) == {"__bpf_reserve": 110, "lock": 26, PROGRAM: 5}
    assert sum(parts(found).values()) == 141


@pytest.mark.parametrize(
    ("written", "names", "words"),
    [
        (blocks((PLACE, 110, 26)), b"", "it has no /proc/kallsyms, or hides it"),
        (blocks((PLACE, 110, 26)), SYMBOLS.replace(b"_etext", b"x"), "no /proc/kallsyms"),
        (blocks((PLACE, 110, 26)), b"cannot\n", "symbols are garbled"),
        (b"", SYMBOLS, "did not see the empty program"),
        (b"call 0 50 256\n", SYMBOLS, "what the plugin wrote is garbled"),
        (b"call 0 51 256 ffffffff81003010:50\n", SYMBOLS, "does not add up"),
    ],
)
def test_without_functions_the_counts_stay(written: bytes, names: bytes, words: str) -> None:
    found = explained(kernel("6.1", {CALL: 141}), written, names)
    assert words in found.unexplained
    assert found.calls == kernel("6.1", {CALL: 141}).calls
    assert words in text(document(study(found)))


def test_one_reason_of_several_kernels_is_one_line() -> None:
    kernels = [replace(kernel(name, {CALL: 141}), unexplained="no plugins") for name in "abc"]
    assert "a, b, c: no functions: no plugins" in text(document(study(*kernels)))


def test_every_block_counts_once() -> None:
    found = calls(blocks((3, 20, 4)), symbols(SYMBOLS))
    assert found[3] == {"__bpf_reserve": 20, "lock": 4, "ktime": 40, PROGRAM: 15}


def test_what_grew_comes_first() -> None:
    assert differences(OLD.calls[0], NEW.calls[0]) == [
        ("reserve", 79, 114),
        ("submit", 21, 20),
        ("lock", 26, 0),
    ]
    assert differences(OLD.calls[0], kernel("x", {CALL: 1}).calls[0]) == []
    unequal = with_functions(kernel("x", {CALL: 149}), reserve=192)
    assert differences(OLD.calls[0], unequal.calls[0]) == []


def test_the_table_has_what_differs_between_the_first_and_the_last() -> None:
    assert rows(document(study(OLD, NEW)), "why") == {
        "reserve-submit, 72 bytes": ["141", "149", "+8"],
        "reserve": ["79", "114", "+35"],
        "submit": ["21", "20", "-1"],
        "lock": ["26", "-", "-26"],
    }
    assert not any(each.key == "why" for each in tables(document(study(OLD)).parts))


def test_a_size_that_differs_alike_is_shown_once() -> None:
    sizes = {CALL: 141, ("reserve-submit", 328): 141}
    one = with_functions(kernel("a", sizes), reserve=141)
    two = with_functions(kernel("b", sizes), reserve=142)
    assert len(rows(document(study(one, two)), "why")) == 2


def test_parts_that_do_not_add_up_are_named() -> None:
    wrong = with_functions(kernel("5.10", {CALL: 139}), reserve=140)
    assert "5.10: functions do not add up to what the clock counts: reserve-submit of 72" in text(
        document(study(wrong))
    )
    assert "do not add up" not in text(document(study(OLD, NEW)))


def test_a_gate_that_fails_names_the_function_that_grew() -> None:
    with pytest.raises(GateFailed, match=r"149 at 72 bytes\): reserve \+35$"):
        gate.check(gate.parse("reserve-submit:+0"), [OLD, NEW])


def test_strips_have_a_part_for_each_function() -> None:
    (made,) = (each for each in document(study(OLD, NEW)).parts if isinstance(each, Figures))
    (figure,) = made.make()
    (panel,) = figure.panels
    rows = panel.data["functions"]
    assert [row["words"] for row in rows if row["kernel"] == "7.3"] == [
        "reserve on 7.3: 114 (+35)",
        "submit on 7.3: 20 (-1)",
        "other on 7.3: 15",
    ]
    assert [row["end"] for row in rows if row["kernel"] == "6.1"] == [79, 100, 126, 141]
    page = renderers.find("html")(document(study(OLD, NEW)))
    assert "<title>reserve on 7.3: 114 (+35)</title>" in page
