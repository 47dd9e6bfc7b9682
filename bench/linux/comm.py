# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Names of processes (comm), which may be any bytes."""

from __future__ import annotations


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
