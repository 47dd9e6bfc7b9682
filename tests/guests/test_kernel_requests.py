# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What may be asked for, and what is meant by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.guests.request import Exact, Host, Local, Request, Series, parse

MEANT = [
    ("6.12", Series(label="6.12", numbers=(6, 12), flavour="")),
    ("6.12-rt", Series(label="6.12-rt", numbers=(6, 12), flavour="rt")),
    ("7.3-cloud", Series(label="7.3-cloud", numbers=(7, 3), flavour="cloud")),
    ("7.3-amd64", Series(label="7.3-amd64", numbers=(7, 3), flavour="")),
    ("6.12.90", Series(label="6.12.90", numbers=(6, 12, 90), flavour="")),
    ("6.12.94-1", Exact(label="6.12.94-1")),
    ("6.12.94+deb13-rt-amd64", Exact(label="6.12.94+deb13-rt-amd64")),
    ("linux-image-6.1.0-56-amd64", Exact(label="linux-image-6.1.0-56-amd64")),
    ("7.3~rc7-1~exp1", Exact(label="7.3~rc7-1~exp1")),
    ("host", Host()),
    ("./bzImage", Local(label="./bzImage", vmlinuz=Path("bzImage"), modules=None)),
    ("bzImage", Local(label="bzImage", vmlinuz=Path("bzImage"), modules=None)),
    ("vm:mods", Local(label="vm:mods", vmlinuz=Path("vm"), modules=Path("mods"))),
    (
        "/b/vmlinuz-6.12",
        Local(label="/b/vmlinuz-6.12", vmlinuz=Path("/b/vmlinuz-6.12"), modules=None),
    ),
]


@pytest.mark.parametrize(("text", "meant"), MEANT)
def test_a_request_is_understood(text: str, meant: Request) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize("text", ["", ":modules", "a:b:c", "--all", "6.12\n", "a\x1b[31m/b"])
def test_nonsense_is_told_in_a_line(text: str) -> None:
    with pytest.raises(UsageError, match="names no kernel") as told:
        parse(text)
    assert str(told.value).isprintable()


@given(st.text(max_size=40))
def test_every_text_is_a_request_or_an_error(text: str) -> None:
    try:
        told = parse(text).label
    except UsageError as error:
        assert str(error).isprintable()  # noqa: PT017  most texts are no error
    else:
        assert told == text
