"""Reads a write-ahead log as far as needed to see whether it is whole.

DuckDB ends quietly at the first entry that seems to reach past the end of the log: a killed process
leaves such an entry. Damage can look the same, and would then drop every commit after it without a
word. Here an entry that ends a commit, found behind that place, proves that it is damage.

The format, as DuckDB 1.4 to 2.0 write it: a header (fields 100 to 103, then the bytes ff ff), then
entries: a size of 8 bytes, a checksum of 8 bytes, and as many bytes as the size says.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Final

#: The whole entry that ends a commit: its size, its checksum, and its five bytes.
_COMMIT: Final = bytes.fromhex("0500000000000000 e7fe7d722fed3d5e 640064ffff")
_FRAME_BYTES: Final = 16
_HEADER_TYPE: Final = 98
_END: Final = b"\xff\xff"


class State(enum.Enum):
    """What a log is like."""

    WHOLE = "it ends with a commit, is empty or is missing"
    UNFINISHED = "it ends within a commit, as after a kill; what follows the last one is ignored"
    DAMAGED = "commits follow an entry that cannot be read"


def state(log: Path) -> State:
    """Return what a log is like; a log of an unknown format counts as whole.

    Raises:
        OSError: It cannot be read.
    """
    try:
        content = log.read_bytes()
    except FileNotFoundError:
        return State.WHOLE
    try:
        position = _end_of_header(content)
    except ValueError:
        return State.DAMAGED if _COMMIT in content else State.UNFINISHED
    if position is None:
        return State.WHOLE
    is_whole = True
    while position < len(content):
        end = position + _FRAME_BYTES + int.from_bytes(content[position : position + 8], "little")
        if end > len(content):
            damaged = content.find(_COMMIT, position) >= 0
            return State.DAMAGED if damaged else State.UNFINISHED
        is_whole = content[position:end] == _COMMIT
        position = end
    return State.WHOLE if is_whole else State.UNFINISHED


def _end_of_header(content: bytes) -> int | None:
    """Return where the header ends; None if the log is empty or of another version.

    Raises:
        ValueError: There is no whole header.
    """
    if not content:
        return None
    fields, position = {}, 0
    while content[position : position + 2] != _END:
        name = int.from_bytes(content[position : position + 2], "little")
        count, position = (1, position + 2) if name != 102 else _number(content, position + 2)
        if not 100 <= name <= 103 or count > len(content):
            raise ValueError(name)
        for _ in range(count):
            fields[name], position = _number(content, position)
    if fields.get(100) != _HEADER_TYPE:
        raise ValueError(fields)
    return position + len(_END) if fields.get(101) == 2 else None


def _number(content: bytes, position: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, and where it ends.

    Raises:
        ValueError: The bytes end before it does.
    """
    number, shift = 0, 0
    while position < len(content):
        byte = content[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return number, position
    raise ValueError(number)
