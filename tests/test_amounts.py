# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Amounts in words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import bench
from bench.amounts import counted, size

PLURALS = re.compile(
    r"^ (trials|storms|blocks|experiments|runs|kernels|guests|journals|comparisons|claims|times)\b"
)
FINE = frozenset(
    (
        *("FEWEST_BLOCKS", "ABOUT_EQUAL:g", "len(found)", "coverage.runs"),  # 2 or more
        *("times", "median(shares):.2f", "each.ratio:.3f", "span"),  # ratios, ranges
        *("value:.3f", "value:,.3g", "check.cpu_s_per_million.ratio:.2f"),
        *("_planned(coverage)", "trials"),  # "of 16 or more trials", an internal error
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


def literal_plurals() -> Iterator[str]:
    """Counts in f-strings whose noun is plural whatever the count."""
    root = Path(bench.__file__).parent
    for module in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            for value, text in zip(node.values, node.values[1:], strict=False):
                if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                    continue
                count = ast.unparse(ast.JoinedStr([value]))[3:-2]
                if PLURALS.match(str(text.value)) and count not in FINE:
                    yield f"{module.relative_to(root)}:{value.lineno}: {count}"


def test_no_count_has_a_plural_of_its_own() -> None:
    assert not [*literal_plurals()]
