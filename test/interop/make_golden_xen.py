#!/usr/bin/env python3
"""Writes the golden streams of method xenguest (test/golden/xenguest-v2), record by record from docs/FORMAT.md.

    python3 make_golden_xen.py DIRECTORY

NAME.hex is a stream as hex text (`#` begins a comment), NAME.expected is "SHA-256 LENGTH" of what it decodes to.
refused.txt holds streams that break one rule each while all their checksums hold.
"""

import hashlib
import os
import struct
import sys

from decode import PAGE, xxh64

MAGIC, MOST = 0x59464D52, 1 << 16


class Builder:
    def __init__(self, marked=True, behind_end=False, order="<"):
        self.fields, self.decoded, self.digest = [], b"", b""
        self.order, self.chunks, self.pages = order, 0, [0, 0, 0]
        image = b"\xff" * 8 + b"XENF" + struct.pack(">IHHI", 3, 1 if order == ">" else 0, 0, 0)
        domain = struct.pack(order + "IHHII", 2, 12, 0, 4, 17)
        self.count(image + domain)
        self.fields.append(("image header, marked" if marked else "image header", bytes([*image[:16], image[16] | (0x80 if marked else 0), *image[17:]])))
        self.fields.append(("domain header: HVM", domain))
        if marked:
            body = struct.pack("<IHHII", MAGIC, 2, 1 if behind_end else 0, MOST, 0)
            self.put("COMPRESSED_STREAM", 0x7FFF5248, body + struct.pack("<Q", xxh64(body)))

    def count(self, data):
        self.decoded += data
        self.digest += data

    def put(self, note, kind, body):
        self.fields.append((note, struct.pack(self.order + "II", kind, len(body)) + body))

    def untouched(self, note, kind, body=b""):
        data = struct.pack(self.order + "II", kind, len(body)) + body + bytes(-len(body) & 7)
        self.fields.append((note, data))
        self.count(data)

    def chunk(self, note, kind, operations, content, decoded, zero=0):
        """A stored chunk."""
        plain = operations + content
        header = struct.pack(
            "<IIQQQIIIB3xIIIIII", 1, len(plain), self.chunks, 0, len(self.decoded), len(decoded), len(plain), len(operations), 1,
            zero, 0, 0, 0, 0, 0,
        )  # fmt: skip
        record = header + struct.pack("<Q", xxh64(decoded)) + plain
        record += struct.pack("<Q", xxh64(record))
        envelope = struct.pack("<IHHII", MAGIC, 1, 0, MOST, 0)
        body = envelope + record
        self.put(note, kind, body + bytes(-len(body) & 7))
        self.digest += envelope + record[72:80] + record[-8:]
        self.decoded += decoded
        self.chunks += 1
        self.pages[0] += zero

    def totals(self, cut=False):
        body = struct.pack("<IHH6Q", MAGIC, 1, cut, self.chunks, len(self.decoded), *self.pages, xxh64(self.digest))
        self.put("COMPRESSED_TOTALS, cut" if cut else "COMPRESSED_TOTALS", 0x7FFF5247, body + struct.pack("<Q", xxh64(body)))

    def bytes(self):
        return b"".join(data for _, data in self.fields)

    def text(self):
        return "".join("%s # %s\n" % (data.hex(), note) for note, data in self.fields)


def guest(stream, static=True, context=True):
    if static:
        stream.untouched("STATIC_DATA_END", 0x10)
    page_data = struct.pack(stream.order + "IIIIQ", 1, 16 + PAGE, 1, 0, 7)
    # Bytes from the content, then a page of zeros.
    stream.chunk("COMPRESSED_PAGE_DATA: PAGE_DATA with pfn 7, a page of zeros", 0x7FFF5246, b"\xf1\x09\x13", page_data, page_data + bytes(PAGE), 1)
    if context:
        stream.untouched("HVM_CONTEXT", 0x09, b"context, 19 bytes..")
    return stream


def ended(stream, totals=True):
    if totals:
        stream.totals()
    stream.untouched("END", 0)
    return stream


def behind(stream, text=b"bytes behind END", cut=True):
    stream.chunk("COMPRESSED_BYTES", 0x7FFF5249, bytes([0xF1, len(text) - 15]), text, text)
    if cut:
        stream.totals(cut=True)
    return stream


def goldens():
    yield "marked", ended(guest(Builder()))
    yield "marked-big-endian", ended(guest(Builder(order=">")))
    yield "version-1", ended(guest(Builder(marked=False)))
    stream = ended(guest(Builder(behind_end=True)))
    yield "behind-end", behind(stream)
    stream = ended(guest(Builder(behind_end=True)))
    stream.totals(cut=True)
    yield "nothing-behind-end", stream


def refused():
    good = ended(guest(Builder())).bytes()
    yield "bit-missing", "the bit of the image header is missing", good[:16] + b"\0" + good[17:]
    yield "record-missing", "the marking record is missing", good[:40] + good[72:]
    yield "record-twice", "the marking record stands twice", good[:72] + good[40:]
    yield "record-an-end", "zeros in the place of the marking record's header", good[:40] + bytes(8) + good[48:]
    yield "totals-missing", "END without totals", ended(guest(Builder()), totals=False).bytes()
    yield "no-static-data-end", "END without STATIC_DATA_END", ended(guest(Builder(), static=False)).bytes()
    yield "no-context", "END without HVM_CONTEXT", ended(guest(Builder(), context=False)).bytes()
    yield "no-cut-totals", "bytes behind END without totals behind them", behind(ended(guest(Builder(behind_end=True))), cut=False).bytes()
    yield "flag-but-nothing", "flag 0 of the mark, and the stream ends at END", ended(guest(Builder(behind_end=True))).bytes()


def main(directory):
    os.makedirs(directory, exist_ok=True)
    for name, stream in goldens():
        with open(os.path.join(directory, name + ".hex"), "w") as file:
            file.write(stream.text())
        with open(os.path.join(directory, name + ".expected"), "w") as file:
            file.write("%s %d\n" % (hashlib.sha256(stream.decoded).hexdigest(), len(stream.decoded)))
    with open(os.path.join(directory, "refused.txt"), "w") as file:
        file.write("# Each stream breaks one rule of docs/FORMAT.md; all checksums hold.\n")
        for name, rule, data in refused():
            file.write("\n# %s\n%s %s\n" % (rule, name, data.hex()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_golden_xen.py DIRECTORY")
    main(sys.argv[1])
