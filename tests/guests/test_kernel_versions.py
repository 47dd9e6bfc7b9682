# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the order of versions; dpkg has the last word on Debian's."""

from __future__ import annotations

import random
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.guests import catalogue
from bench.linux.version import KernelVersion

IN_ORDER = [
    "4.18.0-553.el8.x86_64",
    "5.4.0-9-generic",
    "5.4.0-200-generic",
    "5.10",
    "5.10.0-9-amd64",
    "5.10.0-46-amd64",
    "6.1.0-0.deb11.52-amd64",
    "6.1.0-56-amd64",
    "6.1.192-2",
    "6.6.87.2-microsoft-standard-WSL2",
    "6.9.7-amd64",
    "6.12-rc6-amd64",
    "6.12.0-rc7+",
    "6.12",
    "6.12.73-1~bpo12+1",
    "6.12.73-1",
    "6.12.74+deb13-amd64",
    "6.12.74+deb13-rt-amd64",
    "6.12.74+deb13.1-amd64",
    "6.12.117+deb13-amd64",
    "7.3~rc7-1~exp1",
    "7.3.4+deb13-cloud-amd64",
]

FACTS = [
    ("5.10.0-46-amd64", (5, 10, 0), None, "-46", "", "5.10"),
    ("6.1.0-0.deb11.52-rt-amd64", (6, 1, 0), None, "-0.deb11.52", "rt", "6.1"),
    ("6.12.117+deb13-cloud-amd64", (6, 12, 117), None, "+deb13", "cloud", "6.12"),
    ("6.12.1+deb13-arm64-16k", (6, 12, 1), None, "+deb13", "16k", "6.12"),
    ("6.12.73-1~bpo12+1", (6, 12, 73), None, "-1~bpo12+1", "", "6.12"),
    ("7.3~rc7-1~exp1", (7, 3, 0), 7, "-1~exp1", "", "7.3"),
    ("6.14.0-rc3-00012-gabcdef", (6, 14, 0), 3, "-00012", "gabcdef", "6.14"),
    ("6.8.0-45-generic", (6, 8, 0), None, "-45", "", "6.8"),
    ("6.8.0-45-lowlatency", (6, 8, 0), None, "-45", "lowlatency", "6.8"),
    ("6.18.5", (6, 18, 5), None, "", "", "6.18"),
]


def test_kernels_stand_in_the_order_of_their_versions() -> None:
    shuffled = random.Random(1).sample(IN_ORDER, len(IN_ORDER))
    assert sorted(shuffled, key=KernelVersion.parse) == IN_ORDER


@pytest.mark.parametrize(("release", "numbers", "rc", "abi", "flavour", "series"), FACTS)
def test_a_release_is_read(  # noqa: PLR0917
    release: str, numbers: tuple[int, ...], rc: int | None, abi: str, flavour: str, series: str
) -> None:
    version = KernelVersion.parse(release)
    assert version == KernelVersion(numbers=numbers, rc=rc, abi=abi, flavour=flavour)
    assert version.series == series


@pytest.mark.parametrize("text", ["", "6", "amd64", "v6.12", "6.12 ", "6.", "6.12_x", "6" * 400])
def test_what_is_no_release_is_reported(text: str) -> None:
    with pytest.raises(UsageError, match="is not a kernel version"):
        KernelVersion.parse(text)


VERSIONS = st.from_regex(r"\A([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.+~]{1,5})?\Z").filter(
    lambda version: version.isascii()
)


def place(version: str) -> Any:
    """Return the key by which a kernel of this package's version is ordered."""
    kernel = catalogue.Kernel(
        release="6.12", version=version, archive="", suite="", has_modules=True, packages=()
    )
    return catalogue.order(kernel)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("dpkg"), reason="there is no dpkg")
@settings(max_examples=150, deadline=None)
@given(VERSIONS, VERSIONS)
def test_debians_order_is_dpkgs(one: str, other: str) -> None:
    answers = {
        relation: subprocess.run(
            ["dpkg", "--compare-versions", one, relation, other], check=False
        ).returncode
        == 0
        for relation in ("lt", "eq", "gt")
    }
    first, second = place(one), place(other)
    assert answers == {"lt": first < second, "eq": first == second, "gt": first > second}


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("6.12.73-1~bpo12+1", "6.12.73-1"),
        ("6.12.117-1~deb12u1", "6.12.117-1"),
        ("7.3~rc7-1~exp1", "7.3.4-1~bpo13+1"),
        ("6.12.9-1", "6.12.73-1"),
        ("6.8.0-45.45", "6.8.0-45.45+1"),
        ("9.9-1", "1:0.1-1"),
    ],
)
def test_versions_that_archives_carry(less: str, more: str) -> None:
    assert place(less) < place(more)
