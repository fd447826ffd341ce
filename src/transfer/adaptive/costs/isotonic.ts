// The closest curve that never falls: pool adjacent violators (Ayer et al. 1955; weighted least squares). Pure.

interface Pool {
  mean: number;
  weight: number;
  count: number;
}

/** @param weights positive, one a value: the confidence in it */
export function neverFalling(values: readonly number[], weights: readonly number[]): number[] {
  const pools: Pool[] = [];
  values.forEach((value, index) => {
    let last: Pool = { mean: value, weight: weights[index]!, count: 1 };
    for (let before = pools.at(-1); before !== undefined && before.mean > last.mean; before = pools.at(-1)) {
      pools.pop();
      const weight = before.weight + last.weight;
      const mean = (before.mean * before.weight + last.mean * last.weight) / weight;
      last = { mean, weight, count: before.count + last.count };
    }
    pools.push(last);
  });
  return pools.flatMap(({ mean, count }) => new Array<number>(count).fill(mean));
}
