# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""BPF sources as one text: bcc rewrites map methods only in what it was handed itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_INCLUDE: Final = re.compile(r'^#include "([^"]+)"$', re.MULTILINE)


def flattened(path: Path, root: Path) -> str:
    """Return the text of ``path`` with every quoted include replaced by the file under ``root``."""
    return _INCLUDE.sub(
        lambda match: f"{flattened(root / match[1], root)}\n", path.read_text(encoding="utf-8")
    )
