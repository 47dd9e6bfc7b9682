# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test kernel timestamps and the reader's clock: one, or another time namespace's."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tracer import kernel_clock
from bench.tracer.kernel_clock import Clocks

HOUR_NS = 3600 * 10**9
LOOK = "from bench.tracer import kernel_clock as k; c = k.look(); print(c.here_ns, c.started_ns)"
CHILDREN_ONLY = f"""
import ctypes, pathlib
assert ctypes.CDLL(None).unshare(0x80) == 0
pathlib.Path("/proc/self/timens_offsets").write_text("monotonic 7 0\\n")
{LOOK}
"""


@given(st.integers(-(10**18), 10**18), st.integers(0, 5_000), st.integers(0, 5_000))
def test_an_offset_within_the_bracket_is_exact(offset_ns: int, below: int, above: int) -> None:
    low_ns, high_ns = offset_ns - below, offset_ns + above
    seen = kernel_clock.compare(low_ns, high_ns, offset_ns, own="a", started="a")
    assert (seen.here_ns, seen.started_ns) == (offset_ns, offset_ns)
    assert seen.shared == (offset_ns == 0)


def test_what_was_seen_is_compared_with_what_the_file_says() -> None:
    seen = kernel_clock.compare(HOUR_NS - 9, HOUR_NS + 9, 0, own="a", started="a")
    assert seen == Clocks(here_ns=HOUR_NS, started_ns=HOUR_NS, namespace="a")


def test_processes_to_start_may_have_another_clock() -> None:
    seen = kernel_clock.compare(-9, 9, -HOUR_NS, own="a", started="b")
    assert seen == Clocks(here_ns=0, started_ns=-HOUR_NS, namespace="b")
    assert not seen.shared
    assert "of the processes to start is 3,600 s behind" in kernel_clock.words(seen)


@pytest.mark.parametrize(
    ("text", "offset_ns"),
    [
        ("monotonic           0         0\nboottime         5 0\n", 0),
        ("monotonic        3600       500\nboottime            0         0\n", HOUR_NS + 500),
        ("monotonic          -5 500000000\nboottime            0         0\n", -4_500_000_000),
        ("", 0),
        ("monotonic x 0\n", 0),
    ],
)
def test_offsets_are_read(text: str, offset_ns: int) -> None:
    assert kernel_clock.parse_offset_ns(text) == offset_ns


@pytest.mark.live
def test_a_timestamp_lies_between_two_readings() -> None:
    low_ns, high_ns = kernel_clock.bracket_ns()
    assert low_ns < 0 < high_ns < 10**9


@pytest.mark.live
@pytest.mark.parametrize(
    ("how", "code", "seen"),
    [
        (("--monotonic=3600", "--fork"), LOOK, (HOUR_NS, HOUR_NS)),
        (("--monotonic=-90", "--fork"), LOOK, (-90 * 10**9, -90 * 10**9)),
        (("--boottime=3600", "--fork"), LOOK, (0, 0)),
        (("--fork",), CHILDREN_ONLY, (0, 7 * 10**9)),
    ],
)
def test_a_time_namespace_is_seen(how: tuple[str, ...], code: str, seen: tuple[int, int]) -> None:
    words = ["unshare", "-T", *how, sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert tuple(map(int, done.stdout.split())) == seen
