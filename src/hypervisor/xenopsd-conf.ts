// The one setting that ramferry shares with xenopsd: `migration-compressor` in xenopsd.conf.
// Takes the text of the file, gives the method and what should be warned about; does no I/O.
// Rules (facts of xenopsd): `key = value`, quotes around the value are stripped, `#` starts a comment, letters in either
// case; an unknown value is warned about exactly as it was written and means `stream`.

import type { Method } from '../migration/options.js';

const KEY = 'migration-compressor';

export interface XenopsdConf {
  /** Undefined when the file does not set it. The last setting counts. */
  readonly method: Method | undefined;
  readonly warnings: readonly string[];
}

export function parseXenopsdConf(text: string): XenopsdConf {
  let method: Method | undefined;
  const warnings: string[] = [];
  for (const line of text.split('\n')) {
    const setting = /^\s*([^=#\s]+)\s*=\s*(.*)$/.exec(withoutComment(line));
    if (setting?.[1]?.toLowerCase() !== KEY) continue;
    const written = unquoted(setting[2]!.trim());
    const value = written.toLowerCase();
    if (value === 'stream' || value === 'xenguest') {
      method = value;
    } else {
      method = 'stream';
      warnings.push(`unknown ${KEY} "${written}": using stream`);
    }
  }
  return { method, warnings };
}

function withoutComment(line: string): string {
  const quoted = /^([^#"']*(?:"[^"]*"|'[^']*'))/.exec(line);
  const start = quoted?.[1]?.length ?? 0;
  const hash = line.indexOf('#', start);
  return hash < 0 ? line : line.slice(0, hash);
}

function unquoted(value: string): string {
  const match = /^(["'])(.*)\1$/.exec(value);
  return match?.[2] ?? value;
}
