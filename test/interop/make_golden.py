#!/usr/bin/env python3
"""Writes the golden native streams of test/golden/native-v1, field by field from docs/FORMAT.md.

    python3 make_golden.py DIRECTORY

NAME.hex is a stream as hex text (`#` begins a comment), NAME.expected is "SHA-256 LENGTH" of what it decodes to.
refused.txt holds streams that break one rule each while all their checksums hold: "NAME HEX" lines below a comment
that tells the rule. The encodings are spelt out by hand, and what they decode to is made independently of the
operations. Only zlib's bodies and that of zstd.hex come from an encoder, so another version of zlib or zstd may
write other bytes there that are just as good.
"""

import hashlib
import os
import struct
import subprocess
import sys
import zlib

from decode import MAGIC, PAGE, xxh64

NONE, LZ4, ZSTD, ZLIB = 1, 2, 3, 4
CODEC_NAMES = {NONE: "none", LZ4: "lz4", ZSTD: "zstd", ZLIB: "zlib"}
UNKNOWN = (1 << 64) - 1


def leb(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value):
    return leb(2 * value if value >= 0 else -2 * value - 1)


def start(kind, count):
    return bytes([kind | min(count, 15) << 4]) + (leb(count - 15) if count >= 15 else b"")


def op_bytes(count):
    return ("bytes %d" % count, start(1, count), (0, 0, 0))


def op_literal(count):
    return ("literal %d" % count, start(2, count), (0, count, 0))


def op_zero(count):
    return ("zero %d" % count, start(3, count), (count, 0, 0))


def op_duplicate(count, distance):
    return ("duplicate %d, distance %d" % (count, distance), start(4, count) + leb(distance), (0, 0, count))


def op_store(kind, count, slot):
    """same, stored or keep; slot: as the difference to the slot that was expected."""
    name, number = {"same": ("same", 9), "stored": ("stored", 10), "keep": ("keep", 12)}[kind]
    pages = {"same": (0, 0, 0, count, 0), "stored": (0, 0, count), "keep": (0, 0, 0)}[kind]
    return ("%s %d: slot %+d" % (name, count, slot), start(number, count) + signed(slot), pages)


def op_delta(*places):
    """places: (slot as a difference, bytes of the delta)."""
    data = start(11, len(places)) + b"".join(signed(slot) + leb(size) for slot, size in places)
    note = "delta %d: " % len(places) + "; ".join("slot %+d, %d bytes" % place for place in places)
    return (note, data, (0, 0, 0, 0, len(places)))


def op_progression(order, count, high, low, stride=None):
    steps = [] if stride is None else [stride]
    data = start(5 if order == "LE" else 6, count) + b"".join(map(signed, [high, low, *steps]))
    note = "progression %s %d: high %+d, low %+d" % (order, count, high, low)
    return (note + ("" if stride is None else ", stride %+d" % stride), data, (0, 0, 0))


def op_list(order, high, low, differences):
    count = 1 + len(differences)
    data = start(7 if order == "LE" else 8, count) + b"".join(map(signed, [high, low, *differences]))
    note = "list %s %d: high %+d, low %+d" % (order, count, high, low)
    return (note + "".join(", %+d" % step for step in differences), data, (0, 0, 0))


def op_odd(note, data, pages=(0, 0, 0)):
    """An operation that no writer should make."""
    return (note, data, pages)


class Stream:
    """Collects the fields of one stream, each with its comment."""

    def __init__(self, title, total=None, window=1, most=1 << 20, **other):
        self.fields = [("section", title)]
        self.decoded = b""
        self.chunks = {}
        self.record_bytes = 0
        self.put_header(total, window, most, **other)

    def field(self, note, data):
        self.fields.append((note, data))
        return data

    def record(self, title, layout, values, notes):
        """The fields of one fixed layout; returns their bytes."""
        self.fields.append(("section", title))
        data = b""
        for kind, value, note in zip(layout.split(), values, notes):
            shown = "%s = %s" % (note, "not known" if value == UNKNOWN else value) if isinstance(value, int) and note != "must be 0" else note
            data += self.field(shown, struct.pack("<" + kind, value))
        return data

    def put_header(self, total, window, most, **other):
        values = dict(
            magic=MAGIC, version=1, length=64, features=0, checksum=1, grammar=2, page=12, most=most, window=window,
            zero1=0, store=0, total=UNKNOWN if total is None else total, zero2=0,
        )
        values.update(other)
        notes = [
            "magic", "version", "length of this header", "features", "checksum kind: XXH64", "grammar", "log2 of the page size",
            "most decoded bytes of a chunk", "window", "must be 0", "page store", "length of the decoded stream", "must be 0",
        ]
        data = self.record("stream header", "8s H H I B B H I I I Q Q Q", values.values(), notes)
        self.field("XXH64 of the 56 bytes above", struct.pack("<Q", xxh64(data)))

    def put_chunk(self, sequence, position, operations, content, decoded, codec=NONE, body=None, **other):
        """operations: list of op_*; content: list of (note, bytes); body: list of (note, bytes) when codec is not none."""
        program = b"".join(data for _, data, _ in operations)
        plain = program + b"".join(data for _, data in content)
        if body is None:
            body = [("operation: " + note, data) for note, data, _ in operations] + content
        encoded = b"".join(data for _, data in body)
        pages = [sum((*op[2], 0, 0)[index] for op in operations) for index in range(5)]
        values = dict(
            type=1, body_length=len(encoded), sequence=sequence, needs=0, position=position, decoded_length=len(decoded),
            plain_length=len(plain), operations_length=len(program), codec=codec, zero1=b"", zero=pages[0],
            literal=pages[1], duplicate=pages[2], same=pages[3], delta=pages[4], zero2=b"", decoded_checksum=xxh64(decoded),
        )
        tampered = {key: other.pop(key) for key in ("record_checksum",) if key in other}
        values.update(other)
        notes = [
            "record type", "length of the body", "sequence number", "needs", "position", "decoded length", "plain length",
            "length of the operations", "codec: " + CODEC_NAMES.get(codec, "?"), "must be 0", "zero pages", "literal pages",
            "duplicate pages", "same pages", "delta pages", "must be 0", "XXH64 of the decoded bytes",
        ]
        title = "chunk record %d" % sequence
        data = self.record(title, "I I Q Q Q I I I B 3s I I I I I 4s Q", values.values(), notes)
        self.fields[-1] = (notes[-1], self.fields[-1][1])
        for note, part in body:
            self.field(note, part)
        data += encoded
        checksum = tampered.get("record_checksum", xxh64(data))
        self.field("XXH64 of this record above", struct.pack("<Q", checksum))
        self.record_bytes += len(data) + 8
        self.chunks[sequence] = (decoded, values, checksum)
        return self

    def put_end(self, **other):
        chunks = [self.chunks[sequence] for sequence in sorted(self.chunks)]
        self.decoded = b"".join(decoded for decoded, _, _ in chunks)
        digest = xxh64(b"".join(struct.pack("<QQ", values["decoded_checksum"], checksum) for _, values, checksum in chunks))
        values = dict(
            type=2, length=80, chunks=len(chunks), decoded=len(self.decoded), records=self.record_bytes,
            zero=sum(values["zero"] for _, values, _ in chunks), literal=sum(values["literal"] for _, values, _ in chunks),
            duplicate=sum(values["duplicate"] for _, values, _ in chunks), digest=digest, reserved=0,
        )
        checksum = other.pop("end_checksum", None)
        values.update(other)
        notes = [
            "record type", "length of this record", "number of chunks", "decoded bytes", "bytes of all chunk records",
            "zero pages", "literal pages", "duplicate pages", "digest", "must be 0",
        ]
        data = self.record("END record", "I I Q Q Q Q Q Q Q Q", values.values(), notes)
        self.fields[-2] = ("digest", self.fields[-2][1])
        self.field("XXH64 of the 72 bytes above", struct.pack("<Q", xxh64(data) if checksum is None else checksum))
        return self

    def bytes(self):
        return b"".join(data for _, data in self.fields if isinstance(data, bytes))

    def text(self):
        lines = []
        for note, data in self.fields:
            if note == "section":
                lines += ["", "# " + data] if lines else ["# " + data]
                continue
            rows = [data[at : at + 32].hex(" ") for at in range(0, len(data), 32)]
            lines.append("%-24s# %s" % (rows[0] + " ", note))
            lines += rows[1:]
        return "\n".join(lines) + "\n"


# ---- Contents ----------------------------------------------------------------------------------------------


def page(seed):
    """A page in which every 32-byte row differs from its neighbours."""
    return b"".join(bytes([seed, row]) + bytes((seed + 3 * row + 5 * column) & 255 for column in range(30)) for row in range(128))


def words(order, *values):
    return b"".join(struct.pack("<Q" if order == "LE" else ">Q", value) for value in values)


def lz4_block():
    """op bytes 49, literal 1 + 49 times the skeleton 'ab' pattern + a page of 0x5A, as one LZ4 block by hand."""
    skeleton = b"ab" * 24 + b"!"
    operations = [op_bytes(len(skeleton)), op_literal(1)]
    content = [("skeleton", skeleton), ("page", b"\x5a" * PAGE)]
    program = b"".join(data for _, data, _ in operations)  # f1 22 12
    assert program == bytes.fromhex("f1 22 12")
    last = 5
    rest = PAGE - 1 - last  # the page's first byte and its last five are literals
    block = [
        ("lz4: 5 literals, then a match of 15 + 27 + 4 bytes", b"\x5f"),
        ("literals: the operations and 'ab'", program + b"ab"),
        ("offset 2: the match overlaps itself", b"\x02\x00"),
        ("match length: 15 + 27 + 4 = 46", bytes([27])),
        ("2 literals, then a long match", b"\x2f"),
        ("literals: '!' and the page's first byte", b"!\x5a"),
        ("offset 1", b"\x01\x00"),
        ("match length %d: 15 + 255 * 15 + %d + 4" % (rest, rest - 19 - 255 * 15), b"\xff" * 15 + bytes([rest - 19 - 255 * 15])),
        ("last sequence: 5 literals", b"\x50"),
        ("literals: the page's end", b"\x5a" * last),
    ]
    return operations, content, skeleton + b"\x5a" * PAGE, block


def zstd_by_hand():
    """A frame of a raw block and an RLE block: a page of 0xC3 behind the operation."""
    operations = [op_literal(1)]
    content = [("page", b"\xc3" * PAGE)]
    frame = [
        ("zstd: magic", bytes.fromhex("28 b5 2f fd")),
        ("frame header: single segment, content size of 2 bytes", b"\x60"),
        ("content size: 4097 - 256", struct.pack("<H", 1 + PAGE - 256)),
        ("block: raw, 1 byte", (1 << 3 | 0 << 1).to_bytes(3, "little")),
        ("the operation: literal 1", b"\x12"),
        ("block: last, RLE, 4096 bytes", (PAGE << 3 | 1 << 1 | 1).to_bytes(3, "little")),
        ("the byte", b"\xc3"),
    ]
    return operations, content, b"\xc3" * PAGE, frame


def by_zlib(plain):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(plain) + deflate.flush()


def by_zstd(plain):
    command = ["zstd", "-q", "-c", "-3", "--no-check", "--stream-size=%d" % len(plain)]
    return subprocess.run(command, input=plain, stdout=subprocess.PIPE, check=True).stdout


def plain_of(operations, content):
    return b"".join(data for _, data, _ in operations) + b"".join(data for _, data in content)


def single(title, operations, content, decoded, codec=NONE, body=None, **other):
    """A stream of one chunk whose length was known."""
    stream = Stream(title, total=len(decoded), **other)
    return stream.put_chunk(0, 0, operations, content, decoded, codec, body).put_end()


def store_example():
    stream = Stream("the worked example of the page store in docs/FORMAT.md", store=4 * PAGE, grammar=4)
    a, b, c = page(1), page(2), page(3)
    first = a + b + c
    stream.put_chunk(
        0, 0, [op_literal(2), op_store("keep", 2, 0), op_literal(1), op_store("keep", 1, 1)],
        [("page A", a), ("page B", b), ("page C", c)], first,
    )
    changed = b[:10] + b"delta" + b[15:4000] + b"!" + b[4001:]
    delta = b"\x0a\x05delta" + leb(4000 - 15) + b"\x01!"
    second = a + changed + c + b"--" + bytes(PAGE)
    stream.put_chunk(
        1, len(first), [op_store("same", 1, 0), op_delta((0, len(delta))), op_store("stored", 1, 1), op_bytes(2), op_zero(1)],
        [("delta: equal 10, differ 5: 'delta'; equal 3985, differ 1: '!'", delta), ("skeleton", b"--")], second, needs=1,
    )
    stream.put_chunk(2, len(first + second), [op_store("same", 2, 0)], [], a + changed, needs=2)
    return stream.put_end()


def goldens():
    yield "empty", Stream("no chunks at all", total=0).put_end()

    hello = b"hello, ramferry"
    yield "worked-example", single(
        "the worked example of docs/FORMAT.md",
        [op_bytes(4), op_zero(2), op_progression("LE", 3, 1, 0x20, 2), op_list("BE", -1, 4, [-9])],
        [("skeleton 'RAM:'", b"RAM:")],
        b"RAM:" + bytes(2 * PAGE) + words("LE", 0x100000020, 0x100000022, 0x100000024) + words("BE", 0x28, 0x1F),
    )
    wrong = Stream("the length in the header is the most that the stream may have: here it has less", total=6)
    yield "length-hint", wrong.put_chunk(0, 0, [op_bytes(5)], [("skeleton", b"hello")], b"hello").put_end()
    yield "bytes", single("skeleton bytes only", [op_bytes(5), op_bytes(10)], [("skeleton", hello[:5]), ("skeleton", hello[5:])], hello)

    # 15 is the smallest count behind which a number follows (0); 15 + 128 is the first whose number takes two bytes.
    long = bytes(range(143))
    yield "counts", single("counts of 14, 15 + 0 and 15 + 1", [op_bytes(14), op_bytes(15), op_bytes(16)], [("skeleton", long[:45])], long[:45])
    yield "counts-two-bytes", single("a count of 15 + 128, whose number takes two bytes", [op_bytes(143)], [("skeleton", long)], long)

    yield "literal", single(
        "a page between skeleton bytes",
        [op_bytes(3), op_literal(1), op_bytes(2)],
        [("skeleton", b"abc"), ("page", page(7)), ("skeleton", b"de")],
        b"abc" + page(7) + b"de",
        grammar=3,
    )
    yield "zero", single("zero pages, 3 and 15 + 5", [op_zero(3), op_bytes(1), op_zero(20)], [("skeleton", b"x")], bytes(3 * PAGE) + b"x" + bytes(20 * PAGE), grammar=1)
    yield "duplicate", single(
        "duplicates: of the page before, and five that overlap themselves, across skeleton bytes",
        [op_literal(1), op_bytes(1), op_zero(1), op_duplicate(5, 2), op_bytes(1), op_duplicate(1, 2), op_duplicate(3, 1)],
        [("page", page(1)), ("skeleton", b"-"), ("skeleton", b"+")],
        # Pages, by number: 0 P, 1 zero, 2..6 P 0 P 0 P, 7 as 5 (zero), 8..10 as 7 (zero)
        page(1) + b"-" + bytes(PAGE) + (page(1) + bytes(PAGE)) * 2 + page(1) + b"+" + bytes(PAGE) * 4,
        grammar=3,
    )
    yield "progression-le", single("consecutive page numbers, little-endian", [op_progression("LE", 5, 1, 0x1000, 1)], [], words("LE", *range(0x100001000, 0x100001005)))
    yield "progression-be", single("addresses going down in steps of a page, big-endian", [op_progression("BE", 4, 0, 0x9000, -4096)], [], words("BE", 0x9000, 0x8000, 0x7000, 0x6000), grammar=4)
    yield "list-le", single("page numbers in any order, little-endian", [op_list("LE", 0, 500, [3, -64, 1000, 0])], [], words("LE", 500, 503, 439, 1439, 1439))
    yield "list-be", single("page numbers in any order, big-endian", [op_list("BE", 2, -1, [1, -1])], [], words("BE", 0x2FFFFFFFF, 0x200000000, 0x2FFFFFFFF))
    yield "words-carry", single(
        "one last word for all four kinds, modulo 2^32, without carry into the high half; count 1 has no stride",
        [
            op_progression("LE", 1, -1, -2),
            op_progression("BE", 3, 1, 1, 1),
            op_bytes(1),
            op_list("LE", 0x7FFFFFFF, -0x80000000, []),
            op_list("BE", -0x80000000, 0, [0x7FFFFFFF]),
            op_progression("LE", 16, 0, 1, 0x40000000),
        ],
        [("skeleton", b"|")],
        words("LE", 0xFFFFFFFFFFFFFFFE)
        + words("BE", 0x00000000FFFFFFFF, 0x0000000000000000, 0x0000000000000001)
        + b"|"
        + words("LE", 0x7FFFFFFF80000001)
        + words("BE", 0xFFFFFFFF80000001, 0xFFFFFFFF00000000)
        + words("LE", *[0xFFFFFFFF00000001 + 0x40000000 * (index % 4) for index in range(16)]),
    )

    operations, content, decoded, block = lz4_block()
    yield "lz4", single("an LZ4 block by hand", operations, content, decoded, LZ4, block)
    operations, content, decoded, frame = zstd_by_hand()
    yield "zstd-by-hand", single("a zstd frame by hand", operations, content, decoded, ZSTD, frame)

    text = b"".join(b"page %04d of %04d\n" % (row, 4096) for row in range(241))[:PAGE]
    operations = [op_bytes(6), op_literal(1), op_zero(1), op_duplicate(1, 2)]
    content = [("skeleton", b"front:"), ("page", text)]
    decoded = b"front:" + text + bytes(PAGE) + text
    plain = plain_of(operations, content)
    note = " of: " + "; ".join(op[0] for op in operations) + "; then 6 + 4096 bytes of content"
    yield "zlib", single("a raw deflate stream", operations, content, decoded, ZLIB, [("deflate" + note, by_zlib(plain))])
    yield "zstd", single("a frame of the zstd program", operations, content, decoded, ZSTD, [("zstd frame" + note, by_zstd(plain))])

    stream = Stream("window 2: the records 1, 0, 3, 2, 4; length unknown", window=2, most=4096)
    parts = [b"zero;", b"one;", b"two;", b"three;", b"four."]
    positions = [sum(map(len, parts[:index])) for index in range(5)]
    for index in (1, 0, 3, 2, 4):
        stream.put_chunk(index, positions[index], [op_bytes(len(parts[index]))], [("skeleton", parts[index])], parts[index])
    yield "window-2", stream.put_end()

    stream = Stream("window 3: the records 2, 1, 0, 3, 4; the last two need all that came before them", window=3, most=8)
    for index in (2, 1, 0, 3, 4):
        # The last word begins at 0 again in every chunk.
        needs = index if index > 2 else 0
        stream.put_chunk(index, 8 * index, [op_progression("LE", 1, 0, index + 1)], [], words("LE", index + 1), needs=needs)
    yield "window-3-needs", stream.put_end()

    yield "store", store_example()

    stream = Stream("window 2 and a page store: chunk 1, which needs chunk 0, and chunk 2, which needs both, are told in order", window=2, store=PAGE, most=PAGE)
    stream.put_chunk(0, 0, [op_literal(1), op_store("keep", 1, 0)], [("page", page(9))], page(9))
    stream.put_chunk(1, PAGE, [op_delta((0, 3))], [("equal 5, differ 1: 'x'", b"\x05\x01x")], page(9)[:5] + b"x" + page(9)[6:], needs=1)
    stream.put_chunk(2, 2 * PAGE, [op_store("same", 1, 0)], [], page(9)[:5] + b"x" + page(9)[6:], needs=2)
    yield "store-window", stream.put_end()

    operations, content, decoded, block = lz4_block()
    stream = Stream("a chunk of each codec; the first is as long as announced", window=256, most=64 << 10, grammar=3)
    stream.put_chunk(0, 0, [op_zero(16)], [], bytes(16 * PAGE))
    stream.put_chunk(1, 16 * PAGE, operations, content, decoded, LZ4, block)
    position = 16 * PAGE + len(decoded)
    operations, content, decoded, frame = zstd_by_hand()
    stream.put_chunk(2, position, operations, content, decoded, ZSTD, frame)
    position += len(decoded)
    operations, content = [op_bytes(15 + 4000)], [("skeleton", b"." * 4015)]
    stream.put_chunk(3, position, operations, content, b"." * 4015, ZLIB, [("deflate", by_zlib(plain_of(operations, content)))])
    yield "mixed", stream.put_end()


# ---- Streams that must be refused --------------------------------------------------------------------------

WORD8 = words("LE", 1)


def broken_header(**other):
    return Stream("", total=0, **other).put_end()


def broken_chunk(operations=None, content=b"hello", decoded=b"hello", codec=NONE, body=None, most=1 << 20, **other):
    stream = Stream("", most=most)
    operations = [op_bytes(5)] if operations is None else operations
    stream.put_chunk(0, 0, operations, [("", content)], decoded, codec, None if body is None else [("", body)], **other)
    return stream.put_end()


def broken_store(*operations, content=b"", pages=1, needs=1, **other):
    """Slot 0 holds a page; the second chunk is at fault."""
    stream = Stream("", store=4 * PAGE)
    stream.put_chunk(0, 0, [op_literal(1), op_store("keep", 1, 0)], [("", page(1))], page(1))
    operations = operations or (op_store("same", 1, 0),)
    stream.put_chunk(1, PAGE, list(operations), [("", content)] if content else [], page(1) * pages, needs=needs, **other)
    return stream.put_end()


def broken_operations(*operations, content=b"", decoded=b"", **other):
    return broken_chunk([op_odd("", data, pages) for data, pages in operations], content, decoded, **other)


def broken_end(**other):
    return Stream("").put_chunk(0, 0, [op_bytes(5)], [("", b"hello")], b"hello").put_end(**other)


def broken_codec(codec, body, plain_length=None):
    """A literal page of 0xC3 whose encoded form is at fault."""
    other = {} if plain_length is None else {"plain_length": plain_length}
    return broken_chunk([op_literal(1)], b"\xc3" * PAGE, b"\xc3" * PAGE, codec, body, **other)


def sequences(window, *order, count=None, positions=None, needs=()):
    """Chunks of one byte each, in this order."""
    stream = Stream("", window=window, most=16)
    for place, index in enumerate(order):
        at = index if positions is None else positions[place]
        wanted = {"needs": needs[place]} if needs else {}
        stream.put_chunk(index, at, [op_bytes(1)], [("", bytes([65 + index % 26]))], bytes([65 + index % 26]), **wanted)
    return stream.put_end(**({} if count is None else {"chunks": count, "decoded": count}))


def refused():
    none = (0, 0, 0)
    good = broken_end().bytes()
    yield "nothing", "an empty input", b""
    yield "magic", "the magic has its line end changed", broken_header(magic=MAGIC[:4] + b"\n\x1a\n\n")
    yield "version", "version 2", broken_header(version=2)
    yield "header-length", "length of the header 72", broken_header(length=72)
    yield "features", "a feature that the reader does not know", broken_header(features=1)
    yield "checksum-kind-0", "checksum kind 0", broken_header(checksum=0)
    yield "checksum-kind-2", "checksum kind 2", broken_header(checksum=2)
    yield "grammar-0", "grammar 0", broken_header(grammar=0)
    yield "page-size", "pages of 8192 bytes", broken_header(page=13)
    yield "most-0", "chunks of at most 0 bytes", broken_header(most=0)
    yield "most-64m-1", "chunks of up to 64 MiB + 1", broken_header(most=(64 << 20) + 1)
    yield "window-0", "window 0", broken_header(window=0)
    yield "window-257", "window 257", broken_header(window=257)
    yield "header-reserved-28", "reserved field at 28", broken_header(zero1=1)
    yield "header-reserved-48", "reserved field at 48", broken_header(zero2=1)
    yield "page-store-part", "a page store of half a page", broken_header(store=2048)
    yield "page-store-large", "a page store of 2^20 pages", broken_header(store=4096 << 20)
    longer = Stream("longer than the header says", total=4)
    yield "length-exceeded", "a chunk ends beyond the length in the header", longer.put_chunk(
        0, 0, [op_bytes(5)], [("skeleton", b"hello")], b"hello"
    ).put_end()
    yield "header-checksum", "checksum of the stream header", good[:60] + bytes([good[60] ^ 1]) + good[61:]

    yield "record-type-0", "record type 0", broken_chunk(type=0)
    yield "record-type-3", "record type 3", broken_chunk(type=3)
    yield "needs-itself", "a chunk needs itself", sequences(1, 0, needs=(1,))
    yield "position", "the second chunk leaves a gap", sequences(1, 0, 1, positions=(0, 2))
    yield "position-first", "the first chunk does not begin at 0", sequences(1, 0, positions=(1,))
    yield "position-waiting", "a chunk that waits for its turn is not at its position", sequences(2, 1, 0, positions=(2, 0))
    yield "sequence-twice", "sequence number 0 twice", sequences(2, 0, 0, count=2)
    yield "sequence-twice-waiting", "sequence number 1 twice while it waits", sequences(4, 1, 1, 0)
    yield "sequence-gap", "sequence number 1 never comes", sequences(2, 0, 2)
    yield "sequence-gap-count", "sequence number 0 never comes", sequences(2, 1)
    yield "window-1-reordered", "window 1, but out of order", sequences(1, 1, 0)
    yield "window-2-too-early", "window 2, but a record two places early", sequences(2, 2, 0, 1)
    yield "window-2-missing-long", "window 2: 0 comes after 2, though no record is more than one place early", sequences(2, 1, 2, 0)
    yield "decoded-length-0", "a chunk of no bytes", broken_chunk(decoded=b"", decoded_length=0)
    yield "decoded-length-most", "more decoded bytes than announced", broken_chunk(most=4)
    yield "plain-length-7", "plain length = decoded length + 7", broken_operations(*[(start(1, 1), none)] * 7, content=b"seven77", decoded=b"seven77", operations_length=7)
    yield "operations-length-0", "no operations", broken_chunk([], operations_length=0)
    yield "operations-length-plain", "operations longer than the plain body", broken_chunk(operations_length=7)
    yield "codec-0", "codec 0", broken_chunk(codec=0)
    yield "codec-5", "codec 5", broken_chunk(codec=5)
    yield "chunk-reserved-45", "reserved field at 45", broken_chunk(zero1=b"\0\0\1")
    yield "chunk-reserved-68", "reserved field at 68", broken_chunk(zero2=b"\1")
    yield "same-no-store", "a page that is the same, and no page store", broken_operations((start(9, 1) + b"\0", (0, 0, 0, 1)), decoded=bytes(PAGE))
    yield "same-pages", "same pages of a chunk", broken_store(same=3)
    yield "delta-pages", "delta pages of a chunk", broken_store(delta=2)
    yield "slot-beyond", "a slot beyond the page store", broken_store(op_store("same", 1, 4))
    yield "slot-below", "a slot below 0", broken_store(op_store("same", 1, -1))
    yield "slots-beyond", "slots of which the last is beyond the page store", broken_store(op_store("stored", 2, 3), pages=2)
    yield "slot-not-written", "a slot that no chunk has written", broken_store(op_store("same", 1, 2))
    yield "slot-not-waited-for", "a slot written by a chunk that is not waited for", broken_store(op_store("same", 1, 0), needs=0)
    yield "keep-nothing", "a page is kept before there is one", broken_store(op_store("keep", 1, 0), op_zero(1))
    yield "keep-beyond", "a page is kept beyond the page store", broken_store(op_literal(1), op_store("keep", 1, 4), content=page(5))
    yield "keep-twice", "one page that is kept twice", broken_store(op_literal(1), op_store("keep", 1, 1), op_store("keep", 1, 0), content=page(1))
    yield "delta-empty", "an empty delta", broken_store(op_delta((0, 0)))
    yield "delta-overrun", "a delta that overruns its page", broken_store(op_delta((0, 4)), content=b"\xff\x1f\x02x")
    yield "delta-cut", "a delta that ends inside a run", broken_store(op_delta((0, 3)), content=b"\x05\x02x")
    yield "delta-empty-run", "a delta with an empty run", broken_store(op_delta((0, 2)), content=b"\x05\x00")
    yield "delta-content", "a delta longer than the content", broken_store(op_delta((0, 9)), content=b"\x05\x01x")
    yield "delta-not-written", "a delta to a slot that no chunk has written", broken_store(op_delta((1, 3)), content=b"\x05\x01x")
    yield "decoded-checksum", "checksum of the decoded bytes", broken_chunk(decoded_checksum=xxh64(b"hallo"))
    yield "record-checksum", "checksum of a record", broken_chunk(record_checksum=1)
    yield "zero-pages", "zero pages of a chunk", broken_chunk(zero=1)
    yield "literal-pages", "literal pages of a chunk", broken_chunk(literal=1)
    yield "duplicate-pages", "duplicate pages of a chunk", broken_chunk(duplicate=1)
    yield "body-length-none", "codec none, and a body shorter than the plain body", broken_chunk(plain_length=7)
    yield "cut-header", "cut off in the stream header", good[:63]
    yield "cut-between", "cut off between records: no END", good[:-80]
    yield "cut-chunk", "cut off in a chunk record", good[:-81]
    yield "cut-end", "cut off in END", good[:-1]

    yield "kind-0", "an operation of kind 0", broken_operations((b"\x10", none), decoded=b"h")
    yield "kind-13", "an operation of kind 13", broken_operations((b"\x1d", none), content=b"h", decoded=b"h")
    yield "kind-15", "an operation of kind 15", broken_operations((b"\x1f", none), content=b"h", decoded=b"h")
    yield "count-0", "count 0", broken_operations((b"\x01", none), (b"\x11", none), content=b"h", decoded=b"h")
    yield "count-cut", "the operations end inside a count", broken_operations((b"\xf1", none), content=b"h" * 20, decoded=b"h" * 20)
    yield "number-not-shortest", "a number with a byte too many", broken_operations((b"\xf1\x80\x00", none), content=b"h" * 15, decoded=b"h" * 15)
    yield "number-2-32", "a number of 2^32", broken_operations((b"\x35" + leb(1 << 32) + b"\0\0", none), decoded=words("LE", 1 << 63, 1 << 63, 1 << 63))
    yield "number-six-bytes", "a number of six bytes", broken_operations((b"\x35\x80\x80\x80\x80\x80\x01\0\0", none), decoded=bytes(24))
    yield "count-huge", "a count of 15 + 2^32 - 1 zero pages", broken_operations((start(3, 14 + (1 << 32)), none), decoded=b"h")
    yield "operations-too-much", "more than the decoded length", broken_operations((b"\x61", none), content=b"hello!", decoded=b"hello")
    yield "operations-too-little", "less than the decoded length", broken_operations((b"\x41", none), content=b"hell", decoded=b"hello")
    yield "content-left", "content left over", broken_operations((b"\x41", none), content=b"hell!", decoded=b"hell")
    yield "content-missing", "content missing", broken_operations((b"\x51", none), content=b"hell", decoded=b"hello")
    yield "duplicate-distance-0", "a duplicate of itself", broken_operations((start(3, 1) + start(4, 1) + leb(0), (1, 0, 1)), decoded=bytes(2 * PAGE))
    yield "duplicate-before-chunk", "a duplicate of a page before the chunk", broken_operations((start(3, 1) + start(4, 1) + leb(2), (1, 0, 1)), decoded=bytes(2 * PAGE))
    yield "stride-of-one", "a progression of one word with a stride", broken_operations((start(5, 1) + b"\x02\x02\x02", none), decoded=words("LE", 1 << 32 | 1))
    yield "stride-missing", "a progression without its stride", broken_operations((start(5, 2) + b"\x02\x02", none), decoded=bytes(16))
    yield "list-cut", "a list without its last difference", broken_operations((start(7, 3) + b"\x02\x02\x02", none), decoded=bytes(24))

    plain = plain_of([op_literal(1)], [("", b"\xc3" * PAGE)])
    deflated = by_zlib(plain)
    yield "zlib-rest", "a byte left over behind the deflate stream", broken_codec(ZLIB, deflated + b"\0")
    yield "zlib-cut", "a deflate stream without its end", broken_codec(ZLIB, deflated[:-1])
    yield "zlib-wrapped", "a deflate stream with the zlib wrapper", broken_codec(ZLIB, zlib.compress(plain))
    yield "zlib-longer", "a deflate stream that goes on after the plain length", broken_codec(ZLIB, by_zlib(plain + b"\xc3"))
    yield "zlib-shorter", "a deflate stream that ends before the plain length", broken_codec(ZLIB, by_zlib(plain[:-1]))
    frame = b"".join(data for _, data in zstd_by_hand()[3])
    sized = frame[:5] + struct.pack("<H", 1 + PAGE - 256 + 1) + frame[7:]
    unsized = bytes.fromhex("28b52ffd 00 58") + frame[7:]
    yield "zstd-rest", "a byte left over behind the zstd frame", broken_codec(ZSTD, frame + b"\0")
    yield "zstd-two-frames", "a second, empty zstd frame", broken_codec(ZSTD, frame + bytes.fromhex("28b52ffd 20 00 010000"))
    yield "zstd-skippable", "a skippable frame behind the zstd frame", broken_codec(ZSTD, frame + bytes.fromhex("502a4d18 00000000"))
    yield "zstd-cut", "a zstd frame without its end", broken_codec(ZSTD, frame[:-1])
    yield "zstd-content-size", "a content size that is not the plain length", broken_codec(ZSTD, sized)
    yield "zstd-no-content-size", "a zstd frame without its content size", broken_codec(ZSTD, unsized)
    yield "zstd-dictionary", "a zstd frame that names a dictionary", broken_codec(ZSTD, frame[:4] + b"\x61\x07" + frame[5:])
    # A raw block with the operation, an RLE block of 13 bytes: 14 bytes for 14.
    equal = bytes.fromhex("28b52ffd 20 0e 080000 d1 6b0000 68")
    yield "zstd-not-shorter", "a zstd body that is as long as the plain body", broken_chunk([op_bytes(13)], b"h" * 13, b"h" * 13, ZSTD, equal)
    block = bytes.fromhex("2f 12c3 0100") + b"\xff" * 15 + bytes([PAGE - 6 - 19 - 255 * 15]) + b"\x50" + b"\xc3" * 5
    yield "lz4-rest", "a byte left over behind the LZ4 block", broken_codec(LZ4, block + b"\0")
    yield "lz4-cut", "an LZ4 block without its last sequence", broken_codec(LZ4, block[:-6])
    yield "lz4-offset-0", "an LZ4 match with offset 0", broken_codec(LZ4, block[:3] + b"\0\0" + block[5:])
    yield "lz4-offset-3", "an LZ4 match before the block", broken_codec(LZ4, block[:3] + b"\3\0" + block[5:])
    yield "lz4-longer", "an LZ4 block that is longer than the plain length", broken_codec(LZ4, block[:-6] + b"\x60" + b"\xc3" * 6)
    yield "lz4-shorter", "an LZ4 block that is shorter than the plain length", broken_codec(LZ4, block[:20] + bytes([block[20] - 1]) + block[21:])
    yield "lz4-size-prefix", "an LZ4 block with a size before it", broken_codec(LZ4, struct.pack("<I", 1 + PAGE) + block)

    yield "end-length", "length of END", broken_end(length=72)
    yield "end-chunks", "number of chunks", broken_end(chunks=2)
    yield "end-decoded", "decoded bytes", broken_end(decoded=6)
    yield "end-records", "bytes of chunk records", broken_end(records=1)
    yield "end-zero", "zero pages in all", broken_end(zero=1)
    yield "end-literal", "literal pages in all", broken_end(literal=1)
    yield "end-duplicate", "duplicate pages in all", broken_end(duplicate=1)
    yield "end-digest", "digest", broken_end(digest=0)
    yield "end-reserved", "reserved field of END", broken_end(reserved=1)
    yield "end-checksum", "checksum of END", broken_end(end_checksum=0)
    yield "end-then-byte", "a byte behind END", good + b"\0"
    yield "end-then-stream", "a second stream behind END", good + good


def main(directory):
    os.makedirs(directory, exist_ok=True)
    for name, stream in goldens():
        with open(os.path.join(directory, name + ".hex"), "w") as file:
            file.write(stream.text())
        with open(os.path.join(directory, name + ".expected"), "w") as file:
            file.write("%s %d\n" % (hashlib.sha256(stream.decoded).hexdigest(), len(stream.decoded)))
    with open(os.path.join(directory, "refused.txt"), "w") as file:
        file.write("# Each stream breaks one rule of docs/FORMAT.md; where the rule is not about them, all checksums hold.\n")
        for name, rule, stream in refused():
            data = stream if isinstance(stream, bytes) else stream.bytes()
            file.write("\n# %s\n%s %s\n" % (rule, name, data.hex() or "-"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_golden.py DIRECTORY")
    main(sys.argv[1])
