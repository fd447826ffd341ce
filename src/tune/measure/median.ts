// The median: what most repetitions are near, whoever disturbed the others.

/**
 * The middle of the values; the mean of the two in the middle when their number is even.
 * @param values at least one
 */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
