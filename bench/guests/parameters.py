# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Check parameters for a guest's kernel: some would have no effect, or the wrong one.

The kernel passes a word that it does not know to the first process, as an argument or, with "=", in
its environment; bufbench's accepts neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bench.errors import UsageError

_FIRST_PROCESS: Final = {"init", "rdinit"}
_LONGEST: Final = 1_500
"""x86 accepts 2,047 characters and cuts the rest; bufbench's own need some hundred."""


def check(parameters: Iterable[str]) -> tuple[str, ...]:
    """Return the parameters; raise UsageError, naming --append, for one that cannot work."""
    taken = tuple(parameters)
    for each in taken:
        named = f"--append {each[:60]!r}"
        if not (each.isascii() and each.isprintable()):
            raise UsageError(f"{named} has characters that no kernel takes")
        if each.count('"') % 2:
            raise UsageError(f"{named}: a quote is not closed")
        for word in each.split():
            if word == "--":
                raise UsageError(
                    f"{named}: what follows -- is the first process's, which is bufbench's",
                    remedy="leave it out",
                )
            if word.partition("=")[0] in _FIRST_PROCESS and "=" in word:
                raise UsageError(f"{named}: the first process is bufbench's", remedy="leave it out")
    if len(" ".join(taken)) > _LONGEST:
        raise UsageError(f"--append: parameters of more than {_LONGEST:,} characters are cut")
    return taken
