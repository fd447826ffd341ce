// The history as text: one JSON object with a version. The parser takes any text: entries that are damaged, out of range or of unknown
// form are left out, and a text that is no history is an empty one. Pure.

import * as z from 'zod/mini';

import { type CostsEntry, History, type LinkEntry, MOST_CODECS, MOST_LINKS } from './history.js';

const VERSION = 1;
/** A longer text is no history: a full one has less than half of it. */
export const LONGEST_TEXT = 65_536;

const within = (least: number, most: number) => z.number().check(z.gte(least), z.lte(most));
/** Milliseconds since 1970, up to the year 2255. */
const at = within(0, 9e12);

// Figures outside of these bounds were not measured on any host.
const costsEntry = z.object({
  codecNs: within(0.01, 1e4),
  size: within(1e-4, 1),
  aroundNs: within(1e-4, 1e4),
  mainNsPerChunk: within(1, 1e9),
  mainNsPerByte: within(1e-6, 1e4),
  at,
});
const linkEntry = z.object({ rate: within(1e3, 1e12), limited: z.boolean(), at });

const history = z.object({
  version: z.literal(VERSION),
  codecs: z.optional(z.record(z.string(), z.unknown())),
  links: z.optional(z.record(z.string(), z.unknown())),
});

const CODEC_NAME = /^[\w.@/-]{1,40}( [\w.@/-]{1,80})?$/;
const PEER_NAME = /^[0-9a-f]{16}$/;

/** @returns undefined for a history of a later version, which must not be replaced */
export function parseHistory(text: string, now?: () => number): History | undefined {
  const value = text.length > LONGEST_TEXT ? undefined : jsonOf(text);
  const parsed = history.safeParse(value);
  if (!parsed.success) return isOfLaterVersion(value) ? undefined : new History(now);
  const { codecs, links } = parsed.data;
  return new History(
    now,
    entriesOf<CostsEntry>(codecs, CODEC_NAME, costsEntry, MOST_CODECS),
    entriesOf<LinkEntry>(links, PEER_NAME, linkEntry, MOST_LINKS),
  );
}

export function formatHistory({ costs, links }: History): string {
  const codecs = validOf([...costs], CODEC_NAME, costsEntry);
  const peers = validOf([...links], PEER_NAME, linkEntry);
  return `${JSON.stringify({ version: VERSION, codecs: Object.fromEntries(codecs), links: Object.fromEntries(peers) })}\n`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isOfLaterVersion(value: unknown): boolean {
  const version =
    typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
  return typeof version === 'number' && version > VERSION;
}

function validOf(
  entries: readonly (readonly [string, unknown])[],
  name: RegExp,
  schema: z.ZodMiniType,
): [string, unknown][] {
  return entries.flatMap(([key, value]): [string, unknown][] => {
    const parsed = schema.safeParse(value);
    return name.test(key) && parsed.success ? [[key, parsed.data]] : [];
  });
}

/** The valid entries; the latest ones where there are too many. */
function entriesOf<Entry extends { readonly at: number }>(
  given: Readonly<Record<string, unknown>> | undefined,
  name: RegExp,
  schema: z.ZodMiniType<Entry>,
  most: number,
): [string, Entry][] {
  const valid = validOf(Object.entries(given ?? {}), name, schema) as [string, Entry][];
  return valid.sort(([, one], [, other]) => other.at - one.at).slice(0, most);
}
