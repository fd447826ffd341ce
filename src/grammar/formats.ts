// The names of the stream formats, as `--format` takes them. A file of its own, so that a check of the option loads no
// grammar.

export const STREAM_FORMATS = [
  'raw',
  'libxc',
  'libxl',
  'xl',
  'xenopsd',
  'qemu',
  'libvirt',
  'opaque',
] as const;
export type StreamFormat = (typeof STREAM_FORMATS)[number];
