// Walks a Xen stream with the receiver's inlet, and counts its records. Checks ramferry's records (checksum, order, offset,
// totals) without decoding them.

import type { Buffer } from 'node:buffer';

import type { ArrivedChunk } from '../../container/inlet.js';
import { XenguestInlet } from '../../container/xenguest-inlet.js';
import {
  LIBXC_RECORD,
  paddingAfter,
  RECORD_HEADER_BYTES,
  XENGUEST_RECORD,
} from '../../grammar/xen/libxc-format.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import type { ByteSource } from '../../io/bytes.js';
import { RecordWalk } from './record-walk.js';
import type { XenReport } from './report.js';

/** Names of the records in the specification (libxc-migration-stream.pandoc) and in docs/FORMAT.md. */
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

class XenWalk extends RecordWalk {
  protected readonly inlet: XenguestInlet;
  readonly records: Record<string, { records: number; bytes: number }> = {};
  verbatimBytes = 0;

  constructor(source: ByteSource, head: Uint8Array, kind: XenKind) {
    super();
    const input = { source, head, ioTimeout: 0, passThrough: false };
    this.inlet = new XenguestInlet(input, kind, (record) => this.#begin(record));
  }

  async run(): Promise<Pick<XenReport, 'bigEndian' | 'compressed' | 'decodedBytes' | 'streamBytes' | 'cut'>> {
    await this.inlet.read(this);
    const { bigEndian, compressed, offset, cut } = this.inlet.traits;
    const { bytes } = this.inlet.outcome();
    return { bigEndian, compressed, decodedBytes: bytes, streamBytes: offset, cut };
  }

  override pass(bytes: Uint8Array): void {
    this.verbatimBytes += bytes.length;
    super.pass(bytes);
  }

  protected add(chunk: ArrivedChunk, body: Buffer): void {
    this.inlet.deliver(chunk, { input: body });
  }

  #begin({ type, length }: LibxcRecord): void {
    const name = NAMES[type] ?? `0x${type.toString(16).padStart(8, '0')}`;
    const counted = (this.records[name] ??= { records: 0, bytes: 0 });
    counted.records++;
    counted.bytes += RECORD_HEADER_BYTES + length + paddingAfter(length);
  }
}

/**
 * @param head bytes of the source that were read already
 * @throws the error of `receive` for the same damage, if the damage shows without decoding
 */
export async function inspectXen(source: ByteSource, head: Uint8Array, kind: XenKind): Promise<XenReport> {
  const walk = new XenWalk(source, head, kind);
  const { decodedBytes, streamBytes, ...traits } = await walk.run();
  const { count, records, verbatimBytes } = walk;
  const { maxChunk = 0, storeBytes = 0 } = walk.announced ?? {};
  return {
    container: 'xen',
    wrapping: kind,
    ...traits,
    ...{ maxChunk, storeBytes, decodedBytes, streamBytes },
    ...count.figures,
    pages: count.pages,
    skeletonBytes: count.skeletonBytes,
    verbatimBytes,
    records,
  };
}
