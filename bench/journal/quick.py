# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Decode lines that are spelt exactly as bufbench writes them: by msgspec, many times faster.

Whatever this accepts is accepted by :func:`bounds.validator` too, as the same value. Everything
else is left to pydantic, which names what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, reduce
from operator import or_
from types import GenericAlias, UnionType
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from bench.journal.bounds import LARGEST, MOST_IN_MAPPING, crowded
from bench.plan.experiments import ArmName

T = TypeVar("T")

_PERHAPS_SMALL: Final = re.compile(rb"e-(?:[1-9][0-9]|[0-9]{3})")
_ZEROS: Final = b"0" * 20
"""A number nearer to 0 than 1e-29 has either, or a capital E, unless it is 0."""


@cache
def decoder(kind: type[T], *, alike: bool = False) -> Callable[[bytes], T | None]:
    """Return a function that makes a ``kind`` from a line's JSON, or None if the line may differ.

    With ``alike`` the result is not a ``kind`` but has its attributes, in half the time.
    """
    line = _struct(kind, (("schema", int), ("kind", str)))
    decode = msgspec.json.Decoder(line, dec_hook=_made).decode

    def quickly(text: bytes) -> Any:
        if not text.isascii() or any((b"\\" in text, b"E-" in text, _ZEROS in text)):
            return None
        if crowded(text) or (b"e-" in text and _PERHAPS_SMALL.search(text)):
            return None
        try:
            found = decode(text)
            if alike:
                return found
            return msgspec.convert(found, kind, from_attributes=True, dec_hook=_made)
        except (msgspec.MsgspecError, RecursionError):
            return None

    return quickly


def _struct(kind: Any, more: tuple[tuple[str, Any], ...] = ()) -> type[msgspec.Struct]:
    """Return a type with the bounded fields of a dataclass, no others, and with its methods."""
    hints = get_type_hints(kind)
    known = [(each.name, _bounded(hints[each.name]), *_default(each)) for each in fields(kind)]
    names = {each.name for each in fields(kind)}
    methods = {
        name: of for name, of in vars(kind).items() if name not in names and name[:2] != "__"
    }
    return msgspec.defstruct(
        kind.__name__,
        [*more, *known],
        namespace=methods,
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )


def _bounded(kind: Any) -> Any:
    """Return a type with the bounds at every number and mapping in it."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind is int:
        return Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
    if kind is float:
        return Annotated[float, msgspec.Meta(ge=-float(LARGEST), le=float(LARGEST))]
    if is_dataclass(kind):
        return _struct(kind)
    if origin is UnionType:
        return reduce(or_, map(_bounded, inside))
    if origin is tuple:
        parts = tuple(each if each is ... else _bounded(each) for each in inside)
        return GenericAlias(tuple, parts)
    if origin is dict:
        meta = msgspec.Meta(max_length=MOST_IN_MAPPING)
        return Annotated[GenericAlias(dict, tuple(map(_bounded, inside))), meta]
    return kind


def _default(field: Field[Any]) -> tuple[Any, ...]:
    if field.default_factory is not MISSING:
        return (msgspec.field(default_factory=field.default_factory),)
    return () if field.default is MISSING else (field.default,)


def _made(kind: type, value: Any) -> Any:
    """Convert a value to a type that msgspec does not know."""
    if kind is ArmName:
        return ArmName.parse(value)
    raise NotImplementedError(kind)
