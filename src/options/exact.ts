// A compile-time check that a documented interface and a schema's type are the same.

/**
 * `true` when two types are assignable to each other and have the same fields. Otherwise the fields that only one of them has, or
 * `false`. Then `true satisfies Exact<A, B>` does not compile, and the message names the fields.
 */
export type Exact<A, B> = Exclude<keyof A, keyof B> | Exclude<keyof B, keyof A> extends infer Only
  ? [Only] extends [never]
    ? [A, B] extends [B, A]
      ? true
      : false
    : Only
  : never;
