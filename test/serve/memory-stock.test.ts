// The memory that one transfer of a server leaves to the next: always overwritten, and never more than the limit.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { PageStore, storeMemoryBytes } from '../../src/chunk/page-store.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { MemoryStock } from '../../src/serve/memory-stock.js';
import { MIB } from '../../src/units.js';

const isZero = (memory: SharedArrayBuffer): boolean => Buffer.from(memory).every((byte) => byte === 0);
const takeStore = (stock: MemoryStock): SharedArrayBuffer =>
  stock.takeStore(MIB, storeMemoryBytes(MIB / PAGE_BYTES));
const secret = Buffer.alloc(PAGE_BYTES, 'secret');

describe('MemoryStock', () => {
  it('gives slots again, overwritten', () => {
    const stock = new MemoryStock(16 * MIB);
    const memory = stock.takeArena(MIB);
    Buffer.from(memory).fill(secret);
    stock.giveArena(memory);
    assert.ok(isZero(memory), 'before any other transfer takes it');
    assert.equal(stock.takeArena(MIB), memory);
  });

  it('gives a page store again, each page that was written overwritten', () => {
    const stock = new MemoryStock(16 * MIB);
    const memory = takeStore(stock);
    const pages = new PageStore(memory);
    for (const slot of [0, 7, 255]) pages.put(slot, secret, 0, slot);
    stock.giveStore(memory, true);
    assert.ok(isZero(memory));
    assert.equal(takeStore(stock), memory);
    assert.ok(!new PageStore(memory).holds(7, 1000), 'the next transfer cannot refer to it');
  });

  it('overwrites a whole store when a page may be written and not marked', () => {
    const stock = new MemoryStock(16 * MIB);
    const memory = takeStore(stock);
    secret.copy(Buffer.from(memory), 5 * PAGE_BYTES);
    stock.giveStore(memory, false);
    assert.ok(isZero(memory));
  });

  it('drops memory of other sizes before it exceeds the limit', () => {
    const stock = new MemoryStock(4 * MIB);
    const old = [1, 2].map((size) => stock.takeArena(size * MIB));
    for (const memory of old) stock.giveArena(memory);
    assert.equal(stock.idle, 3 * MIB);
    stock.takeArena(3 * MIB);
    assert.ok(stock.lent + stock.idle <= 4 * MIB, `${stock.lent} and ${stock.idle}`);
  });

  it('counts what it has lent', () => {
    const stock = new MemoryStock(4 * MIB);
    const memory = stock.takeArena(MIB);
    assert.equal(stock.lent, MIB);
    stock.giveArena(memory);
    assert.equal(stock.lent, 0);
    stock.takeArena(MIB);
    assert.deepEqual([stock.lent, stock.idle], [MIB, 0]);
  });
});
