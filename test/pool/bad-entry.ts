// A worker that cannot start: what its module needs is not there.

export default function never(): void {
  throw new Error('the native module is missing');
}
