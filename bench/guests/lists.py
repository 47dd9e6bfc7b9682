# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read lists of kernels: those of CI systems' matrices, in JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from bench.errors import UsageError

_LONGEST_BYTES: Final = 1 << 16
_Name = Annotated[str, Field(min_length=1, max_length=400)]


class _Entry(BaseModel):
    """Describe a kernel of ci-kernels' versions.json, the matrix of its workflow."""

    version: _Name

    def label(self) -> str:
        # Its tags are PEP 440's form of a version: 7.1-rc2 is 7.1rc2.
        return f"ci-kernels:{self.version.replace('-rc', 'rc')}"


_LIST: Final = TypeAdapter(Annotated[list[_Name | _Entry], Field(min_length=1, max_length=200)])


def expand(words: Sequence[str]) -> list[str]:
    """Return the kernels that words name: a word may be a list, @FILE with one, or - for stdin.

    A list is JSON: of names, or of ci-kernels' versions: [{"version": "6.12.81"}, ...].
    """
    return [label for word in words for label in _labels(word)]


def _labels(word: str) -> Iterator[str]:
    if word == "-" or word.startswith("@"):
        word = _read(word[1:])
    elif not word.startswith("["):
        yield word
        return
    try:
        entries = _LIST.validate_json(word.strip())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f"a list of kernels cannot be read: {first['msg'][:1].lower()}{first['msg'][1:]}",
            remedy='give JSON like ["6.1", "6.12"] or [{"version": "6.12.81"}]',
        ) from error
    for entry in entries:
        yield entry if isinstance(entry, str) else entry.label()


def _read(name: str) -> str:
    """Return a file's content; that of stdin for ""."""
    try:
        if not name:
            return sys.stdin.read(_LONGEST_BYTES)
        with Path(name).open("rb") as file:
            return file.read(_LONGEST_BYTES).decode()
    except OSError as error:
        raise UsageError(f"{name or 'stdin'} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name or 'stdin'} is not text") from error
