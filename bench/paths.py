# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Locate bufbench's own files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

RESULTS: Final = Path("results")
"""Default folder of journals, relative to the working folder."""

_PACKAGE: Final = Path(__file__).resolve().parent


def new_journal(name: str) -> Path:
    """Return a path in ``RESULTS`` for a journal, named after the run and its time."""
    return RESULTS / f"{name}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}.jsonl"


def utf8(path: Path) -> str:
    """Return a path as valid UTF-8, which names of files need not be."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def bpf_sources() -> Path:
    """Return the folder of the BPF sources: beside the installed package, or the checkout's."""
    installed = _PACKAGE / "bpf"
    return installed if installed.is_dir() else _PACKAGE.parent / "bpf"
