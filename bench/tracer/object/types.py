# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read the types of an object from its BTF, and the columns of its structures.

Source of the format: Documentation/bpf/btf.rst. Read without libbpf: it is foreign data.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import partial
from itertools import islice
from typing import Final

from bench.amounts import size
from bench.errors import UsageError, clean_name

Value = int | float | bool | str | list[int] | None
"""A value in a column; None if the record ends before it."""

_HEADER: Final = struct.Struct("=HBBIIIII")
_TYPE: Final = struct.Struct("=III")
_MAGIC: Final = 0xEB9F
_MOST_BYTES: Final = 4 << 20
_MOST_COLUMNS: Final = 256
_MOST_MEMBERS: Final = 4_096
_DEEPEST: Final = 16
_LONGEST_LIST: Final = 4_096
_LONGEST_CHAIN: Final = 32
_LONGEST_NAME: Final = 128
_REMEDY: Final = "compile the object with -g"


class Kind(IntEnum):
    """Name the kinds of types, as BTF numbers them."""

    VOID, INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE = range(10)
    CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(
        10, 20
    )


_ONE: Final = {Kind.INT: "I", Kind.ARRAY: "III", Kind.VAR: "I", Kind.DECL_TAG: "I"}
_EACH: Final = dict.fromkeys((Kind.STRUCT, Kind.UNION, Kind.DATASEC), "III") | {
    Kind.ENUM: "Ii",
    Kind.FUNC_PROTO: "II",
    Kind.ENUM64: "IIi",
}
_NAMED_ROWS: Final = frozenset({Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64})
_MODIFIERS: Final = frozenset(
    {Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG}
)
_NUMBERS: Final = frozenset({Kind.INT, Kind.ENUM, Kind.ENUM64})
_WORDS: Final = {Kind.STRUCT: "struct ", Kind.UNION: "union ", Kind.ENUM: "enum "}
_SIGNED: Final = 1
_BOOL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """Hold one type. ``rows`` are its members, values or whatever it has, called ``names``."""

    name: str
    kind: Kind
    flag: bool
    size: int  # in bytes, or the type that is referred to
    rows: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]


class Form(StrEnum):
    """Choose how the bytes of a column are read."""

    NUMBER = "number"
    TRUTH = "truth"
    ENUM = "enum"
    FLOAT = "float"
    TEXT = "text"
    NUMBERS = "numbers"
    BYTES = "bytes"  # shown as hexadecimal digits, pointers too


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Describe a member of the event that has a value of its own."""

    name: str
    form: Form
    offset: int
    size: int  # bytes of all of it
    signed: bool = False
    each: int = 0  # bytes of one of NUMBERS
    shift: int = 0
    bits: int = 0  # of a bit field, else 0
    names: Mapping[int, str] = field(default_factory=dict)  # of an enum

    @property
    def numeric(self) -> bool:
        """Return whether it is shown flush right."""
        return self.form in (Form.NUMBER, Form.FLOAT)

    def read(self, record: bytes) -> Value:
        """Return the value that it has in ``record``."""
        found = record[self.offset : self.offset + self.size]
        if len(found) < self.size:
            return None
        if self.form is Form.TEXT:
            return clean_name(found.split(b"\0", 1)[0])
        if self.form is Form.FLOAT:
            return float(struct.unpack("=f" if self.size == 4 else "=d", found)[0])
        if self.form is Form.BYTES:
            return (found[::-1] if sys.byteorder == "little" and self.each else found).hex()
        if self.form is Form.NUMBERS:
            places = range(0, self.size, self.each)
            return [self._number(found[place : place + self.each]) for place in places]
        number = self._number(found)
        if self.bits:
            number = number >> self.shift & (1 << self.bits) - 1
            if self.signed and number >> self.bits - 1:
                number -= 1 << self.bits
        if self.form is Form.TRUTH:
            return bool(number)
        return self.names.get(number, number) if self.form is Form.ENUM else number

    def _number(self, found: bytes) -> int:
        return int.from_bytes(found, sys.byteorder, signed=self.signed and not self.bits)


class Types:
    """Hold all types of an object; :meth:`parse` makes them."""

    def __init__(self, types: list[Type]) -> None:
        self._types = types

    @classmethod
    def parse(cls, blob: bytes) -> Types:
        """Read a .BTF section; UsageError where it is damaged."""
        if len(blob) > _MOST_BYTES:
            raise UsageError(f"its BTF is larger than {size(_MOST_BYTES)}")
        try:
            return cls(list(_types(blob)))
        except (struct.error, ValueError) as error:  # ValueError: an unknown kind
            raise UsageError("its BTF is damaged", remedy=_REMEDY) from error

    def structures(self) -> list[str]:
        """Return the names of all structures."""
        return [each.name for each in self._types if each.kind is Kind.STRUCT and each.name]

    def find(self, structure: str) -> int | None:
        """Return the number of a structure, or None."""
        found = (each.kind is Kind.STRUCT and each.name == structure for each in self._types)
        return next((number for number, each in enumerate(found) if each), None)

    def sections(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield each data section with its variables: name, and type in C."""
        for each in self._types:
            if each.kind is Kind.DATASEC:
                variables = [self[number] for number, *_ in each.rows]
                yield each.name, [(found.name, self.spelled(found.size)) for found in variables]

    def __getitem__(self, number: int) -> Type:
        if number >= len(self._types):
            raise UsageError(f"its BTF is damaged: no type {number}", remedy=_REMEDY)
        return self._types[number]

    def members(self, structure: int) -> list[tuple[str, str]]:
        """Return the name of each member, and its type in C."""
        found = self[structure]
        return [
            (name, self.spelled(row[1])) for name, row in zip(found.names, found.rows, strict=True)
        ]

    def spelled(self, number: int) -> str:
        """Return the type in C, as in "unsigned int" or "char[16]"."""
        behind = ""
        for _ in range(_LONGEST_CHAIN):
            found = self[number]
            if found.kind is Kind.ARRAY:
                behind += f"[{found.rows[0][2]}]"
                number = found.rows[0][0]
            elif found.kind is Kind.PTR:
                behind = f" *{behind}"
                number = found.size
            elif found.kind in _MODIFIERS and (found.kind is not Kind.TYPEDEF or not found.name):
                number = found.size
            else:
                name = "void" if found.kind is Kind.VOID else found.name
                return f"{_WORDS.get(found.kind, '')}{name}{behind}"
        raise UsageError("its BTF is damaged: a cycle of types", remedy=_REMEDY)

    def columns(self, structure: int) -> tuple[Column, ...]:
        """Return the columns of a structure, including those of nested structures."""
        left = iter(range(_MOST_MEMBERS))  # nested empty ones have no columns
        found = tuple(islice(self._leaves(structure, "", 0, left), _MOST_COLUMNS + 1))
        if not 0 < len(found) <= _MOST_COLUMNS or next(left, None) is None:
            raise UsageError(
                f"struct {self[structure].name} has no values, or more than {_MOST_COLUMNS}",
                remedy="name another with --event",
            )
        return found

    def _leaves(
        self, number: int, name: str, bit: int, left: Iterator[int], *, deep: int = 0, bits: int = 0
    ) -> Iterator[Column]:
        found = self._resolved(number)
        offset, shift = divmod(bit, 8)
        if found.kind in (Kind.STRUCT, Kind.UNION):
            if deep > _DEEPEST:
                raise UsageError("its BTF nests structures too deeply", remedy=_REMEDY)
            for member, row in zip(found.names, found.rows, strict=True):
                inner = ".".join(filter(None, (name, member)))
                place, length = (row[2] & 0xFFFFFF, row[2] >> 24) if found.flag else (row[2], 0)
                if next(left, None) is not None:
                    yield from self._leaves(
                        row[1], inner, bit + place, left, deep=deep + 1, bits=length
                    )
        elif found.kind is Kind.ARRAY:
            yield self._array(found, name, offset)
        elif bits:
            last = (bit + bits + 7) // 8
            yield self._number(found, name, offset, last - offset, shift=shift, bits=bits)
        else:
            yield self._number(found, name, offset, found.size)

    def _number(
        self, found: Type, name: str, offset: int, size: int, *, shift: int = 0, bits: int = 0
    ) -> Column:
        if found.kind is Kind.PTR:
            return Column(name=name, form=Form.BYTES, offset=offset, size=8, each=8)
        if found.kind not in _NUMBERS and (found.kind is not Kind.FLOAT or size not in (4, 8)):
            raise UsageError(f"the values of {name or 'its event'} have no form in BTF")
        if not 0 < size <= 16:
            raise UsageError(f"its BTF is damaged: {name} has {size} bytes", remedy=_REMEDY)
        column = partial(Column, name=name, offset=offset, size=size, shift=shift, bits=bits)
        if found.kind is Kind.FLOAT:
            return column(form=Form.FLOAT)
        if found.kind is Kind.INT:
            encoding = found.rows[0][0] >> 24
            form = Form.TRUTH if encoding & _BOOL else Form.NUMBER
            return column(form=form, signed=bool(encoding & _SIGNED))
        numbers = (_enumerator(row, found.flag) for row in found.rows)
        names = dict(zip(numbers, found.names, strict=True))
        return column(form=Form.ENUM, signed=found.flag, names=names)

    def _array(self, found: Type, name: str, offset: int) -> Column:
        element, _, count = found.rows[0]
        inner, form = self._resolved(element), Form.NUMBERS
        for _ in range(_DEEPEST):  # arrays of several dimensions
            if inner.kind is not Kind.ARRAY:
                break
            element, _, more = inner.rows[0]
            count, inner, form = count * more, self._resolved(element), Form.BYTES
        if inner.kind is Kind.INT and inner.name == "char" and form is not Form.BYTES:
            form = Form.TEXT
        elif inner.kind is not Kind.INT:
            form = Form.BYTES
        each = 8 if inner.kind is Kind.PTR else inner.size
        if count * each > _LONGEST_LIST * 16 or inner.kind in (Kind.ARRAY, Kind.VOID):
            raise UsageError(f"{name} has too many values for a column")
        column = partial(Column, name=name, offset=offset, size=count * each)
        if not each or form is not Form.NUMBERS:
            return column(form=form if each else Form.BYTES)
        return column(form=form, signed=bool(inner.rows[0][0] >> 24 & _SIGNED), each=each)

    def _resolved(self, number: int) -> Type:
        for _ in range(_LONGEST_CHAIN):
            found = self[number]
            if found.kind not in _MODIFIERS:
                return found
            number = found.size
        raise UsageError("its BTF is damaged: a cycle of types", remedy=_REMEDY)


def _types(blob: bytes) -> Iterator[Type]:
    """Yield the types in their order, from void on; struct.error or ValueError."""
    magic, _, _, length, types, types_length, strings, strings_length = _HEADER.unpack_from(blob)
    if magic != _MAGIC:
        raise ValueError("no BTF")
    place, end = length + types, length + types + types_length
    texts = blob[length + strings : length + strings + strings_length]
    if end > len(blob):
        raise ValueError("truncated")

    def text(offset: int) -> str:
        # Names are identifiers; anything else in foreign data is shown escaped.
        return clean_name(texts[offset : offset + _LONGEST_NAME].split(b"\0", 1)[0])

    yield Type(name="void", kind=Kind.VOID, flag=False, size=0, rows=(), names=())
    while place < end:
        name, info, size = _TYPE.unpack_from(blob, place)
        kind, count = Kind(info >> 24 & 0x1F), info & 0xFFFF
        form, times = (_ONE[kind], 1) if kind in _ONE else (_EACH.get(kind, ""), count)
        row = struct.Struct(f"={form}")
        place += _TYPE.size
        behind = place + (row.size * times if form else 0)
        if behind > end:
            raise ValueError("truncated")
        rows = tuple(row.iter_unpack(blob[place:behind])) if form else ()
        yield Type(
            name=text(name),
            kind=kind,
            flag=bool(info >> 31),
            size=size,
            rows=rows,
            names=tuple(text(each[0]) for each in rows) if kind in _NAMED_ROWS else (),
        )
        place = behind


def _enumerator(row: tuple[int, ...], signed: bool) -> int:
    number = row[1] & 0xFFFFFFFF
    if len(row) > 2:
        number |= (row[2] & 0xFFFFFFFF) << 32
    bits = 64 if len(row) > 2 else 32
    return number - (1 << bits) if signed and number >> bits - 1 else number
