// Mutations of compressed Xen streams that know the format. They change one of ramferry's records and make the checksums
// around it fit, or drop, repeat and exchange records.

import { Buffer } from 'node:buffer';

import { sealRange } from '../../src/chunk/checksum.js';
import { CHUNK_HEADER_BYTES } from '../../src/chunk/record.js';
import { ENVELOPE_BYTES, XENGUEST_RECORD } from '../../src/container/xenguest.js';
import { type XenKind, XenWalk } from '../../src/grammar/xen/wrapping.js';
import type { Mutant } from './mutations.js';
import { mutateBlindly, putEdge } from './blind.js';
import type { Xorshift32 } from '../../lab/random.js';

interface Place {
  readonly type: number;
  readonly start: number;
  readonly bodyLength: number;
}

const HEADER = 8;

function places(stream: Buffer, kind: XenKind): Place[] {
  const found: Place[] = [];
  const nothing = (): void => undefined;
  new XenWalk(kind, { compressed: true }).scan(stream, true, {
    full: false,
    between: nothing,
    flush: nothing,
    begin: ({ type, offset, length }) => void found.push({ type, start: offset, bodyLength: length }),
    body: (_record, _data, start, end) => end - start,
    padding: nothing,
    end: nothing,
  });
  return found;
}

const endOf = ({ start, bodyLength }: Place): number => start + HEADER + Math.ceil(bodyLength / 8) * 8;

export function mutateXen(
  stream: Buffer,
  kind: XenKind,
  others: readonly Buffer[],
  random: Xorshift32,
): Mutant {
  const all = places(stream, kind);
  if (random.below(5) < 2 || all.length === 0) {
    return { bytes: mutateBlindly(stream, others, random), sealed: false };
  }
  const place = random.pick(all);
  const copy = Buffer.from(stream);
  switch (random.below(6)) {
    case 0: // lost
      return sealed(copy.subarray(0, place.start), copy.subarray(endOf(place)));
    case 1: // repeated
      return sealed(copy.subarray(0, endOf(place)), copy.subarray(place.start));
    case 2: // another type or length
      putEdge(copy, place.start + random.pick([0, 4]), 4, random);
      return sealed(copy);
    case 3: {
      const other = random.pick(all);
      const [first, second] = place.start < other.start ? [place, other] : [other, place];
      if (first === second) return sealed(copy.fill(0, place.start, place.start + HEADER));
      return sealed(
        copy.subarray(0, first.start),
        copy.subarray(second.start, endOf(second)),
        copy.subarray(endOf(first), second.start),
        copy.subarray(first.start, endOf(first)),
        copy.subarray(endOf(second)),
      );
    }
    default:
      changeBody(copy.subarray(place.start + HEADER, place.start + HEADER + place.bodyLength), place, random);
      return sealed(copy);
  }
}

function sealed(...parts: readonly Buffer[]): Mutant {
  return { bytes: Buffer.concat(parts), sealed: true };
}

function changeBody(body: Buffer, { type }: Place, random: Xorshift32): void {
  if (body.length === 0) return;
  if (type === XENGUEST_RECORD.totals || type === XENGUEST_RECORD.mark) {
    putEdge(body, 4 * random.below(body.length / 4 - 2), 4, random);
    sealRange(body, 0, body.length - 8);
  } else if (type === XENGUEST_RECORD.chunk || type === XENGUEST_RECORD.bytes) {
    changeChunk(body, random);
  } else {
    body[random.below(body.length)]! ^= 1 << random.below(8);
  }
}

/** The envelope has no checksum; the chunk record has one over all of it. */
function changeChunk(body: Buffer, random: Xorshift32): void {
  if (random.below(6) === 0) {
    putEdge(body, 4 * random.below(ENVELOPE_BYTES / 4), 4, random);
    return;
  }
  const bodyLength = body.readUInt32LE(ENVELOPE_BYTES + 4);
  const end = ENVELOPE_BYTES + CHUNK_HEADER_BYTES + bodyLength;
  if (end + 8 > body.length) return;
  if (random.below(2) === 0) {
    putEdge(body, ENVELOPE_BYTES + 4 * random.below(CHUNK_HEADER_BYTES / 4), 4, random);
  } else {
    body[ENVELOPE_BYTES + CHUNK_HEADER_BYTES + random.below(bodyLength)] = random.below(256);
  }
  sealRange(body, ENVELOPE_BYTES, end);
}
