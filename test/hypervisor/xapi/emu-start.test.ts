// The order of a front's start and end, in this process: the real emu-manager starts before the engine loads, lines pass without
// an engine, and the control channel ends with the real emu-manager, whatever the engine does.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import { RamferryError } from '../../../src/errors.js';
import type { Engine } from '../../../src/hypervisor/xapi/emu-engine.js';
import { emuManager } from '../../../src/hypervisor/xapi/emu-manager.js';
import { libc } from '../../../src/os/libc.js';
import { socketPair } from '../../../src/hypervisor/xapi/descriptors.js';
import { linkOf } from '../../../lab/xapi/stream.js';
import { readLines, textOf } from '../../../src/hypervisor/xapi/lines.js';
import { Workshop } from '../../../lab/xapi/xenopsd.js';

const workshops: Workshop[] = [];
after(() => workshops.forEach((workshop) => workshop.remove()));

interface Front {
  readonly status: Promise<number>;
  readonly lines: AsyncGenerator<Buffer, void>;
  say(line: string): Promise<void>;
}

/** Starts a front with a shell script as the real emu-manager: `say LINE`, `hear` and $notes are at its disposal. */
function start(script: string, loadEngine: (notes: string) => Promise<Engine>, early = true): Front {
  // Not sh: a shell need not know descriptors above 9.
  const prelude = `#!/bin/bash
while [ $# -gt 0 ]; do
  case $1 in -controlinfd) in=$2 ;; -controloutfd) out=$2 ;; esac
  shift
done
notes=$(dirname "$0")/notes
say() { echo "$1" >&"$out"; }
hear() { read -r line <&"$in"; }
echo started >"$notes"
`;
  const workshop = new Workshop(prelude + script);
  workshops.push(workshop);
  const commands = libc()!.pipe()!;
  const answers = libc()!.pipe()!;
  const { ours, theirs } = socketPair();
  after(() => [ours, theirs].forEach((fd) => fs.closeSync(fd)));
  const words = `-controlinfd ${commands[0]} -controloutfd ${answers[1]} -fd ${ours} -mode hvm_save -live true -compress true`;
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const status = emuManager({
    exec: workshop.emuManager,
    args: words.split(' '),
    loadEngine: () => loadEngine(`${workshop.directory}/notes`),
    early: early ? { compressVgpu: false } : undefined,
    log: silent,
  });
  const input = linkOf(commands[1], true, false, true).sink!;
  return {
    status,
    lines: readLines(linkOf(answers[0], true, true, false).source!),
    say: (line) => input.write(Buffer.from(`${line}\n`)),
  };
}

async function next({ lines }: Front): Promise<string | undefined> {
  const { value } = await lines.next();
  return value === undefined ? undefined : textOf(value);
}

const never = (): Promise<Engine> => new Promise(() => undefined);

describe('emuManager: start', () => {
  it('starts the real emu-manager before the engine loads', async () => {
    let seen = false;
    const front = start('say prepare:xenguest\nhear\nsay error:enough\nexit 2\n', async (notes) => {
      for (let tries = 0; tries < 1000 && !seen; tries++) {
        seen = fs.existsSync(notes);
        await sleep(10);
      }
      return never();
    });
    assert.equal(await next(front), 'prepare:xenguest');
    await front.say('done');
    assert.equal(await next(front), 'error:enough');
    assert.equal(await front.status, 2);
    assert.equal(seen, true);
  });

  it('passes lines while the engine loads', async () => {
    const script = 'say prepare:xenguest\nhear\nsay info:$line\nhear\nsay info:$line\nexit 0\n';
    const front = start(script, never);
    assert.equal(await next(front), 'prepare:xenguest');
    await front.say('done');
    assert.equal(await next(front), 'info:done');
    await front.say('again');
    assert.equal(await next(front), 'info:again');
    assert.equal(await front.status, 0);
  });

  it('aborts the real emu-manager and ends with status 1 when the engine cannot load', async (context) => {
    // The front's limit of 75 s would keep this process alive.
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const front = start('say prepare:xenguest\nuntil [ "$line" = abort ]; do hear; done\nexit 0\n', () =>
      Promise.reject(new RamferryError('ERR_CODEC_UNAVAILABLE', 'no codec')),
    );
    let line = await next(front);
    if (line === 'prepare:xenguest') line = await next(front);
    assert.match(line ?? '', /^error:ramferry: ERR_CODEC_UNAVAILABLE: no codec/);
    assert.equal(await front.status, 1);
    assert.equal(await next(front), undefined);
  });

  it('starts nothing where an option that needs a check is invalid', async () => {
    const invalid = new RamferryError('ERR_OPTION_INVALID', 'codec: unknown');
    let notesPath = '';
    const load = (notes: string): Promise<Engine> => {
      notesPath = notes;
      return Promise.reject(invalid);
    };
    const front = start('exit 0\n', load, false);
    assert.match((await next(front)) ?? '', /^error:ramferry: ERR_OPTION_INVALID/);
    assert.equal(await front.status, 1);
    assert.equal(fs.existsSync(notesPath), false);
  });
});

describe('emuManager: end', () => {
  it('closes both ends of the control channel with the real emu-manager, although the engine still works', async () => {
    const front = start('say prepare:xenguest\nhear\nexit 2\n', never);
    assert.equal(await next(front), 'prepare:xenguest');
    await front.say('done');
    assert.equal(await next(front), undefined);
    assert.equal(await front.status, 2);
    await assert.rejects(async () => {
      for (;;) await front.say('late');
    });
  });
});
