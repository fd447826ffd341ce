// The synthetic guest of the warm-up: a few megabytes of text, numbers, noise and zeros, sent in rounds as QEMU sends them. From
// round to round some pages stay unchanged, some change a little, some completely. The bytes are the same every time, and the
// stream has no end.

import { Buffer } from 'node:buffer';

import { QEMU_MAGIC } from '../../grammar/magics.js';
import { counted, sectionFooter, sectionHead, u32, word } from '../../grammar/qemu/fields.js';
import { FILE_VERSION, RAM_FLAG, RAM_SECTION, SECTION } from '../../grammar/qemu/format.js';
import { PAGE_BYTES } from '../../page/size.js';

/** Pages of the guest. */
const GUEST_PAGES = 1024;
const BLOCK_NAME = 'pc.ram';
/** About as many pages as QEMU writes between two visits of its main loop. */
const PART_PAGES = 64;
/** One page in so many is sent as a fill byte. */
const ZERO_EVERY = 16;
/** Later rounds skip one page in so many, a different one each round. */
const SKIPPED_EVERY = 5;

export function* warmUpGuest(): Generator<Buffer, void> {
  const pages = new Pages();
  yield Buffer.concat([QEMU_MAGIC, u32(FILE_VERSION), start()]);
  for (let round = 0; ; round++) {
    for (let first = 0; first < GUEST_PAGES; first += PART_PAGES) {
      yield Buffer.concat([Buffer.of(SECTION.part), u32(RAM_SECTION.id)]);
      for (let number = first; number < first + PART_PAGES; number++) {
        if (round > 0 && (number + round) % SKIPPED_EVERY === 0) continue;
        const flags = number % ZERO_EVERY === 0 ? RAM_FLAG.zero : RAM_FLAG.page;
        // The first of a part names the block, as it does in QEMU's rounds.
        if (number < first + 2) yield Buffer.concat([word(number * PAGE_BYTES, flags), counted(BLOCK_NAME)]);
        else yield word(number * PAGE_BYTES, flags | RAM_FLAG.continue);
        yield flags === RAM_FLAG.zero ? Buffer.of(0) : pages.page(number, round);
      }
      yield Buffer.concat([word(0, RAM_FLAG.eos), sectionFooter(RAM_SECTION.id)]);
    }
  }
}

const TEMPLATES = 64;
const STAMP_AT = 1024;

class Pages {
  readonly #page = Buffer.alloc(PAGE_BYTES);
  readonly #templates = Array.from({ length: TEMPLATES }, (_, index) => template(index));

  /** Valid until the next call. */
  page(number: number, round: number): Buffer {
    const page = this.#page;
    const way = number % 7;
    // These pages change completely; the others keep their template but for the changes below.
    const base = way === 0 ? number + round : number;
    this.#templates[base % TEMPLATES]!.copy(page);
    // These pages are unchanged, and equal to others.
    if (way === 1) return page;
    page.writeUInt32LE(number + 1, STAMP_AT);
    if (way === 2 || way === 3) page.writeUInt32LE(round, STAMP_AT + 4);
    if (way === 4) for (let at = 0; at < PAGE_BYTES; at += 48) page.writeUInt32LE(round + at, at);
    return page;
  }
}

const WORDS = [
  'migration ',
  'guest ',
  'page ',
  'dirty ',
  'the ',
  'of ',
  '\n',
  'round ',
  'link, ',
  '0x7f',
  '; ',
];

function template(index: number): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  let state = index + 1;
  const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  const kind = index % 8;
  if (kind === 0) return page;
  for (let at = 0; at < PAGE_BYTES;) {
    if (kind < 3) at = page.writeUInt32LE(kind === 1 ? next() : next() >>> 18, at);
    else at += page.write(WORDS[(next() >>> 16) % WORDS.length]!, at, 'latin1');
  }
  return page;
}

function start(): Buffer {
  const size = GUEST_PAGES * PAGE_BYTES;
  return Buffer.concat([
    ...[Buffer.of(SECTION.start), sectionHead(RAM_SECTION)],
    ...[word(size, RAM_FLAG.memSize), counted(BLOCK_NAME), word(size, 0)],
    ...[word(0, RAM_FLAG.eos), sectionFooter(RAM_SECTION.id)],
  ]);
}
