# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test archives' lists, recorded (tests/guests/lists) and hostile, and the kernels in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.guests.catalogue import Kernel, Package, find, kernels, newest, parse
from bench.guests.machines import named

LISTS = Path(__file__).parent / "lists"
SUITES = (
    "trixie-backports",
    "experimental",
    "bullseye-security",
    "bookworm-security",
    "trixie-security",
)

# As Ubuntu's lists have it: the image signed elsewhere (+1), the modules split in two.
UBUNTU = "\n\n".join(
    f"Package: {name}\nArchitecture: amd64\nVersion: {version}\nInstalled-Size: {kib}\nSize: {size}"
    for name, version, kib, size in [
        ("linux-image-6.8.0-45-generic", "6.8.0-45.45+1", 14600, 14900000),
        ("linux-image-unsigned-6.8.0-45-generic", "6.8.0-45.45+1", 14500, 14800000),
        ("linux-modules-6.8.0-45-generic", "6.8.0-45.45", 110000, 27000000),
        ("linux-modules-extra-6.8.0-45-generic", "6.8.0-45.45", 500000, 114000000),
        ("linux-modules-6.8.0-9-generic", "6.8.0-9.9", 110000, 27000000),
        ("linux-image-generic", "6.8.0-45.45", 20, 9000),
    ]
)


def recorded() -> tuple[Kernel, ...]:
    return kernels(
        package
        for suite in SUITES
        for package in parse((LISTS / suite).read_text(), archive="Debian", suite=suite)
    )


@pytest.mark.parametrize(
    ("asked", "release", "suite"),
    [
        ("5.10", "5.10.0-46-amd64", "bullseye-security"),
        ("5.10-rt", "5.10.0-46-rt-amd64", "bullseye-security"),
        # Also in bullseye-security, as 6.1.0-0.deb11.52: a backport, and so older.
        ("6.1", "6.1.0-56-amd64", "bookworm-security"),
        # Also in bookworm-security, as 6.12.117-1~deb12u1.
        ("6.12", "6.12.117+deb13-amd64", "trixie-security"),
        ("6.12-rt", "6.12.117+deb13-rt-amd64", "trixie-security"),
        ("6.12.90", "6.12.90+deb13.1-amd64", "trixie-security"),
        ("6.18", "6.18.15+deb13-amd64", "trixie-backports"),
        ("7.3", "7.3.4+deb13-amd64", "trixie-backports"),
        ("7.3-cloud", "7.3.4+deb13-cloud-amd64", "trixie-backports"),
        ("7.3-amd64", "7.3-amd64", "experimental"),  # a release of that very name
        ("7.3~rc7-1~exp1", "7.3-amd64", "experimental"),
        ("6.12.117+deb12-amd64", "6.12.117+deb12-amd64", "bookworm-security"),
        ("6.12.117+deb12", "6.12.117+deb12-amd64", "bookworm-security"),
        ("linux-modules-7.3.4+deb13-amd64", "7.3.4+deb13-amd64", "trixie-backports"),
        ("6.12.117-1", "6.12.117+deb13-amd64", "trixie-security"),
    ],
)
def test_what_is_asked_for_is_found(asked: str, release: str, suite: str) -> None:
    kernel = find(asked, recorded())
    assert (kernel.release, kernel.suite) == (release, suite)


def test_a_split_kernel_is_put_together() -> None:
    assert [package.name for package in find("7.3", recorded()).packages] == [
        "linux-binary-7.3.4+deb13-amd64",
        "linux-modules-7.3.4+deb13-amd64",
        "linux-base-7.3.4+deb13-amd64",
    ]


def test_a_kernel_whose_modules_have_left_the_archive_is_distinguished() -> None:
    assert not find("6.19", recorded()).has_modules
    assert find("6.18", recorded()).has_modules


def test_neither_debug_nor_meta_packages_are_kernels() -> None:
    named = {kernel.packages[0].name for kernel in recorded()}
    assert not [name for name in named if name.endswith(("dbg", "template", "unsigned"))]
    assert not {"linux-image-6.12-amd64", "linux-image-6.1-amd64"} & named


def test_an_unsigned_image_serves_where_there_is_no_other() -> None:
    text = (LISTS / "bullseye-security").read_text()
    only = "\n\n".join(
        part for part in text.split("\n\n") if "-unsigned\n" in part.splitlines()[0] + "\n"
    )
    (kernel,) = kernels(parse(only, archive="Debian", suite="x"))
    assert kernel.release == "5.10.0-46-amd64"
    assert kernel.packages[0].name.endswith("-unsigned")


def test_ubuntus_kernels_are_put_together_too() -> None:
    (kernel,) = kernels(parse(UBUNTU, archive="Ubuntu", suite="noble"))
    assert [package.name for package in kernel.packages] == [
        "linux-image-6.8.0-45-generic",
        "linux-modules-6.8.0-45-generic",
        "linux-modules-extra-6.8.0-45-generic",
    ]
    assert (kernel.flavour, kernel.upstream.series, kernel.has_modules) == ("", "6.8", True)


def test_the_newest_of_each_series_and_flavour() -> None:
    shown = [(kernel.upstream.series, kernel.flavour) for kernel in newest(recorded())]
    assert len(shown) == len(set(shown))
    assert shown[:2] == [("5.10", ""), ("5.10", "rt")]
    assert [series for series, flavour in shown if not flavour] == [
        "5.10",
        "6.1",
        "6.12",
        "6.18",
        "6.19",
        "7.3",
    ]


@pytest.mark.parametrize("asked", ["6.11", "6.12-cloud", "linux-image-9.9", "6.12.999"])
def test_what_is_not_there_is_reported_with_what_is(asked: str) -> None:
    with pytest.raises(UsageError, match=f"no kernel {asked} is available") as caught:
        find(asked, recorded())
    assert "7.3" in str(caught.value)


def test_architectures_do_not_replace_each_other() -> None:
    foreign = (LISTS / "trixie-security").read_text().replace("amd64", "arm64")
    known = (*recorded(), *kernels(parse(foreign, archive="Debian", suite="x")))
    found = [each.release for each in newest(known) if each.upstream.series == "6.12"]
    assert {"6.12.117+deb13-amd64", "6.12.117+deb13-arm64"} <= set(found)


def test_releases_that_name_no_architecture_have_a_place_each() -> None:
    (one,) = kernels(parse(UBUNTU, archive="Ubuntu", suite="noble"))
    other = UBUNTU.replace("Architecture: amd64", "Architecture: arm64")
    (two,) = kernels(parse(other, archive="Ubuntu", suite="noble"))
    assert one.release == two.release
    assert one.key != two.key


@pytest.mark.parametrize(
    ("asked", "release"),
    [
        ("6.12-arm64", "6.12.117+deb13-arm64"),
        ("6.12-rt-arm64", "6.12.117+deb13-rt-arm64"),
        ("6.12.117+deb13-arm64", "6.12.117+deb13-arm64"),
        ("6.12-arm64-16k", "6.12.117+deb13-arm64-16k"),
        ("7.3-arm64", "7.3.4+deb13-arm64"),  # though a release is called so
        ("linux-binary-7.3-arm64", "7.3-arm64"),
    ],
)
def test_labels_of_another_architecture(asked: str, release: str) -> None:
    lists = "\n\n".join((LISTS / suite).read_text() for suite in SUITES)
    text = lists.replace("amd64", "arm64")
    pages = text.replace("-rt-arm64", "-arm64-16k")
    known = kernels(parse(f"{text}\n\n{pages}", archive="Debian", suite="x"))
    assert find(asked, known).release == release
    with pytest.raises(UsageError, match=r"there are .*6\.12-arm64"):
        find("9.9-arm64", known)


@pytest.mark.parametrize(
    ("text", "architecture"),
    [
        ("6.12", ""),
        ("6.12-arm64", "arm64"),
        ("6.12-rt-arm64", "arm64"),
        ("6.12.94+deb13-amd64", "amd64"),
        ("linux-image-6.12-arm64-16k", "arm64"),
        ("vmlinuz-aarch64", "arm64"),
        ("bzImage.x86_64", "amd64"),
        ("charm64", ""),
    ],
)
def test_names_speak_of_architectures(text: str, architecture: str) -> None:
    assert named(text) == architecture


HUGE = "y" * 2_000_000
GOOD = "Package: linux-image-6.1.0-1-amd64\nVersion: 6.1.1-1\nSize: 50000000\n"


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "\0\xff garbage\n\n\n:::\n",
        "Package: linux-image-6.9.0-1-amd64\nVersion: 6.9.1-1\n",  # no size
        "Package: linux-image-6.9.0-1-amd64\nSize: 50000000\n",  # no version
        "Package: linux-image-6.9.0-1-amd64\nVersion: 6.9.1-1\nSize: -1\n",
        f"Package: linux-image-6.9.0-1-amd64\nVersion: 6.9.1-1\nSize: {'9' * 5000}\n",
        "Package: linux-image-6.9/../../etc\nVersion: 6.9.1-1\nSize: 50000000\n",
        "Package: linux-image-6.9.0-1-amd64\nVersion: 6.9.1-1; rm -rf /\nSize: 50000000\n",
        f"Package: linux-image-{'6' * 300}\nVersion: 6.9.1-1\nSize: 50000000\n",
        f"Package: linux-image-6.9.0-1-amd64\nX: {HUGE}\nVersion: 6.9-1\nSize: 50000000\n",
        "Package: linux-image-6.9.0-1-amd64\nVersion: 6x.9-1\nSize: 50000000\n",
    ],
)
def test_a_hostile_stanza_costs_only_itself(hostile: str) -> None:
    known = kernels(parse(f"{hostile}\n\n{GOOD}", archive="Debian", suite="x"))
    assert [kernel.release for kernel in known] == ["6.1.0-1-amd64"]


@given(st.text(max_size=200), st.integers(0, len(GOOD)))
def test_any_text_gives_packages_or_nothing(noise: str, at: int) -> None:
    text = (LISTS / "experimental").read_text()
    damaged = text[:at] + noise + text[at:]
    for package in parse(damaged, archive="Debian", suite="x"):
        assert isinstance(package, Package)
        assert package.size_bytes >= 0
    kernels(parse(damaged, archive="Debian", suite="x"))
