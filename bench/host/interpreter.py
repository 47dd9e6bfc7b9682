# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Ignore settings that a caller exports for its own Python, pytest or Typer."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_HARMLESS: Final = frozenset(
    (
        *("PYTHONCOERCECLOCALE", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONUTF8"),
        *("PYTHONNOUSERSITE", "PYTHONPYCACHEPREFIX", "PYTHONSAFEPATH", "PYTHONUNBUFFERED"),
    )
)
_FOREIGN: Final = ("PYTEST_", "PY_COLORS", "TYPER_", "_TYPER_", "TERMINAL_WIDTH")
_SIZES: Final = frozenset(("COLUMNS", "LINES"))  # if exported, those of another terminal


def isolate() -> None:
    """Start Python again in a clean environment if it has read one that is not.

    Warnings as errors, `-i`, `-OO` and the like cannot be undone once the interpreter runs.
    """
    wanted = cleaned(os.environ)
    read_by_python = {name for name in os.environ if name.startswith("PYTHON")}
    if all(wanted.get(name) == os.environ[name] for name in read_by_python):
        for name in set(os.environ) - set(wanted):
            del os.environ[name]
        return
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)  # noqa: S606


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` without foreign settings; of PYTHONPATH, only the entry with bench."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in _HARMLESS or not (name.startswith(("PYTHON", *_FOREIGN)) or name in _SIZES)
    }
    home = Path(__file__).resolve().parents[2]
    entries = environment.get("PYTHONPATH", "").split(os.pathsep)
    if own := [each for each in entries if each and Path(each).resolve() == home]:
        kept["PYTHONPATH"] = os.pathsep.join(own)
    return kept
