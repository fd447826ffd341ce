// `kebabKeys`: converts the API's camel-case names of figures to QEMU's kebab-case for `--json` and the logs: `totalTime` becomes
// `total-time`. All output uses this one converter. Pure.

import { kebabCase } from '../../units.js';

type KebabKey<Key> = Key extends `${infer First}${infer Rest}`
  ? Rest extends Uncapitalize<Rest>
    ? `${Lowercase<First>}${KebabKey<Rest>}`
    : `${Lowercase<First>}-${KebabKey<Rest>}`
  : Key;

/** A type with its keys in kebab-case, at every depth. */
export type KebabKeys<T> = T extends readonly (infer Item)[]
  ? readonly KebabKeys<Item>[]
  : T extends object
    ? { readonly [Key in keyof T as KebabKey<Key>]: KebabKeys<T[Key]> }
    : T;

/** Returns plain data with its keys in kebab-case, at every depth, in the same order. Values are unchanged. */
export function kebabKeys<T>(value: T): KebabKeys<T> {
  return convert(value) as KebabKeys<T>;
}

function convert(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(convert);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [kebabCase(key), convert(inner)]));
}
