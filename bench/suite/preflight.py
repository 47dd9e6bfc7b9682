# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Refuse before the first trial what pytest-benchmark would refuse after the last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_benchmark import logger, utils

from bench.errors import UsageError

_UTILS: Any = utils  # untyped
_LOGGER: Any = logger

_IDLE: Final = (
    *("min-time", "max-time", "min-rounds", "precision", "confidence", "timer"),
    *("calibration-precision", "warmup", "warmup-iterations", "disable-gc"),
    *("cprofile", "cprofile-loops", "cprofile-top", "cprofile-dump"),
)
"""Of --benchmark-...: rounds are blocks, and their times the storms' own."""

_GROUPINGS: Final = frozenset(
    (
        *("group", "name", "func", "fullname", "fullfunc", "param"),
        *("param:experiment", "param:arm"),
    )
)


def check(config: pytest.Config) -> None:
    """Raise UsageError for options that do nothing here, or that would fail after the trials."""
    option = config.option
    given = {word.partition("=")[0] for word in config.invocation_params.args}
    saves = option.benchmark_save or option.benchmark_autosave
    no_round = "has no effect: rounds are blocks, timed by the storms"
    idle = {f"--benchmark-{name}": f" {no_round}" for name in _IDLE}
    idle |= {f"--benchmark-{name}": ": nothing would be measured" for name in ("skip", "disable")}
    unknown = sorted(set(option.benchmark_group_by.split(",")) - _GROUPINGS)
    for wrong, message, remedy in (
        *((name in given, f"{name}{why}", "leave it out") for name, why in idle.items()),
        (
            option.benchmark_save_data and not saves,
            "--benchmark-save-data has no effect without --benchmark-save",
            "leave it out",
        ),
        (
            option.benchmark_compare_fail and not option.benchmark_compare,
            "--benchmark-compare-fail needs a run to compare with",
            "save one by --benchmark-save=NAME, then add --benchmark-compare=0001",
        ),
        (
            unknown,
            f"--benchmark-group-by: there is no {''.join(unknown[:1])[:40]!r}",
            f"take of {', '.join(sorted(_GROUPINGS))}",
        ),
        (
            option.benchmark_histogram and find_spec("pygal") is None,
            "--benchmark-histogram needs pygal, which is not here",
            "leave it out: the page has charts",
        ),
    ):
        if wrong:
            raise UsageError(message, remedy=remedy)
    # A path; in older versions a file that was opened as the options were parsed.
    if isinstance(option.benchmark_json, Path):
        _check_writable("--benchmark-json", option.benchmark_json)
    _check_storage(config, saves)


def _check_writable(what: str, path: Path) -> None:
    """Raise UsageError if a file cannot be opened to be written; one that is there stays."""
    there = os.path.lexists(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o644))
        if not there:
            path.unlink()
    except OSError as error:
        raise UsageError(f"{what}: cannot write {path}: {error.strerror}") from error


def _check_storage(config: pytest.Config, saves: str | None) -> None:
    option = config.option
    compare = option.benchmark_compare
    try:
        storage = _UTILS.load_storage(
            option.benchmark_storage,
            logger=_LOGGER.Logger(_LOGGER.Logger.QUIET, config=config),
            default_machine_id=_UTILS.get_machine_id(),
            netrc=option.benchmark_netrc,
        )
        wanted: Sequence[str] = () if compare is True else (compare,)
        found = [*storage.load(*wanted)] if compare else []
    except Exception as error:  # of any library that stores
        raise UsageError(
            f"--benchmark-compare, --benchmark-storage: {' '.join(str(error).split())[:200]}",
            remedy="name a saved run, or a file of --benchmark-json",
        ) from error
    if compare and not found:
        which = "saved run" if compare is True else f"{compare[:80]!r}"
        raise UsageError(
            f"--benchmark-compare: there is no {which} in {storage}",
            remedy="save one by --benchmark-save=NAME, or name a file of --benchmark-json",
        )
    if saves and hasattr(storage, "get"):
        _check_writable("--benchmark-save", storage.get(f"0000_{saves}.json"))
