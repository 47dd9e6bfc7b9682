# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Choose the user that runs the storm: an unprivileged one, unless another is requested."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from typing import Final

from bench.errors import UsageError
from bench.linux import capabilities
from bench.linux.capabilities import Capability

NOBODY: Final = "nobody"
ROOT: Final = "root"

# The last one, since even the signal that a dying parent asks for is subject to permission.
_TO_CHANGE_USER: Final = {Capability.SETUID, Capability.SETGID, Capability.KILL}
_NO_ID: Final = 2**32 - 1
_OVERFLOW_ID: Final = 65_534  # nobody's, where there is no list of users


@dataclass(frozen=True, slots=True, kw_only=True)
class StormUser:
    """Choose the user that the generator becomes before it makes anything.

    By default this process's own, without capabilities.
    """

    ids: tuple[int, int] | None = None  # user and group; None: as they are
    privileged: bool = False  # keeps its privileges

    def arguments(self) -> list[str]:
        """Return the options of forkstorm."""
        if self.privileged:
            return ["--privileged"]
        return [] if self.ids is None else ["--user", f"{self.ids[0]}:{self.ids[1]}"]


def chosen(name: str | None = None) -> StormUser:
    """Return the user called ``name``, or of that number; by default nobody.

    Where this process may not change user, the default is its own. Raises UsageError for a user
    that is unknown, or that this process may not become.
    """
    may = capabilities.held() >= _TO_CHANGE_USER
    ids = _ids(NOBODY if name is None else name)
    if name is None and not may:
        return StormUser()
    if ids[0] == 0:
        if os.geteuid() != 0:
            raise UsageError("only root's storms can be root's", remedy="leave out --storm-user")
        return StormUser(privileged=True)
    if ids[0] == os.geteuid():
        return StormUser()
    if not may:
        raise UsageError(
            f"a storm cannot run as {name}: this process may not change user",
            remedy="run as root, with CAP_SETUID, CAP_SETGID and CAP_KILL",
        )
    return StormUser(ids=ids)


def _ids(name: str) -> tuple[int, int]:
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 12 else None
    try:
        entry = pwd.getpwnam(name) if number is None else pwd.getpwuid(number)
    except (KeyError, OverflowError, ValueError):  # ValueError: of a NUL
        if name == NOBODY:
            return _OVERFLOW_ID, _OVERFLOW_ID
        if name == ROOT:
            return 0, 0
        if number is not None and number < _NO_ID:  # it needs no entry
            return number, number
        raise UsageError(
            f"there is no user {name!r}", remedy="choose another --storm-user"
        ) from None
    return entry.pw_uid, entry.pw_gid
