// The last bytes of a main stream that has gone postcopy (qemu_savevm_state_complete_postcopy in savevm.c): ram's section ends with the word EOS,
// then comes its footer, where the machine type writes one, then the end of the stream.

import { readU32 } from './fields.js';
import { MAX_SECTION_ID, RAM_FLAG, SECTION } from './format.js';

const WORD = 8;
const FOOTER = 5;
/** Bytes that tell the end. */
export const POSTCOPY_END_BYTES = WORD + FOOTER + 1;

/** @param last the last bytes of the stream, at least POSTCOPY_END_BYTES where it has so many */
export function isPostcopyEnd(last: Uint8Array): boolean {
  const eof = last.length - 1;
  if (eof < WORD || last[eof] !== SECTION.eof) return false;
  const footer = eof - FOOTER;
  const hasFooter =
    footer >= WORD && last[footer] === SECTION.footer && readU32(last, footer + 1) <= MAX_SECTION_ID;
  const word = (hasFooter ? footer : eof) - WORD;
  return readU32(last, word) === 0 && readU32(last, word + 4) === RAM_FLAG.eos;
}
