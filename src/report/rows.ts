// Figures as `info migrate` shows them: lines of `label: value`. Pure.

export type Row = readonly [label: string, value: string];

export function lines(rows: readonly Row[]): string {
  return rows.map(([label, value]) => `${label}: ${value}`).join('\n');
}

export function milliseconds(value: number): string {
  return `${value} ms`;
}

/** QEMU's kbytes are 1024 bytes, rounded down. Bytes that are fewer must not look like none. */
export function kbytes(bytes: number): string {
  return bytes > 0 && bytes < 1024 ? `${bytes} bytes` : `${Math.floor(bytes / 1024)} kbytes`;
}
