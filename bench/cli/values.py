# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Option values with units: sizes and lengths of time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import click

from bench.errors import UsageError

_PLAIN: Final = {"s": "seconds", "ms": "milliseconds", "m": "minutes"}
_TIME: Final = r"\s*([0-9.]{1,15})\s*(us|µs|ms|s|m|min|h)\s*"
_SECONDS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600}


class Size(click.ParamType):  # type: ignore[type-arg]  # not generic before 8.4
    """Bytes: 65536, 64K, 64KiB, "64 KiB"; K and KiB are 1,024.

    A plain number counts ``unit`` bytes; ``words`` are accepted as well: "mixed". ``check``
    returns a size that is possible, and raises UsageError for others.
    """

    name = "size"

    def __init__(
        self,
        *,
        unit: int = 1,
        words: dict[str, int] | None = None,
        check: Callable[[int], int] = int,
    ) -> None:
        self._unit = unit
        self._check = check
        self._words = words or {}

    def typed(self, size_bytes: Any) -> str:
        """Return a size as it would be typed: "1MiB", or its word."""
        from bench.plan import budgets

        words = (word for word, meant in self._words.items() if meant == size_bytes)
        return next(words, budgets.label(size_bytes))

    def convert(self, value: Any, param: click.Parameter | None, _: Any) -> int:
        """Return the bytes; UsageError, naming the option, for anything else."""
        from bench.plan import budgets

        if isinstance(value, int):
            return value
        if value in self._words:
            return self._words[value]
        try:
            factor = self._unit if value.strip().isdecimal() else 1
            return self._check(budgets.parse(value) * factor)
        except UsageError as error:
            raise UsageError(f"{_option(param)}{error.message}", remedy=error.remedy) from error


class Time(click.ParamType):  # type: ignore[type-arg]  # not generic before 8.4
    """A length of time: 30s, 500ms, 1m, 2h; a plain number counts ``unit``, "s", "ms" or "m"."""

    name = "time"

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def typed(self, length: Any) -> str:
        """Return a length of time as it would be typed: "30s"."""
        return f"{length:g}{self._unit}"

    def convert(self, value: Any, param: click.Parameter | None, _: Any) -> float:
        """Return the time in ``unit``; UsageError, naming the option, for anything else."""
        try:
            return float(value)
        except ValueError:
            pass
        try:
            number, unit = re.fullmatch(_TIME, value).groups()  # type: ignore[union-attr]
            return float(number) * _SECONDS[unit] / _SECONDS[self._unit]
        except (AttributeError, ValueError):
            raise UsageError(
                f"{_option(param)}{value[:40]!r} is not a length of time",
                remedy=f"write it like 30s, 500ms or 1m; a plain number is {_PLAIN[self._unit]}",
            ) from None


def ring_size(size_bytes: int) -> int:
    """Return a size that some machine could give a ring buffer; UsageError for another."""
    from bench.plan import budgets

    return budgets.check(size_bytes, memory_bytes=size_bytes)


def _option(parameter: click.Parameter | None) -> str:
    return f"{parameter.opts[0]}: " if parameter is not None else ""
