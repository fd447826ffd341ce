// A worker that cannot start: a module that it imports does not exist.

export default function never(): void {
  throw new Error('the native module is missing');
}
