// The report of `receive --probe` on the probe that it served. Pure: plain data in, one line out, without its newline.

import type { Served } from '../tune/probe/server.js';
import { formatBits } from '../units.js';

export function formatServed({ linkRate, speed }: Served): string {
  const parts = [
    ...(linkRate === undefined ? [] : [`${formatBits(linkRate)} arrived`]),
    ...(speed === undefined
      ? []
      : [
          `decompression ${Math.round(1 / speed.decodePerByte / 1e6)} MB/s in one thread`,
          `${speed.cpus} ${speed.cpus === 1 ? 'CPU' : 'CPUs'}`,
        ]),
  ];
  return `ramferry: probe served${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

/** `{"message_type":"probe",…}`; rates in bytes per second. */
export function servedLine(served: Served): string {
  return JSON.stringify({ message_type: 'probe', ...served });
}
