#!/usr/bin/env python3
"""A second decoder of native ramferry streams, written from docs/FORMAT.md alone.

    python3 decode.py STREAM > OUT        (STREAM may be - for standard input)

It knows nothing of the TypeScript code and needs only Python 3.8 and, for chunks of that codec, the `zstd`
program. XXH64 and LZ4 blocks are decoded here. Chunks are written out as soon as their turn has come, so the
output counts only when the exit status is 0: the END record was then compared with everything received and
nothing followed it. Anything else ends with one line on standard error and status 1.
"""

import struct
import subprocess
import sys
import zlib

PAGE = 4096
MAGIC = bytes.fromhex("89524659 0d0a1a0a")
HEADER_BYTES = 64
CHUNK_HEADER_BYTES = 80
CHECKSUM_BYTES = 8
END_BYTES = 80
MOST_CHUNK_BYTES = 64 << 20
MOST_OPERATION_BYTES = 65536
MOST_WINDOW = 256
MOST_POSITION = (1 << 53) - 1
# A chunk waits for its turn in encoded form. The stream header has the limit of waiting chunks.
MOST_WAITING_BYTES = 4 << 30

NONE, LZ4, ZSTD, ZLIB = 1, 2, 3, 4
BYTES, LITERAL, ZERO, DUPLICATE, PROGRESSION_LE, PROGRESSION_BE, LIST_LE, LIST_BE = range(1, 9)
SAME, STORED, DELTA, KEEP = range(9, 13)
MOST_STORE_PAGES = (1 << 20) - 1
STORE_EXCESS = 4096


class Refused(Exception):
    """The input is not a whole, undamaged stream of version 1."""


def require(condition, message):
    if not condition:
        raise Refused(message)


# ---- XXH64 -------------------------------------------------------------------------------------------------

_M = (1 << 64) - 1
_P1 = 0x9E3779B185EBCA87
_P2 = 0xC2B2AE3D27D4EB4F
_P3 = 0x165667B19E3779F9
_P4 = 0x85EBCA77C2B2AE63
_P5 = 0x27D4EB2F165667C5


def _rotl(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & _M


def _round(lane, word):
    return _rotl((lane + word * _P2) & _M, 31) * _P1 & _M


def xxh64(data):
    """The 64-bit xxHash of data with seed 0, as an integer."""
    view = memoryview(data)
    length = len(view)
    stripes = length & ~31
    if stripes:
        # The loop is unrolled, since four calls of _round for each stripe would double the time of a whole decode.
        mask, p1, p2 = _M, _P1, _P2
        a, b, c, d = (_P1 + _P2) & _M, _P2, 0, -_P1 & _M
        for w, x, y, z in struct.iter_unpack("<4Q", view[:stripes]):
            a = (a + w * p2) & mask
            a = ((a << 31 | a >> 33) & mask) * p1 & mask
            b = (b + x * p2) & mask
            b = ((b << 31 | b >> 33) & mask) * p1 & mask
            c = (c + y * p2) & mask
            c = ((c << 31 | c >> 33) & mask) * p1 & mask
            d = (d + z * p2) & mask
            d = ((d << 31 | d >> 33) & mask) * p1 & mask
        value = (_rotl(a, 1) + _rotl(b, 7) + _rotl(c, 12) + _rotl(d, 18)) & _M
        for lane in (a, b, c, d):
            value = ((value ^ _round(0, lane)) * _P1 + _P4) & _M
    else:
        value = _P5
    value = (value + length) & _M
    at = stripes
    while at + 8 <= length:
        (word,) = struct.unpack_from("<Q", view, at)
        value = (_rotl(value ^ _round(0, word), 27) * _P1 + _P4) & _M
        at += 8
    if at + 4 <= length:
        (word,) = struct.unpack_from("<I", view, at)
        value = (_rotl(value ^ (word * _P1 & _M), 23) * _P2 + _P3) & _M
        at += 4
    for byte in view[at:]:
        value = _rotl(value ^ (byte * _P5 & _M), 11) * _P1 & _M
    value = (value ^ (value >> 33)) * _P2 & _M
    value = (value ^ (value >> 29)) * _P3 & _M
    return value ^ (value >> 32)


# ---- Codecs: body -> plain body of exactly the given length -------------------------------------------------


def decode_lz4(body, plain_length):
    """One LZ4 block, without frame or size prefix."""
    out = bytearray()
    at = 0
    end = len(body)

    def length_from(nibble):
        nonlocal at
        total = nibble
        while nibble == 15:
            require(at < end, "lz4: the block ends inside a length")
            total += body[at]
            at += 1
            if body[at - 1] != 255:
                break
        return total

    while True:
        require(at < end, "lz4: the block ends without a last run of literals")
        token = body[at]
        at += 1
        literals = length_from(token >> 4)
        require(literals <= end - at, "lz4: the block ends inside literals")
        require(literals <= plain_length - len(out), "lz4: the block is longer than the plain length")
        out += body[at : at + literals]
        at += literals
        if at == end:
            require(token & 15 == 0, "lz4: the last sequence announces a match")
            break
        require(end - at >= 2, "lz4: the block ends inside an offset")
        offset = body[at] | body[at + 1] << 8
        at += 2
        match = length_from(token & 15) + 4
        require(1 <= offset <= len(out), "lz4: a match begins before the block")
        require(match <= plain_length - len(out), "lz4: the block is longer than the plain length")
        pattern = bytes(out[len(out) - offset : len(out) - offset + match])
        out += (pattern * (match // len(pattern) + 1))[:match]
    require(len(out) == plain_length, "lz4: the block is shorter than the plain length")
    return bytes(out)


def decode_zlib(body, plain_length):
    """One deflate stream without wrapper."""
    inflate = zlib.decompressobj(-15)
    try:
        plain = inflate.decompress(body, plain_length)
        # A full output may leave the end-of-stream mark unread. One more byte of room shows whether more output follows.
        plain += inflate.decompress(inflate.unconsumed_tail, 1) if not inflate.eof else b""
    except zlib.error as error:
        raise Refused("zlib: %s" % error)
    require(inflate.eof, "zlib: the deflate stream does not end at the plain length")
    require(not inflate.unused_data, "zlib: bytes are left over behind the deflate stream")
    require(len(plain) == plain_length, "zlib: the plain length is not met")
    return plain


def check_zstd_frame(body, plain_length):
    """Walk over the blocks: one frame with its content size and no dictionary must fill the body exactly."""

    def field(at, size):
        require(at + size <= len(body), "zstd: the frame is cut off")
        return int.from_bytes(body[at : at + size], "little")

    require(field(0, 4) == 0xFD2FB528, "zstd: no frame begins here")
    descriptor = field(4, 1)
    at = 5
    single_segment = descriptor >> 5 & 1
    require(descriptor >> 3 & 1 == 0, "zstd: the reserved bit of the frame header is set")
    at += 0 if single_segment else 1
    dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
    require(field(at, dictionary_bytes) == 0, "zstd: the frame wants a dictionary")
    at += dictionary_bytes
    size_bytes = (single_segment, 2, 4, 8)[descriptor >> 6]
    require(size_bytes > 0, "zstd: the frame does not tell its content size")
    content = field(at, size_bytes) + (256 if size_bytes == 2 else 0)
    require(content == plain_length, "zstd: the content size is not the plain length")
    at += size_bytes
    last = 0
    while not last:
        block = field(at, 3)
        at += 3
        last, kind, size = block & 1, block >> 1 & 3, block >> 3
        require(kind != 3, "zstd: a block of the reserved type")
        at += 1 if kind == 1 else size
    at += 4 if descriptor >> 2 & 1 else 0
    require(at <= len(body), "zstd: the frame is cut off")
    require(at == len(body), "zstd: bytes are left over behind the frame")


def decode_zstd(body, plain_length):
    """One zstd frame, by the zstd program; its output is bounded because the frame tells a checked content size."""
    check_zstd_frame(body, plain_length)
    try:
        done = subprocess.run(
            ["zstd", "-d", "-c", "-q", "--no-progress"], input=body, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise Refused("zstd: the program cannot be run: %s" % error.strerror)
    require(done.returncode == 0, "zstd: %s" % done.stderr.decode("utf-8", "replace").strip())
    require(len(done.stdout) == plain_length, "zstd: the plain length is not met")
    return done.stdout


def decode_none(body, plain_length):
    return body


CODECS = {NONE: decode_none, LZ4: decode_lz4, ZSTD: decode_zstd, ZLIB: decode_zlib}


# ---- Plain body -> decoded bytes ---------------------------------------------------------------------------


class Operations:
    """The program at the front of a plain body: start bytes and the numbers behind them."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def more(self):
        return self.at < len(self.data)

    def byte(self):
        require(self.more(), "the operations end inside an operation")
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                require(byte != 0 or shift == 0, "a number of the operations is not in its shortest form")
                require(value < 1 << 32, "a number of the operations reaches 2^32")
                return value
        raise Refused("a number of the operations is longer than five bytes")

    def signed(self):
        number = self.number()
        return number >> 1 if number & 1 == 0 else -(number >> 1) - 1

    def start(self):
        byte = self.byte()
        count = byte >> 4
        require(count != 0, "an operation has count 0")
        if count == 15:
            count += self.number()
        return byte & 15, count


def apply_delta(page, delta):
    """The page that results from its earlier contents and a delta."""
    page = bytearray(page)
    at = done = 0

    def length():
        nonlocal at
        value = 0
        for shift in (0, 7):
            require(at < len(delta), "a delta ends inside a run")
            byte = delta[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                require(byte != 0 or shift == 0, "a length of a delta is not in its shortest form")
                return value
        raise Refused("a length of a delta is longer than two bytes")

    require(len(delta) > 0, "a delta is empty")
    while at < len(delta):
        equal, differ = length(), length()
        require(differ > 0 and (equal > 0 or done == 0), "a delta has an empty run")
        done += equal
        require(done + differ <= PAGE, "a delta overruns its page")
        require(differ <= len(delta) - at, "a delta ends inside a run")
        page[done : done + differ] = delta[at : at + differ]
        done += differ
        at += differ
    return bytes(page)


class Store:
    """The pages that chunks have kept, by slot, each with the chunk that wrote it."""

    def __init__(self, slots):
        self.slots = slots
        self.pages = {}

    def read(self, slot, needs):
        require(slot in self.pages, "slot %d was never written" % slot)
        page, writer = self.pages[slot]
        require(writer < needs, "slot %d was written by a chunk that is not waited for" % slot)
        return page


def run_operations(plain, operations_length, decoded_length, store=None, needs=0):
    """Produce the decoded bytes of one chunk; returns them, its counts of pages by kind, and its writes to the store."""
    operations = Operations(plain[:operations_length])
    content = memoryview(plain)[operations_length:]
    taken = 0
    out = bytearray()
    pages = []  # where in `out` each page of this chunk begins
    counts = {ZERO: 0, LITERAL: 0, DUPLICATE: 0}
    from_store = {SAME: 0, STORED: 0, DELTA: 0}
    literals = []  # where in `out` each literal page begins
    writes = []  # (slot, where its page begins in `out`)
    expected_slot = 0
    high = low = 0

    def slots_of(count):
        nonlocal expected_slot
        slot = expected_slot + operations.signed()
        require(0 <= slot and slot + count <= store.slots, "a slot is beyond the page store")
        expected_slot = slot + count
        return range(slot, slot + count)

    def write(slot, place):
        writes.append((slot, place))

    def room_for(size):
        require(size <= decoded_length - len(out), "the operations produce more than the decoded length")

    def take(size):
        nonlocal taken
        room_for(size)
        require(size <= len(content) - taken, "the operations want more content than there is")
        taken += size
        return content[taken - size : taken]

    while operations.more():
        kind, count = operations.start()
        if kind == BYTES:
            out += take(count)
        elif kind in counts:
            begin = len(out)
            if kind == LITERAL:
                out += take(count * PAGE)
                literals.extend(range(begin, begin + count * PAGE, PAGE))
            else:
                room_for(count * PAGE)
            if kind == ZERO:
                out += bytes(count * PAGE)
            elif kind == DUPLICATE:
                distance = operations.number()
                require(1 <= distance <= len(pages), "a duplicate refers to a page before the chunk, or to itself")
                for index in range(count):
                    # The first `distance` pages have stood before; later ones were produced just now.
                    source = pages[len(pages) - distance + index] if index < distance else begin + (index - distance) * PAGE
                    out += out[source : source + PAGE]
            pages.extend(range(begin, begin + count * PAGE, PAGE))
            counts[kind] += count
        elif kind in (PROGRESSION_LE, PROGRESSION_BE, LIST_LE, LIST_BE):
            room_for(count * 8)
            high = (high + operations.signed()) % (1 << 32)
            low = (low + operations.signed()) % (1 << 32)
            layout = "<Q" if kind in (PROGRESSION_LE, LIST_LE) else ">Q"
            is_list = kind in (LIST_LE, LIST_BE)
            stride = operations.signed() if not is_list and count > 1 else 0
            out += struct.pack(layout, high << 32 | low)
            for _ in range(count - 1):
                low = (low + (operations.signed() if is_list else stride)) % (1 << 32)
                out += struct.pack(layout, high << 32 | low)
        elif kind in from_store and store is not None:
            room_for(count * PAGE)
            pages.extend(range(len(out), len(out) + count * PAGE, PAGE))
            if kind == DELTA:
                for _ in range(count):
                    (slot,) = slots_of(1)
                    size = operations.number()
                    require(size <= len(content) - taken, "the operations want more content than there is")
                    taken += size
                    write(slot, len(out))
                    out += apply_delta(store.read(slot, needs), bytes(content[taken - size : taken]))
            else:
                for slot in slots_of(count):
                    out += store.read(slot, needs)
            from_store[kind] += count
        elif kind == KEEP and store is not None:
            require(count <= len(literals), "pages are kept that are not there")
            for slot, place in zip(slots_of(count), literals[-count:]):
                write(slot, place)
        else:
            raise Refused("there is no operation of kind %d" % kind)
    require(len(out) == decoded_length, "the operations do not reach the decoded length")
    require(taken == len(content), "content is left over")
    require(len(writes) <= len(pages), "more pages are put into the store than there are")
    duplicates = counts[DUPLICATE] + from_store[STORED]
    return out, (counts[ZERO], counts[LITERAL], duplicates, from_store[SAME], from_store[DELTA]), writes


# ---- The container -----------------------------------------------------------------------------------------


class Input:
    """The stream, read strictly forward."""

    def __init__(self, file):
        self.file = file
        self.position = 0

    def take(self, size, what):
        parts = []
        missing = size
        while missing:
            # The read is in pieces, so that a length from the stream allocates no more than the bytes that arrive.
            part = self.file.read(min(missing, 1 << 20))
            require(part, "the stream ends inside the %s (after %d bytes)" % (what, self.position))
            parts.append(part)
            missing -= len(part)
            self.position += len(part)
        return b"".join(parts)

    def at_end(self):
        return not self.file.read(1)


def stored_checksum(data, what):
    """data ends with the XXH64 of everything before it."""
    (stored,) = struct.unpack_from("<Q", data, len(data) - CHECKSUM_BYTES)
    require(xxh64(memoryview(data)[:-CHECKSUM_BYTES]) == stored, "the checksum of the %s is wrong" % what)
    return stored


def read_stream_header(source):
    """Returns (most decoded bytes of one chunk, window, the page store or None, most bytes of the stream)."""
    data = source.take(HEADER_BYTES, "stream header")
    require(data[:8] == MAGIC, "this is not a native ramferry stream: wrong magic")
    (version, length, features, checksum, grammar, page_bits, most, window, zero1, store, total, zero2) = struct.unpack(
        "<HHIBBHIIIQQQ", data[8:56]
    )
    # The version is checked before the checksum, since another version may have another header.
    require(version == 1, "version %d is unknown" % version)
    require(length == HEADER_BYTES, "the stream header claims a length of %d" % length)
    stored_checksum(data, "stream header")
    require(features == 0, "unknown features %#x are required" % features)
    require(checksum == 1, "checksum kind %d is unknown" % checksum)
    require(1 <= grammar <= 5, "grammar %d is unknown" % grammar)
    require(page_bits == 12, "pages of 2^%d bytes are unknown" % page_bits)
    require(1 <= most <= MOST_CHUNK_BYTES, "the most decoded bytes of a chunk, %d, are out of range" % most)
    require(1 <= window <= MOST_WINDOW, "the window, %d, is out of range" % window)
    require(zero1 == 0 and zero2 == 0, "a reserved field of the stream header is not 0")
    require(store % PAGE == 0 and store // PAGE <= MOST_STORE_PAGES, "a page store of %d bytes" % store)
    require((window + 1) * most <= MOST_WAITING_BYTES, "the stream may need more memory than this decoder gives")
    return most, window, Store(store // PAGE) if store else None, total


class Chunk:
    """One chunk record whose checksum holds; its body is still encoded."""

    def __init__(self, source, most, store):
        self.store = store
        begin = source.position
        header = source.take(CHUNK_HEADER_BYTES - 4, "header of a chunk record")
        header = struct.pack("<I", 1) + header
        (
            self.body_length,
            self.sequence,
            self.needs,
            self.position,
            self.decoded_length,
            self.plain_length,
            self.operations_length,
            self.codec,
            reserved,
            zero,
            literal,
            duplicate,
            same,
            delta,
            reserved2,
            self.decoded_checksum,
        ) = struct.unpack("<IQQQIIIB3sIIIIIIQ", header[4:])
        self.pages = (zero, literal, duplicate, same, delta)
        where = "in the chunk record at byte %d: " % (begin - 4)
        # Fields that bound memory are checked first, then the checksum, then the other fields.
        require(1 <= self.decoded_length <= most, where + "decoded length %d is out of range" % self.decoded_length)
        excess = 6 if store is None else STORE_EXCESS
        require(self.plain_length <= self.decoded_length + excess, where + "plain length %d is too much" % self.plain_length)
        require(self.body_length <= self.plain_length, where + "the body is longer than the plain body")
        rest = source.take(self.body_length + CHECKSUM_BYTES, "body of a chunk record")
        self.record_length = CHUNK_HEADER_BYTES + len(rest)
        self.record_checksum = stored_checksum(header + rest, "chunk record at byte %d" % (begin - 4))
        self.body = rest[: self.body_length]
        require(self.sequence <= MOST_POSITION, where + "the sequence number is out of range")
        require(self.position + self.decoded_length <= MOST_POSITION, where + "the position is out of range")
        require(self.needs <= self.sequence, where + "it needs %d chunks, itself among them" % self.needs)
        require(
            1 <= self.operations_length <= min(MOST_OPERATION_BYTES, self.plain_length),
            where + "length of the operations %d is out of range" % self.operations_length,
        )
        require(self.codec in CODECS, where + "codec %d is unknown" % self.codec)
        require(not any(reserved) and reserved2 == 0, where + "a reserved field is not 0")
        if self.codec == NONE:
            require(self.body_length == self.plain_length, where + "codec none, but the body is not the plain body")
        else:
            require(self.body_length < self.plain_length, where + "the codec did not make the body shorter")

    def decode(self):
        try:
            plain = CODECS[self.codec](self.body, self.plain_length)
            out, pages, writes = run_operations(
                plain, self.operations_length, self.decoded_length, self.store, self.needs
            )
            require(pages == self.pages, "the page counts are not those of the operations")
            require(xxh64(out) == self.decoded_checksum, "the checksum of the decoded bytes is wrong")
            for slot, place in writes:
                self.store.pages[slot] = (bytes(out[place : place + PAGE]), self.sequence)
        except Refused as refused:
            raise Refused("chunk %d: %s" % (self.sequence, refused))
        return out


def read_end_record(source, expected):
    """Compare the END record with what came before it; the input must end behind it."""
    data = struct.pack("<I", 2) + source.take(END_BYTES - 4, "END record")
    stored_checksum(data, "END record")
    length, *told, zero = struct.unpack("<I8Q", data[4:72])
    require(length == END_BYTES, "the END record claims a length of %d" % length)
    require(zero == 0, "the reserved field of the END record is not 0")
    names = ("chunks", "decoded bytes", "bytes of chunk records", "zero pages", "literal pages", "duplicate pages", "digest")
    for name, claim, found in zip(names, told, expected):
        require(claim == found, "END tells %s %d, received %d" % (name, claim, found))
    require(source.at_end(), "bytes follow the END record")


def decode_stream(file, write):
    """Decode one stream from a binary file; write is called with the decoded bytes in order."""
    source = Input(file)
    most, window, store, total = read_stream_header(source)
    waiting = {}  # chunks that arrived before their turn
    turn = 0  # the next chunk to decode; decoding in sequence satisfies all dependencies
    decoded = records = 0
    pages = [0, 0, 0]
    digest = bytearray()
    while True:
        (kind,) = struct.unpack("<I", source.take(4, "type of a record"))
        if kind == 2:
            break
        require(kind == 1, "there is no record of type %d (at byte %d)" % (kind, source.position - 4))
        chunk = Chunk(source, most, store)
        require(chunk.sequence >= turn and chunk.sequence not in waiting, "chunk %d came twice" % chunk.sequence)
        require(
            chunk.sequence < turn + window, "chunk %d came while chunk %d was missing" % (chunk.sequence, turn)
        )
        require(chunk.position + chunk.decoded_length <= total, "the stream is longer than its header says")
        records += chunk.record_length
        waiting[chunk.sequence] = chunk
        while turn in waiting:
            chunk = waiting.pop(turn)
            require(chunk.position == decoded, "chunk %d is not at its position in the stream" % turn)
            write(chunk.decode())
            decoded += chunk.decoded_length
            pages = [total + more for total, more in zip(pages, chunk.pages)]
            digest += struct.pack("<QQ", chunk.decoded_checksum, chunk.record_checksum)
            turn += 1
    require(not waiting, "chunk %d is missing" % turn)
    read_end_record(source, [turn, decoded, records, *pages, xxh64(digest)])


def main(arguments):
    if len(arguments) != 1:
        print("usage: decode.py STREAM > OUT    (STREAM may be -)", file=sys.stderr)
        return 1
    try:
        with sys.stdin.buffer if arguments[0] == "-" else open(arguments[0], "rb") as file:
            decode_stream(file, sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
    except (Refused, OSError) as error:
        print("decode.py: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
