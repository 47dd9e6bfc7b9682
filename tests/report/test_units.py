# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

import pytest

from bench.errors import clean
from bench.judge.metrics import Unit
from bench.judge.statistics import Estimate, Scale
from bench.report.units import budget, interval, number, point


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, Unit.NS, "-"),
        (float("nan"), Unit.TIMES, "-"),
        (0.0, Unit.NS, "0"),
        (640.0, Unit.NS, "640 ns"),
        (12_345.0, Unit.NS, "12.3 µs"),
        (999.4, Unit.NS, "999 ns"),
        (999.6, Unit.NS, "1.00 µs"),
        (999_966.0, Unit.NS, "1.00 ms"),
        (5_000_000.0, Unit.NS, "5.00 ms"),
        (2.5, Unit.SECONDS, "2.50 s"),
        (65_536.0, Unit.BYTES, "64 KiB"),
        (77_924.0, Unit.BYTES, "76.1 KiB"),
        (17.0, Unit.BYTES, "17 B"),
        (0.0, Unit.SHARE, "0 %"),
        (0.00001, Unit.SHARE, "<0.01 %"),  # what is not 0 never looks like it
        (0.0012, Unit.SHARE, "0.12 %"),
        (0.123, Unit.SHARE, "12.3 %"),
        (1.0, Unit.SHARE, "100.0 %"),
        (1_234.0, Unit.COUNT, "1,234"),
        (1.5, Unit.COUNT, "1.5"),
        (20_000.4, Unit.PER_S, "20,000/s"),
        (1.0, Unit.TIMES, "1.00"),
        (0.0512, Unit.TIMES, "0.051"),
    ],
)
def test_numbers(value: float | None, unit: Unit, text: str) -> None:
    assert number(value, unit) == text


def test_estimates() -> None:
    ratio = Estimate(scale=Scale.RATIO, point=0.4, low=0.35, high=0.44, blocks=8, p=0.01)
    share = Estimate(scale=Scale.DIFFERENCE, point=-0.123, low=-0.2, high=0.01, blocks=8, p=0.01)
    assert (point(ratio, Unit.NS), interval(ratio, Unit.NS)) == ("x 0.400", "0.350 .. 0.440")
    assert point(share, Unit.SHARE) == "-12.30 pt"
    assert interval(share, Unit.SHARE) == "-20.00 .. +1.00 pt"
    assert (point(None, Unit.NS), interval(None, Unit.NS)) == ("-", "-")


def test_control_characters_are_shown_and_not_sent() -> None:
    assert clean("a\x1b[31m\n\x9b\u202eb µ") == "a\\x1b[31m\\n\\x9b\\u202eb µ"


def test_budgets_are_spaced() -> None:
    assert budget("64KiB") == "64 KiB"
    assert budget("8200B") == "8200B"
