// The one setting that ramferry shares with xenopsd: `migration-compressor` in xenopsd.conf.
// Takes the text of the file, returns the method and warnings; does no I/O. It reads a line exactly as xenopsd does, including
// its oddities. Source: xen-api, ocaml/xapi-idl/lib/xcp_service.ml, Config_file, and xenops_server.ml.

import type { Method } from '../../options/amounts.js';
import { SEND_ROWS } from '../../options/rows/send.js';

/** Case-sensitive. */
export const METHOD_KEY = SEND_ROWS.method.configKey;

export interface XenopsdConf {
  /** Undefined when the file does not set it. The last setting counts. */
  readonly method: Method | undefined;
  readonly warnings: readonly string[];
}

export function parseXenopsdConf(text: string): XenopsdConf {
  let method: Method | undefined;
  const warnings: string[] = [];
  for (const line of text.split('\n')) {
    const [key, written] = readLine(line) ?? [];
    if (key !== METHOD_KEY || written === undefined) continue;
    const value = written.toLowerCase();
    if (value === 'stream' || value === 'xenguest') {
      method = value;
    } else {
      method = 'stream';
      warnings.push(`unknown ${METHOD_KEY} ${JSON.stringify(written)}: using stream`);
    }
  }
  return { method, warnings };
}

/** Key and value of a line; undefined where it sets nothing. */
function readLine(line: string): [string, string] | undefined {
  // The first `#` ends the line, also within quotes. A carriage return is no blank: it stays in the value.
  const setting = line.replace(/#.*$/s, '').replace(/[ \t]+$/, '');
  // The word before the first `=` that has a word before it; earlier text is ignored. A backslash counts as a blank.
  const [, key, value] = /([^=\\ \t]+)[\\ \t]*=[\\ \t]*(.*)/s.exec(setting) ?? [];
  return key === undefined || value === undefined ? undefined : [key, unquoted(value)];
}

/** Removes a pair of quotes around the whole value, whatever is between them. */
function unquoted(value: string): string {
  const first = value[0];
  const isQuoted = value.length >= 2 && (first === '"' || first === "'") && value.endsWith(first);
  return isQuoted ? value.slice(1, -1) : value;
}
