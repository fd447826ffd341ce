// What the jobs of both sides have besides Job's numbers: the codec of a chunk, and the checksums of its frames (method `stream`).

import { CODEC_ID, codecName, type CodecName } from '../codec/codec.js';
import { Job } from './job.js';

const CODEC = 9;

// Checksums.
const ENCODED_HASH = 0;
const DECODED_HASH = 1;

/** The job of a chunk, to encode (encode-job.ts) or to decode (decode-job.ts). */
export class ChunkJob extends Job {
  override begin(): void {
    super.begin();
    this.codec = 'none';
  }

  /** To decode: whose frames these are. A chunk record names its codec itself. */
  get codec(): CodecName {
    return codecName(this.ints[CODEC]!)!;
  }
  set codec(codec: CodecName) {
    this.ints[CODEC] = CODEC_ID[codec];
  }

  /** Result: XXH64 of the frame (method `stream`). */
  get encodedHash(): bigint {
    return this.hashes[ENCODED_HASH]!;
  }
  set encodedHash(hash: bigint) {
    this.hashes[ENCODED_HASH] = hash;
  }

  /** Result: XXH64 of the frame's contents (method `stream`). */
  get decodedHash(): bigint {
    return this.hashes[DECODED_HASH]!;
  }
  set decodedHash(hash: bigint) {
    this.hashes[DECODED_HASH] = hash;
  }
}
