# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read back a file that a command of bufbench saved as one JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol, TypeVar

from bench.errors import JournalError

_MOST_BYTES: Final = 64 << 20
"""Longer than any valid file; one that is cut off there is not a complete document."""


class Saved(Protocol):
    """Describe a value that says which format it is in."""

    @property
    def format(self) -> int:
        """Return the format's number."""


T = TypeVar("T", bound=Saved)


def read(path: Path, kind: type[T], *, number: int, command: str, remedy: str = "") -> T:
    """Return the value in ``path``, as ``command`` writes it in format ``number``.

    JournalError for any other file; ``remedy`` replaces the advice to name another file.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        found = TypeAdapter(kind).validate_json(content)
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise JournalError(
            f"{path} is not what {command} writes", remedy=remedy or "name a file that it wrote"
        ) from error
    if found.format != number:
        raise JournalError(f"{path} has another format version", remedy=remedy or "create it again")
    return found
