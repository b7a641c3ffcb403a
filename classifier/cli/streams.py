"""Bytes in and out: compression by suffix, and lines that are read as they come."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import select
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from classifier.errors import DataError, Problem, require

PACKED = (".gz", ".zst")
_BLOCK = 1 << 16


def kind_of(path: Path) -> str:
    """The suffix that names the format, without that of the compression: ``.csv`` of ``posts.csv.gz``."""
    return Path(path.stem).suffix if path.suffix in PACKED else path.suffix


@contextmanager
def open_text(path: Path, *, newline: str | None = None) -> Iterator[io.TextIOWrapper]:
    """A file as text, unpacked by its suffix. Bytes that are no UTF-8 become half surrogates, which travel on.

    :raises DataError: when the file cannot be read, or its compression is damaged or cut.
    :raises MissingExtraError: for ``.zst``, when the extra ``zstd`` is not installed.
    """
    try:
        with path.open("rb") as raw:
            unpacked: Any = gzip.open(raw) if path.suffix == ".gz" else io.BufferedReader(_ZstdFile(raw)) if path.suffix == ".zst" else raw
            with io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="surrogateescape", newline=newline) as handle:
                yield handle
    except (OSError, EOFError, zlib.error) as error:  # gzip tells a cut or altered file in all three ways
        raise DataError((Problem(str(path), 0, "file", f"expected a readable file, but got: {error}"),)) from error


def packer_of(path: Path) -> Callable[[bytes], bytes]:
    """How bytes are packed for a file of this name. Packed pieces may follow one another: together they unpack to the whole.

    :raises MissingExtraError: for ``.zst``, when the extra ``zstd`` is not installed.
    """
    if path.suffix == ".gz":
        return lambda content: gzip.compress(content, mtime=0)  # no time: equal content, equal bytes
    if path.suffix == ".zst":
        compressor = require("zstandard", extra="zstd").ZstdCompressor()
        return lambda content: bytes(compressor.compress(content))
    return lambda content: content


class _ZstdFile(io.RawIOBase):
    """Frames of Zstandard, one after another. A cut file is an error here; the stream reader of the package would end in silence."""

    def __init__(self, raw: BinaryIO) -> None:
        self._zstandard = require("zstandard", extra="zstd")
        self._raw = raw
        self._frame: Any = None
        self._packed = self._unpacked = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacked:
            if self._packed or (block := self._raw.read(_BLOCK)):
                self._unpack(self._packed or block)
            elif self._frame is None:
                return 0
            else:
                raise EOFError("the last frame is cut")
        n = min(len(buffer), len(self._unpacked))
        buffer[:n], self._unpacked = self._unpacked[:n], self._unpacked[n:]
        return n

    def _unpack(self, packed: bytes) -> None:
        frame = self._frame or self._zstandard.ZstdDecompressor().decompressobj()
        try:
            self._unpacked = frame.decompress(packed)
        except self._zstandard.ZstdError as error:
            raise EOFError(str(error)) from error
        self._frame, self._packed = (None, frame.unused_data) if frame.eof else (frame, b"")


class ArrivingLines:
    """Lines of a pipe, read in blocks when they are asked for: who asks slowly slows the writer, and memory holds a block and a line."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("surrogateescape"), translate=True)
        self._lines: deque[str] = deque()
        self._rest: list[str] = []
        self._ended = False

    def __iter__(self) -> Iterator[str]:
        while self._lines or not self._ended:
            if self._lines:
                yield self._lines.popleft()
            else:
                self._read()

    def waiting(self) -> bool:
        """Whether a line that is not blank, or the end, is there already, so that asking for it does not wait for the writer."""
        while not self._ended and not any(line.strip() for line in self._lines):
            if not select.select([self._descriptor], [], [], 0)[0]:
                return False
            self._read()
        return True

    def _read(self) -> None:
        block = os.read(self._descriptor, _BLOCK)
        self._ended = not block
        *whole, rest = self._decoder.decode(block, final=self._ended).split("\n")
        if whole:
            self._lines.append("".join([*self._rest, whole[0]]))
            self._lines.extend(whole[1:])
            self._rest.clear()
        self._rest.append(rest)
        if self._ended and (last := "".join(self._rest)):
            self._lines.append(last)
