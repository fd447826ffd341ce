// Types of option values with a unit, and of option values that are one of a few words.
// A number is in the base unit of the field's comment. A text carries its unit, as `--help` says.

import { STREAM_FORMATS } from '../grammar/formats.js';

/** Bytes, or a text: `4096`, `64KiB`, `1M` (binary), `1MB` (decimal). */
export type Size = number | string;
/** Bytes per second, or a text: `125MB`, `1gbit`, `100Mbps`. 0 is unlimited. */
export type Rate = number | string;
/** Milliseconds, or a text: `500ms`, `30s`, `2min`, `1h`. */
export type Duration = number | string;
/** CPUs, or a text: `1.5`, `150%` (of one CPU). */
export type CpuShare = number | string;

/** Methods: `xenguest` compresses inside the stream's own records, `stream` in standard frames around the whole stream. */
export const METHODS = ['xenguest', 'stream'] as const;
/** `xenguest` (compression inside the stream's records) or `stream` (compression around the stream). */
export type Method = (typeof METHODS)[number];

/** Kinds of input. `auto` decides by the input's first bytes. */
export const FORMATS = ['auto', ...STREAM_FORMATS] as const;
/** `auto`, or the kind of stream that the input is. */
export type Format = (typeof FORMATS)[number];

/** Streams that the simulated guest writes. `xl-…`: the libxc stream within the file that `xl save` writes. */
export const GUEST_FORMATS = ['qemu', 'libxc-pv', 'libxc-pvh', 'xl-pv', 'xl-pvh'] as const;
export type GuestFormat = (typeof GUEST_FORMATS)[number];

/**
 * What one write of the simulated guest does to a page. `integers` fills it with random 32-bit integers below 100,000, like the
 * application that "write[s] random numbers to RAM block areas periodically" in QEMU's docs/multi-thread-compression.txt, which
 * does not state their size. `lines` writes one cache line of 64 random bytes. `counters` increments eight 64-bit counters,
 * 512 bytes apart. `same` dirties the page without a change, like 20 to 30 % of the pages that Xen sends again.
 */
export const WRITE_PATTERNS = ['integers', 'lines', 'counters', 'same'] as const;
export type WritePattern = (typeof WRITE_PATTERNS)[number];

/** Limiters of the link of `guest compare`: tc between two network namespaces (as root), or the sender. */
export const SHAPINGS = ['auto', 'tc', 'max-bandwidth'] as const;
export type Shaping = (typeof SHAPINGS)[number];

/** Outputs of the destination, as `tune` models them: a hypervisor's socket, a file, no output. */
export const WRITERS = ['socket', 'file', 'discard'] as const;
/** The output of the destination, which receives the restored bytes: `socket`, `file` or `discard`. */
export type Writer = (typeof WRITERS)[number];
