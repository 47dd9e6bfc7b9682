# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.linux.version import numbers


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("5.10.0-33-cloud-amd64", (5, 10, 0)),
        ("6.1.0-18-amd64", (6, 1, 0)),
        ("6.18.44-fc-v657", (6, 18, 44)),
        ("7.3-rc1+deb14-amd64", (7, 3, 0)),
        ("6.8.0-45-generic", (6, 8, 0)),
    ],
)
def test_releases_of_distributions(release: str, version: tuple[int, int, int]) -> None:
    assert numbers(release) == version


@given(*[st.tuples(*[st.integers(0, 999)] * 3)] * 2)
def test_order_is_that_of_numbers_not_of_text(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    read = [numbers(".".join(map(str, version))) for version in (one, other)]
    assert (read[0] < read[1]) == (one < other)


@pytest.mark.parametrize("text", ["", "linux", "v6.1", "6"])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a kernel release"):
        numbers(text)


def test_the_running_kernel_has_a_version() -> None:
    assert os.uname().release.startswith(f"{numbers(os.uname().release)[0]}.")
