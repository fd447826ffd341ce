// The spans of commands as processes, with a real SDK that Node loads before them, and what an exporter that throws changes: nothing.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { before, describe, it } from 'node:test';

import { Command as LabCommand, ramferry } from '../../../lab/command.js';
import { generateImage } from '../../../src/image/image.js';
import { precopy } from '../../grammar/support/qemu-streams.js';
import { arriving, directory, leaving } from '../../serve/support.js';
import { Command, type Ended, run } from '../command.js';
import { PARENT, TRACE, TracedEnvironment } from './sdk.js';

const LIMIT = { timeout: 120_000 };

let at: string;
let sdk: TracedEnvironment;

before(() => {
  at = directory();
  sdk = new TracedEnvironment(at);
  const image = generateImage({ bytes: 8 << 20, seed: 5, profile: 'busy' });
  fs.writeFileSync(`${at}/guest.ram`, Buffer.concat([...image]));
  fs.writeFileSync(`${at}/guest.qemu`, Buffer.from(precopy(1, 3, 200).bytes));
});

interface Summary {
  readonly message_type: string;
  readonly ram: {
    readonly total: number;
    readonly transferred: number;
    readonly 'dirty-sync-count'?: number;
  };
}

function summaryOf({ stdout }: Ended): Summary {
  const lines = String(stdout).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Summary).find((each) => each.message_type === 'summary')!;
}

describe('spans of a command', LIMIT, () => {
  it('join the trace of TRACEPARENT with the figures of the summary, at both sides', async () => {
    for (const [side, args] of [
      ['source', ['send', `${at}/guest.qemu`, `${at}/guest.rf`, '--name', 'web1']],
      ['destination', ['receive', `${at}/guest.rf`, `${at}/restored`]],
    ] as const) {
      const { env, spans } = sdk.collecting();
      const ended = await run([...args, '--json'], env);
      assert.equal(ended.status, 0, ended.stderr);
      const { ram } = summaryOf(ended);
      const transfer = spans().find(({ name }) => name === 'ramferry.transfer')!;
      assert.deepEqual([transfer.trace, transfer.parent, transfer.code], [TRACE, PARENT, 0]);
      const { attributes } = transfer;
      assert.equal(attributes['ramferry.command'], args[0]);
      assert.equal(attributes['ramferry.side'], side);
      assert.equal(attributes['ramferry.migration'], side === 'source' ? 'web1' : 'unnamed');
      assert.equal(attributes['ramferry.bytes.processed'], ram.total);
      assert.equal(attributes['ramferry.bytes.transferred'], ram.transferred);
      assert.equal(attributes['ramferry.compression.ratio'], ram.total / ram.transferred);
      assert.equal(typeof attributes['ramferry.codec'], 'string');
      assert.equal(attributes['ramferry.iteration'], ram['dirty-sync-count']);
      const rounds = spans().filter(({ name }) => name === 'ramferry.round');
      assert.equal(rounds.length > 0, side === 'source');
    }
  });

  it('come from the bundled command, too', async () => {
    const { env, spans } = sdk.collecting();
    const args = ['send', `${at}/guest.ram`, `${at}/bundled.rf`, '--quiet'];
    await new LabCommand(ramferry(...args), { env }).succeeded();
    assert.deepEqual(
      spans().map(({ name }) => name),
      ['ramferry.transfer'],
    );
  });

  it('have the code of the error', async () => {
    const { env, spans } = sdk.collecting();
    const ended = await run(['receive', `${at}/guest.ram`, `${at}/never`], env);
    const [, code] = /ramferry: (ERR_\w+)/.exec(ended.stderr) ?? [];
    assert.notEqual(ended.status, 0);
    const [transfer] = spans();
    assert.equal(transfer!.attributes['error.type'], code);
    assert.equal(transfer!.attributes['ramferry.status'], 'failed');
    assert.equal(transfer!.code, 2);
    assert.ok(!JSON.stringify(transfer).includes(at), 'no path');
  });

  it('have the name of each command that conducts a QEMU', async () => {
    const qmp = ['--qmp', `unix:${at}/no-qemu`];
    for (const [command, side, more] of [
      ['migrate', 'source', [`unix:${at}/no-link`]],
      ['incoming', 'destination', [`unix-listen:${at}/no-link`]],
      ['qemu-migrate', 'source', ['--destination-qmp', `unix:${at}/no-qemu-either`]],
    ] as const) {
      const { env, spans } = sdk.collecting();
      assert.notEqual((await run([command, ...qmp, ...more], env)).status, 0);
      const seen = spans().map(({ name, trace, parent, attributes }) => [
        ...[name, trace, parent],
        ...[attributes['ramferry.command'], attributes['ramferry.side'], attributes['error.type']],
      ]);
      assert.deepEqual(seen, [['ramferry.transfer', TRACE, PARENT, command, side, 'ERR_QMP_CONNECT']]);
    }
  });

  it('are one for a command that carries no guest', async () => {
    for (const [args, status, code] of [
      [['features'], 0, undefined],
      [['inspect', `${at}/missing`], 3, 'ERR_INPUT_OPEN'],
    ] as const) {
      const { env, spans } = sdk.collecting();
      assert.equal((await run(args, env)).status, status);
      const seen = spans().map(({ name, trace, parent, attributes }) => [
        ...[name, trace, parent],
        ...[attributes['ramferry.command'], attributes['ramferry.exit_status'], attributes['error.type']],
      ]);
      assert.deepEqual(seen, [['ramferry.command', TRACE, PARENT, args[0], status, code]]);
    }
  });

  it('change no outcome, exporter that throws, never ends, or fails', async () => {
    const plain = await run(['send', `${at}/guest.ram`, `${at}/plain.rf`]);
    const wrong = await run(['receive', `${at}/guest.ram`, `${at}/never`]);
    for (const [index, exporting] of [
      "throw new Error('broken');",
      '',
      "done({ code: 1, error: new Error('broken') });",
    ].entries()) {
      const env = sdk.exporting(exporting);
      const good = await run(['send', `${at}/guest.ram`, `${at}/traced${index}.rf`], env);
      assert.equal(good.status, plain.status, good.stderr);
      assert.ok(fs.readFileSync(`${at}/traced${index}.rf`).equals(fs.readFileSync(`${at}/plain.rf`)));
      const bad = await run(['receive', `${at}/guest.ram`, `${at}/never`], env);
      assert.deepEqual([bad.status, bad.stderr], [wrong.status, wrong.stderr]);
    }
  });

  it('are one for each guest of a server', async () => {
    const [incoming, outgoing] = [sdk.collecting(), sdk.collecting()];
    fs.mkdirSync(`${at}/in`);
    fs.mkdirSync(`${at}/out`);
    const ends = ['--incoming', `unix:${at}/in/{name}.sock`, '--listen', `unix:${at}/link`];
    const destination = new Command(['serve', ...ends], incoming.env);
    await destination.says(/listening on unix:.*link/);
    const out = ['--outgoing', `unix-listen:${at}/out/{name}.sock`, '--connect', `unix:${at}/link`];
    const source = new Command(['serve', ...out, '--guest', 'web1'], outgoing.env);
    await source.says(/listening on unix:.*web1/);
    const arrived = arriving(`${at}/in/web1.sock`);
    const stream = fs.readFileSync(`${at}/guest.qemu`);
    (await leaving(`${at}/out/web1.sock`)).end(stream);
    assert.ok((await arrived).equals(stream));
    await destination.says(/web1 incoming: completed/);
    await source.says(/web1 outgoing: completed/);
    for (const [command, { spans }, side] of [
      [destination, incoming, 'destination'],
      [source, outgoing, 'source'],
    ] as const) {
      command.process.kill('SIGTERM');
      assert.equal((await command.ended).status, 0);
      const transfers = spans().filter(({ name }) => name === 'ramferry.transfer');
      assert.deepEqual(
        transfers.map(({ trace, attributes }) => [
          trace,
          attributes['ramferry.side'],
          attributes['ramferry.migration'],
          attributes['ramferry.bytes.processed'],
        ]),
        [[TRACE, side, 'web1', stream.length]],
      );
    }
  });
});
