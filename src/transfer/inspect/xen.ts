// Walks a Xen stream, with the receiver's own parser, and counts its records; those of ours are checked (checksum, order,
// place, totals), not decoded.

import { Buffer } from 'node:buffer';

import { ENVELOPE_BYTES, type Envelope, isCut, XenguestTotals } from '../../container/xenguest.js';
import {
  LIBXC_RECORD,
  paddingAfter,
  RECORD_HEADER_BYTES,
  XENGUEST_RECORD,
} from '../../grammar/xen/libxc-format.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import type { ByteSource } from '../../io/bytes.js';
import { located } from '../receiver/located.js';
import { Statistics } from '../statistics/statistics.js';
import type { ArrivedChunk, XenDeliveries } from '../receiver/xen-deliveries.js';
import { XenParser } from '../receiver/xen-parser.js';
import { checkPosition, checkSeal, RecordCount } from './record-count.js';
import type { XenReport } from './report.js';

/** Names of the specification (libxc-migration-stream.pandoc), and of ours (docs/FORMAT.md). */
const NAMES: Readonly<Record<number, string>> = {
  [LIBXC_RECORD.end]: 'END',
  [LIBXC_RECORD.pageData]: 'PAGE_DATA',
  0x02: 'X86_PV_INFO',
  0x03: 'X86_PV_P2M_FRAMES',
  0x04: 'X86_PV_VCPU_BASIC',
  0x05: 'X86_PV_VCPU_EXTENDED',
  0x06: 'X86_PV_VCPU_XSAVE',
  0x07: 'SHARED_INFO',
  0x08: 'X86_TSC_INFO',
  0x09: 'HVM_CONTEXT',
  0x0a: 'HVM_PARAMS',
  0x0b: 'TOOLSTACK',
  0x0c: 'X86_PV_VCPU_MSRS',
  0x0d: 'VERIFY',
  [LIBXC_RECORD.checkpoint]: 'CHECKPOINT',
  0x0f: 'CHECKPOINT_DIRTY_PFN_LIST',
  0x10: 'STATIC_DATA_END',
  0x11: 'X86_CPUID_POLICY',
  0x12: 'X86_MSR_POLICY',
  [XENGUEST_RECORD.chunk]: 'COMPRESSED_PAGE_DATA',
  [XENGUEST_RECORD.totals]: 'COMPRESSED_TOTALS',
  [XENGUEST_RECORD.mark]: 'COMPRESSED_STREAM',
  [XENGUEST_RECORD.bytes]: 'COMPRESSED_BYTES',
};

class XenCount implements XenDeliveries {
  readonly records: Record<string, { records: number; bytes: number }> = {};
  readonly count = new RecordCount();
  readonly totalsSoFar = new XenguestTotals();
  verbatimBytes = 0;
  envelope: Envelope = { maxChunk: 0, storeBytes: 0 };
  #body = Buffer.alloc(0);

  open(envelope: Envelope): void {
    this.envelope = envelope;
  }

  begin({ type, length }: LibxcRecord): void {
    const name = NAMES[type] ?? `0x${type.toString(16).padStart(8, '0')}`;
    const counted = (this.records[name] ??= { records: 0, bytes: 0 });
    counted.records++;
    counted.bytes += RECORD_HEADER_BYTES + length + paddingAfter(length);
  }

  room(length: number): Buffer {
    if (this.#body.length < length) this.#body = Buffer.alloc(length);
    return this.#body.subarray(0, length);
  }

  chunk({ body, header, length }: ArrivedChunk): void {
    const record = body.subarray(ENVELOPE_BYTES, ENVELOPE_BYTES + length);
    checkSeal(record, header);
    checkPosition(header, this.totalsSoFar.decodedBytes);
    this.totalsSoFar.chunk(header, body.subarray(0, ENVELOPE_BYTES), record);
    this.count.addRecord(header, length);
  }

  pass(bytes: Buffer): void {
    this.verbatimBytes += bytes.length;
    this.totalsSoFar.verbatim(bytes);
  }

  totals({ number, offset }: LibxcRecord, body: Buffer): void {
    try {
      this.totalsSoFar.verify(body, isCut(body));
    } catch (thrown) {
      // The totals of an input that broke off are no record of the walk.
      throw located(thrown, { offset, ...(number < 0 ? {} : { record: number }) });
    }
  }
}

/**
 * @param head bytes of the source that were read already
 * @throws what `receive` throws for the same damage, as far as it shows without decoding
 */
export async function inspectXen(source: ByteSource, head: Uint8Array, kind: XenKind): Promise<XenReport> {
  const counted = new XenCount();
  const statistics = new Statistics();
  const settings = { source, head, ioTimeout: 0, passThrough: false, statistics };
  const parser = new XenParser(settings, kind, counted);
  await parser.run();
  const { count, envelope, records, verbatimBytes, totalsSoFar } = counted;
  return {
    container: 'xen',
    wrapping: kind,
    bigEndian: parser.bigEndian,
    compressed: parser.ours,
    ...envelope,
    decodedBytes: totalsSoFar.decodedBytes,
    streamBytes: statistics.linkBytes,
    ...count.figures,
    pages: count.pages,
    skeletonBytes: count.skeletonBytes,
    verbatimBytes,
    records,
    cut: parser.cut,
  };
}
