# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test columns of made-up BTF, whose bytes are known, and BTF that no compiler writes."""

from __future__ import annotations

import struct

import pytest
from fuzz.btf_samples import _Writer

from bench.errors import UsageError
from bench.tracer.object.types import Kind, Types, Value

INT, CHAR, BOOL = 0, 1 << 24, 4 << 24


def number(made: _Writer, name: str, size: int, encoding: int = INT) -> int:
    return made.add(Kind.INT, name, size, struct.pack("=I", encoding | size * 8))


def structure(made: _Writer, name: str, size: int, *members: tuple[str, int, int]) -> int:
    """Make a structure of ``members``: name, type, and offset in bits."""
    rest = b"".join(struct.pack("=III", made._name(of), kind, at) for of, kind, at in members)
    return made.add(Kind.STRUCT, name, size, rest, len(members))


def array(made: _Writer, element: int, count: int) -> int:
    return made.add(Kind.ARRAY, "", 0, struct.pack("=III", element, element, count))


def values(made: _Writer, record: bytes, event: str = "event") -> dict[str, Value]:
    types = Types.parse(made.blob())
    place = types.find(event)
    assert place is not None
    return {each.name: each.read(record) for each in types.columns(place)}


def test_numbers_text_and_what_is_within() -> None:
    made = _Writer()
    u8, s32, u64 = number(made, "u8", 1), number(made, "int", 4, CHAR), number(made, "u64", 8)
    alias = made.add(Kind.TYPEDEF, "pid_t", s32)
    text, bytes_ = array(made, number(made, "char", 1, CHAR), 8), array(made, u8, 3)
    inner = structure(made, "", 8, ("deep", u64, 0))
    members = [("pid", alias, 0), ("comm", text, 32), ("list", bytes_, 96)]
    members += [("yes", number(made, "bool", 1, BOOL), 120), ("in", inner, 128), ("", inner, 192)]
    structure(made, "event", 32, *members)
    record = struct.pack("=i8s3B?QQ", -7, b"sh\0xx", 1, 2, 255, True, 1 << 63, 5)
    found = values(made, record)
    assert found == {
        "pid": -7,
        "comm": "sh",
        "list": [1, 2, 255],
        "yes": True,
        "in.deep": 1 << 63,
        "deep": 5,
    }
    assert values(made, record[:13]) == dict.fromkeys(found) | {"pid": -7, "comm": "sh"}


def test_bit_fields_enums_and_floats() -> None:
    made = _Writer()
    u32, s32 = number(made, "u32", 4), number(made, "int", 4, CHAR)
    kinds = struct.pack("=IiIi", made._name("BORN"), 0, made._name("DIED"), 5)
    kind = made.add(Kind.ENUM, "kind", 4, kinds, 2)
    double = made.add(Kind.FLOAT, "double", 8)
    fields = ((3, u32, 0, "a"), (5, s32, 3, "b"), (9, u32, 7 + 5, "c"))
    rest = b"".join(
        struct.pack("=III", made._name(name), of, bits << 24 | at) for bits, of, at, name in fields
    )
    packed = made.add(Kind.STRUCT, "bits", 4, rest, 3)
    made._types = made._types.replace(
        struct.pack("=I", Kind.STRUCT << 24 | 3), struct.pack("=I", 1 << 31 | Kind.STRUCT << 24 | 3)
    )
    members = (("", packed, 0), ("kind", kind, 32), ("other", kind, 64), ("real", double, 128))
    structure(made, "event", 24, *members)
    word = 5 | (-3 & 31) << 3 | 0x155 << 12
    record = struct.pack("=IiiId", word, 5, 9, 0, 0.5)
    found = values(made, record)
    assert found == {"a": 5, "b": -3, "c": 0x155, "kind": "DIED", "other": 9, "real": 0.5}


def test_types_are_spelled_as_in_c() -> None:
    made = _Writer()
    char, u32 = number(made, "char", 1, CHAR), number(made, "unsigned int", 4)
    inner = structure(made, "inner", 4, ("x", u32, 0))
    pointer = made.add(Kind.PTR, "", made.add(Kind.CONST, "", inner))
    members = (("text", array(made, char, 16), 0), ("to", pointer, 128), ("any", 0, 192))
    place = structure(made, "event", 24, *members)
    assert Types.parse(made.blob()).members(place) == [
        ("text", "char[16]"),
        ("to", "struct inner *"),
        ("any", "void"),
    ]


@pytest.mark.parametrize("times", [1, 2])
def test_structures_in_a_circle_have_no_columns(times: int) -> None:
    made = _Writer()
    members = tuple(("" if times > 1 else "me", 1, 0) for _ in range(times))
    structure(made, "event", 8, *members)
    with pytest.raises(UsageError, match="too deep"):
        values(made, b"")


def test_empty_structures_by_the_thousand_end_soon() -> None:
    made = _Writer()
    inner = structure(made, "empty", 0)
    for level in range(8):
        inner = structure(made, f"level{level}", 0, *[("x", inner, 0)] * 200)
    structure(made, "event", 0, ("x", inner, 0))
    with pytest.raises(UsageError, match="has no values"):
        values(made, b"")


@pytest.mark.parametrize("cut", [0, 1, 23, 24, 40])
def test_truncated_btf_is_damaged(cut: int) -> None:
    made = _Writer()
    structure(made, "event", 4, ("x", number(made, "int", 4), 0))
    blob = made.blob()
    with pytest.raises(UsageError, match="damaged"):
        Types.parse(blob[:cut])
