#!/usr/bin/env python3
"""A second decoder of method xenguest, versions 1 and 2, in bare libxc streams; written from docs/FORMAT.md alone.

    python3 decode_xen.py STREAM > OUT        (STREAM may be - for standard input)

Chunks are decoded by decode.py. A stream without any record of ramferry's is refused. The output counts only when the exit
status is 0: the totals were then compared with everything received.
"""

import struct
import sys

from decode import Chunk, Input, MOST_CHUNK_BYTES, MOST_STORE_PAGES, Refused, Store, require, xxh64

PAGE_RECORDS, TOTALS, STREAM, BYTES = 0x7FFF5246, 0x7FFF5247, 0x7FFF5248, 0x7FFF5249
END, CHECKPOINT, PAGE_DATA, STATIC_DATA_END = 0x00, 0x0E, 0x01, 0x10
MAGIC = 0x59464D52
MOST_RECORD = 128 << 20
NEEDED = {1: {0x02, 0x03, 0x07, 0x04}, 2: {0x09}}


class Body:
    """The body of a record, read as Chunk reads a stream."""

    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, size, what):
        require(self.position + size <= len(self.data), "the record ends inside the %s" % what)
        self.position += size
        return self.data[self.position - size : self.position]


class XenStream:
    def __init__(self, file, write):
        self.source, self.write = Input(file), write
        self.decoded = self.chunks = 0
        self.pages = [0, 0, 0]
        self.digest = bytearray()
        self.limits = self.store = None
        self.totalled = self.ours = self.cut = self.behind_end = False

    def verbatim(self, data):
        self.totalled = False
        self.digest += data
        self.decoded += len(data)
        self.write(data)

    def headers(self):
        image = bytearray(self.source.take(24, "image header"))
        require(image[:12] == b"\xff" * 8 + b"XENF", "this is no libxc stream")
        version, options = struct.unpack(">IH", image[12:18])
        require(version in (2, 3), "version %d of libxc" % version)
        self.order = ">" if options & 1 else "<"
        self.marked = bool(options & 0x8000)
        image[16] &= 0x7F
        domain = self.source.take(16, "domain header")
        (kind,) = struct.unpack_from(self.order + "I", domain)
        self.needed = {PAGE_DATA} | NEEDED.get(kind, set()) | ({STATIC_DATA_END} if version == 3 else set())
        self.verbatim(bytes(image + domain))

    def record(self):
        """Reads one record; returns its type."""
        header = self.source.take(8, "header of a record")
        kind, length = struct.unpack(self.order + "II", header)
        require(length <= MOST_RECORD, "a record of %d bytes" % length)
        if kind in (PAGE_RECORDS, BYTES, TOTALS, STREAM):
            body = self.source.take(length, "body of a record")
            require(length >= 24 and struct.unpack_from("<I", body)[0] == MAGIC, "a record without its magic")
            {STREAM: self.mark, TOTALS: self.totals}.get(kind, self.chunk)(body)
            self.needed.discard(PAGE_DATA)
            return kind
        if kind in (END, CHECKPOINT):
            require(length == 0, "END or CHECKPOINT with a body")
            require(self.totalled, "END or CHECKPOINT without totals before it")
            require(not self.needed, "END or CHECKPOINT without records %s" % sorted(self.needed))
        self.needed.discard(kind)
        self.verbatim(header + self.source.take(length + (-length & 7), "body of a record"))
        return kind

    def mark(self, body):
        require(len(body) == 24 and xxh64(body[:16]) == struct.unpack("<Q", body[16:])[0], "checksum of the mark")
        version, flags, *limits = struct.unpack_from("<HHII", body, 4)
        require(version == 2 and flags in (0, 1), "version or flags of the mark")
        self.behind_end = bool(flags)
        self.announce(limits)

    def announce(self, limits):
        if self.limits is None:
            require(1 <= limits[0] <= MOST_CHUNK_BYTES and limits[1] <= MOST_STORE_PAGES, "limits out of range")
            self.store = Store(limits[1]) if limits[1] else None
        require(self.limits in (None, limits), "other limits than before")
        self.limits = limits
        self.ours = True

    def chunk(self, body):
        self.totalled = False
        version, zero, *limits = struct.unpack_from("<HHII", body, 4)
        require(version == 1 and zero == 0, "version of a compressed record")
        self.announce(limits)
        inner = Body(body)
        envelope = inner.take(16, "envelope")
        require(struct.unpack("<I", inner.take(4, "type of a chunk record"))[0] == 1, "no chunk record in a record of ours")
        chunk = Chunk(inner, limits[0], self.store)
        require(inner.position + (-inner.position & 7) == len(body), "another length than that of the chunk")
        require(not any(body[inner.position :]), "zeros that are none")
        require(chunk.sequence == self.chunks and chunk.position == self.decoded, "a chunk out of place")
        out = chunk.decode()
        self.digest += envelope + struct.pack("<QQ", chunk.decoded_checksum, chunk.record_checksum)
        self.pages = [total + more for total, more in zip(self.pages, chunk.pages)]
        self.chunks += 1
        self.decoded += len(out)
        self.write(out)

    def totals(self, body):
        require(len(body) == 64 and xxh64(body[:56]) == struct.unpack("<Q", body[56:])[0], "checksum of the totals")
        version, flags, *told = struct.unpack_from("<HH6Q", body, 4)
        require(version == 1 and flags in (0, 1), "version or flags of the totals")
        require(told == [self.chunks, self.decoded, *self.pages, xxh64(self.digest)], "other totals than those received")
        self.totalled, self.cut = True, bool(flags)


def decode_xen(file, write):
    stream = XenStream(file, write)
    stream.headers()
    first = stream.record()
    require((first == STREAM) == stream.marked, "one mark without the other")
    while first != END:
        first = stream.record()
        require(first != STREAM, "a second mark")
    require(stream.ours or stream.totalled, "nothing here is ramferry's")
    while stream.behind_end and not stream.cut:
        require(stream.record() in (BYTES, TOTALS), "something else behind END")


def main(arguments):
    if len(arguments) != 1:
        print("usage: decode_xen.py STREAM > OUT    (STREAM may be -)", file=sys.stderr)
        return 1
    try:
        with sys.stdin.buffer if arguments[0] == "-" else open(arguments[0], "rb") as file:
            decode_xen(file, sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
    except (Refused, OSError) as error:
        print("decode_xen.py: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
