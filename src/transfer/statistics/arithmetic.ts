// Small functions with which the statistics make their figures. Pure.

/** An object with one field, or without fields when the value is undefined. */
export function present<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]?: Value });
}

export function perSecond(amount: number, seconds: number): number {
  return seconds > 0 ? amount / seconds : 0;
}

/** Rounds to three decimals; more are noise. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
