// Figures in the format of QEMU's `info migrate`: lines of `label: value`. Pure.

export type Row = readonly [label: string, value: string];

export function lines(rows: readonly Row[]): string {
  return rows.map(([label, value]) => `${label}: ${value}`).join('\n');
}

export function milliseconds(value: number): string {
  return `${value} ms`;
}

/** QEMU's kbytes are 1024 bytes, rounded down. Fewer than 1024 bytes are shown in bytes, so that they do not read as 0. */
export function kbytes(bytes: number): string {
  return bytes > 0 && bytes < 1024 ? `${bytes} bytes` : `${Math.floor(bytes / 1024)} kbytes`;
}
