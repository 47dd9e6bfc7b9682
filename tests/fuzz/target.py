# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Fuzz one reader: target.py READER, then options of libFuzzer. Started by run.py."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["bench", "fuzz", "tomllib", "workloads"]):
    from fuzz.readers import READERS


def main() -> None:
    """Fuzz, and never return: libFuzzer ends the process."""
    name = sys.argv.pop(1)
    warnings.simplefilter("error")  # an overflow within numpy is a fault
    atheris.Setup(sys.argv, READERS[name].try_on)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
