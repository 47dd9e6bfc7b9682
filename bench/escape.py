# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make text that others wrote fit to be shown: names of processes and hosts, paths, titles."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 600
_HEAD, _TAIL = 400, 150


def in_a_line(text: str) -> str:
    """Return ``text`` as one printable line, without its middle where it is long."""
    shown = clean(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_HEAD]} ... {shown[-_TAIL:]}"


def clean(text: str) -> str:
    """Return ``text`` with everything that could steer a terminal made visible."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def clean_name(name: bytes) -> str:
    """Return a process's name, which may be any bytes; no two names look the same.

    Printable UTF-8 is kept, but a backslash is doubled; other characters become ``\\n``, ``\\t``,
    ``\\r``, or each of their bytes as ``\\xNN``.
    """
    return "".join(map(_escaped, name.decode("utf-8", "surrogateescape")))


def _escaped(char: str) -> str:
    if char.isascii():
        return char.encode("unicode_escape").decode("ascii")
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
