# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The one place that knows paths of ours."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

RESULTS: Final = Path("results")
"""Where runs leave what they measured, unless told otherwise; relative to the caller's folder."""

_PACKAGE: Final = Path(__file__).resolve().parent


def new_journal(name: str) -> Path:
    """A journal's path in ``RESULTS`` that tells what was run, and when."""
    return RESULTS / f"{name}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}.jsonl"


def bpf_sources() -> Path:
    """Folder of the BPF sources: beside the installed package, or the checkout's own."""
    installed = _PACKAGE / "bpf"
    return installed if installed.is_dir() else _PACKAGE.parent / "bpf"
