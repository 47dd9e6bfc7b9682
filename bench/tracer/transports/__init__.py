# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Look up transports by name: each file here defines TRANSPORT.

Reports look up traits on machines without bcc: a file imports only what its traits need, and its
functions import the rest.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache

from bench.errors import UsageError
from bench.plan.traits import Traits
from bench.tracer.transport import Transport


@cache
def names() -> tuple[str, ...]:
    """Return the names of all transports, listed once: a folder is slow to list in a guest."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def find(name: str, *, beside: tuple[str, ...] = ()) -> Transport:
    """Return the transport of that name, like "sharded:rings=2"; UsageError for an unknown one.

    ``beside``: other names that the caller accepts, for the error.
    """
    listed, (base, colon, setting) = names(), name.partition(":")
    if base not in listed:
        raise UsageError(
            f"no transport {name!r}", remedy=f"choose from {', '.join((*listed, *beside))}"
        )
    module = importlib.import_module(f"{__name__}.{base}")
    found: Transport = module.TRANSPORT
    return found.having(setting) if colon else found


def known(name: str) -> bool:
    """Return whether there is a transport of that name, with the setting that it may have."""
    try:
        find(name)
    except UsageError:
        return False
    return True


def traits(name: str) -> Traits:
    """Return the traits of a transport; neutral ones for a name that only a journal knows."""
    return find(name) if known(name) else Traits(name=name, title=name, short=name)


def ranked(found: Iterable[str]) -> tuple[str, ...]:
    """Return each of these names once, in the order of charts and tables."""
    return tuple(sorted(set(found), key=lambda name: (traits(name).rank, name)))
