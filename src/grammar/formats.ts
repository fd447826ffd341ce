// The names of the streams that a grammar follows, as `--format` takes them. Nothing else, so that who only checks a
// name loads no grammar.

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
