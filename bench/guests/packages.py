# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Packages that kernels are made of, as an archive's lists describe them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELDS: Final = re.compile(
    r"^(Package|Version|Architecture|Size|Installed-Size):[ \t]*(.*)$", re.MULTILINE
)
_NAME: Final = re.compile(r"linux-(?:image|binary|modules|base)-[a-z0-9][a-z0-9+.-]{0,99}")
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+:~-]{0,99}")
_BYTES: Final = re.compile(r"[0-9]{1,12}")
_BEGIN: Final = "\nPackage: linux-"
_LONGEST_STANZA: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of a kernel's."""

    name: str
    version: str
    architecture: str
    size_bytes: int
    """To download."""
    installed_bytes: int
    """Unpacked; 0 where the list does not say."""
    archive: str
    """For people: "Debian"."""
    suite: str


def parse(text: str, *, archive: str, suite: str) -> Iterator[Package]:
    """Return the kernels' packages of an archive's list ("Packages").

    Lists are as long as 60 MB, so the text is searched rather than split. Whatever lacks a name, a
    version or a size, or has one that no package may have, is passed over.
    """
    text = f"\n{text}"
    at = text.find(_BEGIN)
    while at >= 0:
        begin = text.rfind("\n\n", max(0, at - _LONGEST_STANZA), at + 1)
        end = text.find("\n\n", at)
        end = len(text) if end < 0 else end
        if end - at <= _LONGEST_STANZA:
            package = _package(text[max(begin, 0) : end], archive=archive, suite=suite)
            if package is not None:
                yield package
        at = text.find(_BEGIN, end)


def _package(stanza: str, *, archive: str, suite: str) -> Package | None:
    fields = dict(_FIELDS.findall(stanza))
    name, version, size = (fields.get(key, "") for key in ("Package", "Version", "Size"))
    if not (_NAME.fullmatch(name) and _VERSION.fullmatch(version) and _BYTES.fullmatch(size)):
        return None
    installed = fields.get("Installed-Size", "")
    return Package(
        name=name,
        version=version,
        architecture=fields.get("Architecture", ""),
        size_bytes=int(size),
        installed_bytes=1024 * int(installed) if _BYTES.fullmatch(installed) else 0,
        archive=archive,
        suite=suite,
    )
