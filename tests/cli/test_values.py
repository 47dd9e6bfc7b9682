# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test sizes and lengths of time on the command line."""

from __future__ import annotations

import pytest

from bench.cli.options import Size, Time
from bench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        *(("65536", 65_536), ("64K", 65_536), ("64KiB", 65_536), ("64 kib", 65_536)),
        *(("64KB", 65_536), ("1M", 1_048_576), ("1MiB", 1_048_576), ("2G", 2_147_483_648)),
    ],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert Size().convert(text, None, None) == size_bytes


def test_a_plain_number_counts_the_unit() -> None:
    mib = Size(unit=1 << 20)
    assert mib.convert("2048", None, None) == mib.convert("2G", None, None) == 2 << 30


def test_words_beside_sizes() -> None:
    assert Size(words={"mixed": -1, "0": 0}).convert("mixed", None, None) == -1
    assert Size(words={"mixed": -1, "0": 0}).convert("0", None, None) == 0


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        *(("30", "s", 30.0), ("30s", "s", 30.0), ("500ms", "s", 0.5), ("1m", "s", 60.0)),
        *(("2h", "s", 7_200.0), ("5", "ms", 5.0), ("5ms", "ms", 5.0), ("0.5s", "ms", 500.0)),
        *(("250us", "ms", 0.25), ("90s", "m", 1.5), ("2", "m", 2.0), ("1.5 min", "m", 1.5)),
    ],
)
def test_lengths_of_time(text: str, unit: str, value: float) -> None:
    assert Time(unit).convert(text, None, None) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "64Q", "-1", "1.5K", "K", "0", "mixed"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        Size().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "5 parsecs", "ms", "1.2.3s", "1m30s", "-5s"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError, match="is not a length of time; write it like 30s"):
        Time("s").convert(text, None, None)
