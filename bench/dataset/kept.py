# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What was concluded of each machine, kept beside its data set for as long as that is the same."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.host import ownership

T = TypeVar("T")


class Kept(Generic[T]):
    """Values of ``kind``, by a digest of all that they rest on."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self._path = path
        self._adapter = TypeAdapter(kind, config={"ser_json_inf_nan": "constants"})
        self._found: dict[str, T] = {}
        self._used: dict[str, T] = {}
        with suppress(OSError, ValueError):
            for line in path.read_bytes().splitlines():
                key, _, text = line.partition(b" ")
                with suppress(ValidationError):
                    self._found[key.decode()] = self._adapter.validate_json(text)

    def get(self, key: str) -> T | None:
        """Return what was kept under ``key``."""
        found = self._used.get(key, self._found.get(key))
        if found is not None:
            self._used[key] = found
        return found

    def put(self, key: str, value: T) -> None:
        """Keep a value."""
        self._used[key] = value

    def save(self) -> None:
        """Write what was asked for or put, if it is not what there was. Raises OSError."""
        if self._used.keys() == self._found.keys():
            return
        lines = (
            b"%s %s\n" % (k.encode(), self._adapter.dump_json(v)) for k, v in self._used.items()
        )
        beside = self._path.with_name(f".{self._path.name}.part")
        beside.unlink(missing_ok=True)  # it may be a link
        ownership.write(beside, b"".join(lines))
        beside.replace(self._path)
