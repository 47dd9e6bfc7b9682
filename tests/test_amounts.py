# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test amounts in words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench
from bench.amounts import (
    bound,
    brief,
    counted,
    digits,
    excess,
    fine,
    given,
    millions,
    points,
    share,
    size,
    time,
)

PLURALS = re.compile(
    r"^ (trials|storms|blocks|experiments|runs|kernels|guests|journals|comparisons|claims|times)\b"
)
FINE = frozenset(
    (
        *("FEWEST_BLOCKS", "ABOUT_EQUAL:g", "len(found)", "coverage.runs"),  # 2 or more
        *("times", "digits(ratio)", "fine(value)", "fine(each.ratio)", "span"),  # ratios, ranges
        *("_planned(coverage)", "trials"),  # "of 16 or more trials", an internal error
    )
)
UNITS = re.compile(r" (%|[KMG]iB|MB|[nmµ]?s|min|pt|points?|M/s)(?!\w)")
UNITS_OF_THEIR_OWN = frozenset(
    (
        *("soft >> 10", "soft_bytes >> 10"),  # of ulimit
        *("record.duration_ns / 1000000.0:>9.3f", "ms"),  # a column of trace, a reader's code
        "guest.memory_mib",  # what a search is resumed by
    )
)


def test_singular_and_plural() -> None:
    assert counted(0, "trial") == "0 trials"
    assert counted(1, "trial") == "1 trial"
    assert counted(1_200, "trial") == "1,200 trials"
    assert counted(1, "process", "processes") == "1 process"
    assert counted(2, "process", "processes") == "2 processes"


def test_sizes() -> None:
    assert [size(each) for each in (0, 72, 65_536, 77_926, 1 << 20, 3 << 29, 2 << 30)] == [
        *("0 B", "72 B", "64 KiB", "76.1 KiB", "1 MiB", "1.5 GiB", "2 GiB")
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0"), (0.0004, "<0.001"), (-0.0004, ">-0.001"), (0.0006, "0.001")),
        *((0.0512, "0.051"), (0.9996, "1.00"), (1.0, "1.00"), (-9.996, "-10.0"), (24.82, "24.8")),
        *((99.96, "100"), (1_234.4, "1,234")),
    ],
)
def test_three_digits(value: float, text: str) -> None:
    assert digits(value) == text


def test_what_is_not_0_is_never_written_as_0() -> None:
    assert [share(each) for each in (0, 0.00004, -0.00004, 0.5)] == [
        *("0 %", "<0.01 %", ">-0.01 %", "50.0 %")
    ]
    assert [points(each) for each in (0, 0.00004, -0.00004, 0.1338, -0.1338)] == [
        *("0 pt", "<+0.01 pt", ">-0.01 pt", "+13.38 pt", "-13.38 pt")
    ]
    assert points(0.00004, sign="") == "<0.01 pt"


def test_what_was_chosen_has_no_more_digits_than_were_typed() -> None:
    assert [bound(each) for each in (0.02, 0.125, 0.000073, 1.0)] == [
        *("2 %", "12 %", "0.0073 %", "100 %")
    ]
    assert bound(0.05, "points") == "5 points"
    assert [brief(each) for each in (0, 2, 0.25, 0.02, 99.6, 1_230)] == [
        *("0", "2", "0.25", "0.02", "100", "1,200")
    ]
    assert [given(20, "ms"), given(1.25, "times"), given(86_400.0, "s")] == [
        *("20 ms", "1.25 times", "86,400 s")
    ]


def test_times_rates_and_ratios() -> None:
    assert [time(each) for each in (0, 640, 12_345, 3_600e9)] == [
        *("0", "640 ns", "12.3 µs", "3,600 s")
    ]
    assert [millions(each) for each in (3_871_000, 183_000)] == ["3.87 M/s", "0.183 M/s"]
    assert [fine(each) for each in (1.0284, 0.9474, 51.24)] == ["1.028", "0.947", "51.2"]
    assert [excess(each) for each in (1.058, 3.0)] == ["+6 %", "+200 %"]


def parts() -> Iterator[tuple[str, str, str]]:
    """Yield each value in an f-string with its place, and the text behind it."""
    root = Path(bench.__file__).parent
    for module in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            for value, text in zip(node.values, [*node.values[1:], None], strict=True):
                if isinstance(value, ast.FormattedValue):
                    behind = str(text.value) if isinstance(text, ast.Constant) else ""
                    where = f"{module.relative_to(root)}:{value.lineno}"
                    yield where, ast.unparse(ast.JoinedStr([value]))[3:-2], behind


def test_numbers_with_their_unit_are_written_here_alone() -> None:
    elsewhere = [
        f"{where}: {value}"
        for where, value, behind in parts()
        if (re.match(UNITS, behind) or re.search(r":[^:]*\d%$", value))
        and not where.startswith("amounts.py")
        and value not in UNITS_OF_THEIR_OWN
    ]
    assert not elsewhere


def literal_plurals() -> Iterator[str]:
    """Yield counts in f-strings whose noun is plural whatever the count."""
    for where, count, behind in parts():
        if PLURALS.match(behind) and count not in FINE:
            yield f"{where}: {count}"


def test_no_count_has_a_plural_of_its_own() -> None:
    assert not [*literal_plurals()]
