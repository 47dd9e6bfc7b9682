# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read TOML files of the user."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

from bench.amounts import size
from bench.errors import UsageError

_LONGEST_BYTES: Final = 1 << 16
_MOST_DOTS: Final = 64
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'")


def read(path: Path) -> dict[str, Any]:
    """Return the tables of a file; UsageError where it cannot be read, is long or is not TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > _LONGEST_BYTES:
        raise UsageError(f"{path} is larger than {size(_LONGEST_BYTES)}")
    return tables(path, content)


def tables(path: Path, content: bytes) -> dict[str, Any]:
    """Return the tables of a file's content; UsageError if it is not TOML."""
    try:
        return _parsed(content.decode("utf-8"))
    except RecursionError as error:
        raise UsageError(f"{path} is not TOML: nested too deeply") from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error


def _parsed(text: str) -> dict[str, Any]:
    """Return the tables of ``text``. ValueError or RecursionError if it is not TOML.

    Keys of many parts are refused: tomllib's time and memory grow with the square of their number,
    to gigabytes for 64 KiB.
    """
    text = text.removeprefix("\ufeff")  # editors on Windows write it
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > _MOST_DOTS and _QUOTED.sub("", line).count(".") > _MOST_DOTS:
            raise ValueError(f"a key of too many parts (at line {number})")
    return tomllib.loads(text)
