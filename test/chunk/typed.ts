// For assert.throws and assert.rejects: is this a RamferryError with one of these codes?

import assert from 'node:assert/strict';

import { type ErrorCode, RamferryError } from '../../src/errors.js';

export function isTyped(...codes: readonly ErrorCode[]): (thrown: unknown) => true {
  return (thrown) => {
    // A test that failed inside stays what it is.
    if (thrown instanceof assert.AssertionError) throw thrown;
    assert.ok(
      thrown instanceof RamferryError,
      `no RamferryError: ${String((thrown as Error).stack ?? thrown)}`,
    );
    if (codes.length > 0) assert.ok(codes.includes(thrown.code), `${thrown.code}: ${thrown.message}`);
    return true;
  };
}
