"""Protobuf's wire format, to and from numpy arrays.

The repeated fields of protobuf for Python are filled one number at a time, which takes seconds for
models with millions of coefficients. Here an array becomes the bytes of a packed field at once.
Fragments of a message in any order are that message, so these bytes are joined with those that
protobuf writes for the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Buffer = bytes | memoryview
Fragment = list[Buffer]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# Entries per step of the conversion to varints: its temporary arrays stay in the cache.
_CHUNK = 1 << 16


def varint(value: int) -> bytes:
    """Encodes a number from 0 to 2**64 - 1."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def size(parts: Iterable[Buffer]) -> int:
    """The number of bytes of a fragment."""
    return sum(len(part) for part in parts)


def message(number: int, parts: Fragment) -> Fragment:
    """A field with a message, or bytes: its tag, its length and its content."""
    return [varint(number << 3 | LENGTH) + varint(size(parts)), *parts]


def text(number: int, value: str) -> bytes:
    """A field with a string."""
    data = value.encode()
    return varint(number << 3 | LENGTH) + varint(len(data)) + data


def texts(number: int, values: Iterable[str]) -> bytes:
    """A repeated field of strings, empty ones included."""
    tag = varint(number << 3 | LENGTH)
    encoded = (value.encode() for value in values)
    return b"".join([tag + varint(len(data)) + data for data in encoded])


def integer(number: int, value: int) -> bytes:
    """A field with a number of 0 or more, even if it is 0."""
    return varint(number << 3) + varint(value)


def double(number: int, value: float) -> bytes:
    """A field with a double, even if it is 0."""
    return varint(number << 3 | FIXED64) + struct.pack("<d", value)


def doubles(number: int, values: NDArray[np.float64]) -> Fragment:
    """A packed field of doubles; nothing if there are none."""
    if len(values) == 0:
        return []
    data = np.ascontiguousarray(values, dtype="<f8")
    return message(number, [data.view(np.uint8).data])


def integers(number: int, values: NDArray[Any]) -> Fragment:
    """A packed field of numbers from 0 to 2**31 - 1; nothing if there are none."""
    if len(values) == 0:
        return []
    return message(number, packed_varints(values))


def packed_varints(values: NDArray[Any]) -> Fragment:
    """Encodes numbers from 0 to 2**31 - 1 as varints, one after the other.

    Raises ``ValueError`` for numbers outside of that range, which would become other numbers.
    """
    if int(values.min()) < 0 or int(values.max()) > 0x7FFF_FFFF:
        raise ValueError("indices must be from 0 to 2147483647")
    return [
        _varints(np.ascontiguousarray(values[at : at + _CHUNK], dtype="<u4"))
        for at in range(0, len(values), _CHUNK)
    ]


def _varints(values: NDArray[np.uint32]) -> bytes:
    width = max(1, -(-int(values.max()).bit_length() // 7))
    if width == 1:
        return values.astype(np.uint8).tobytes()
    # One row per number, with as many bytes as the largest needs; `used` selects those that each
    # one has.
    rows = np.empty((len(values), width), np.uint8)
    used = np.ones((len(values), width), np.bool_)
    for at in range(width):
        shifted = values >> np.uint32(7 * at)
        more = shifted > 0x7F
        rows[:, at] = (shifted & 0x7F).astype(np.uint8) | (more.astype(np.uint8) << 7)
        if at + 1 < width:
            used[:, at + 1] = more
    return rows[used].tobytes()


def fields(data: Buffer) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message, in their order: numbers, and views of everything else.

    Raises ``ValueError`` if the bytes end within a field.
    """
    view, at = memoryview(data), 0
    while at < len(view):
        tag, at = _read_varint(view, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = _read_varint(view, at)
            yield number, value
            continue
        if kind == LENGTH:
            length, at = _read_varint(view, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"field {number} has the unknown wire type {kind}")
        if at + length > len(view):
            raise ValueError(f"field {number} is cut off")
        yield number, view[at : at + length]
        at += length


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise ValueError("a varint is cut off")
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def unpack_doubles(parts: Sequence[Buffer]) -> NDArray[np.float64]:
    """The numbers of a packed field of doubles, which may come in several fragments.

    One fragment is not copied: the array is a read-only view of it.
    """
    arrays = [np.frombuffer(part, dtype="<f8") for part in parts]
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0)
