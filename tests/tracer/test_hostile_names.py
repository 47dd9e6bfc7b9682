# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that both forms of `bufbench trace` show any name of a process, and obey none."""

from __future__ import annotations

import codecs
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracing import eventually, tracing

from bench.errors import clean, clean_name

pytestmark = pytest.mark.slow

NAMES = (
    b"a\n\x1b[2J\r\x07",
    b"\x1b]0;title\x07",
    b"\xff\xfe\xc2\x9b31m",
    b"\xe2\x80\xaegnp.exe",  # right to left
    b"<b>&\"'</b>",
    b"[red]x[/red]",
    b"%s%n{0}",
    b"=cmd|' /C'!A0",
    b"a\\nb\\x1b",
    b"\xc3\xa9\xe4\xb8\xad \t.",
    b"cut in half\xe4\xb8\xad\xe4\xb8\xad",
    b"",
)
RENAME = "import ctypes, sys; ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)"


def unescaped(shown: str) -> bytes:
    """Return the bytes that were escaped."""
    return codecs.escape_decode(shown.encode("utf-8", "surrogateescape"))[0]  # type: ignore[attr-defined]


@given(st.binary(max_size=15))
def test_a_name_is_printable_and_can_be_unescaped(name: bytes) -> None:
    shown = clean_name(name)
    assert shown.isprintable()
    assert unescaped(shown) == name


@given(st.text())
def test_text_is_made_visible_once_and_for_all(text: str) -> None:
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


@pytest.mark.live
@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_every_name_comes_through(transport: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        text = stack.enter_context(tracing(tmp_path, "--transport", transport))
        document = stack.enter_context(tracing(tmp_path, "--json", "--transport", transport))
        text.await_heading()
        document.await_probe()
        pids = {}
        for name in NAMES:
            words = [sys.executable, "-S", "-c", RENAME, name.hex()]
            with subprocess.Popen(words) as process:
                pass
            pids[process.pid] = name[:15]
        last = process.pid
        document.await_exit_of(last)
        assert eventually(lambda: f" {last} " in text.shown.read_text())
        assert (text.interrupt(), document.interrupt()) == (130, 130)
    shown = text.shown.read_text(encoding="utf-8")
    assert all(char.isprintable() or char == "\n" for char in shown)
    lines = {int(line.split()[1]): line.partition(" ms ")[2] for line in shown.splitlines()[1:]}
    assert document.shown.read_bytes().isascii()
    said = {line["pid"]: line["comm"] for line in document.documents()}
    for pid, name in pids.items():
        assert unescaped(said[pid]) == name
        assert lines[pid] == said[pid]


@pytest.mark.live
def test_a_hostile_name_can_be_asked_for(tmp_path: Path) -> None:
    name = "[red]%s\x1b[1m"
    with tracing(tmp_path, "--json", "--comm", name) as tracer:
        words = [sys.executable, "-S", "-c", RENAME, name.encode().hex()]

        def seen() -> bool:
            subprocess.run(words, check=True)
            return bool(tracer.documents(torn=True))

        assert eventually(seen)
        assert tracer.interrupt() == 130
    assert {line["comm"] for line in tracer.documents()} == {r"[red]%s\x1b[1m"}
