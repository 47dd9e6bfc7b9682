# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write the files that are generated: ./run generate -- [man] [schemas] [documents] [golden].

Tests compare each of them with what would be written.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent))

import manual
import quotes
import schemas
from golden import outputs

ROOT: Final = Path(__file__).parents[1]


def _man() -> None:
    manual.PAGE.write_text(manual.page(), encoding="utf-8")


def _schemas() -> None:
    for name in schemas.KINDS:
        (schemas.FOLDER / f"{name}.json").write_text(schemas.written(name), encoding="utf-8")


def _documents() -> None:
    for path in (ROOT / name for name in quotes.DOCUMENTS):
        path.write_text(quotes.written(path.read_text(encoding="utf-8")), encoding="utf-8")


def _golden() -> None:
    for name, made in outputs.OUTPUTS.items():
        (outputs.FOLDER / f"{name}.gz").write_bytes(gzip.compress(made().encode(), mtime=0))


PARTS: Final[Mapping[str, Callable[[], None]]] = {
    "man": _man,
    "schemas": _schemas,
    "documents": _documents,
    "golden": _golden,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./run generate --", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="all but golden by default")
    chosen = parser.parse_args().parts or [part for part in PARTS if part != "golden"]
    if unknown := {*chosen} - {*PARTS}:
        parser.error(f"no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    os.chdir(ROOT)
    for part in chosen:
        PARTS[part]()
