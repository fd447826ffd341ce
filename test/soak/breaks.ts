// The soak of links that heal: recorded transfers through a proxy that resets, ends, swallows and refuses at drawn positions, 1 to 5 times
// each, in the clear and under TLS, with either side listening. Each must arrive byte for byte.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

import { Mulberry32 } from '../../lab/random.js';
import { generateImage } from '../../src/image/image.js';
import type { CodecName } from '../../src/codec/codec.js';
import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import { type Break, BreakingProxy } from '../link/resume/breaking-proxy.js';

const IMAGE_BYTES = 24 * 2 ** 20;
const RECONNECT_MS = 20_000;
/** Longer than five breaks by silence, each found after 1.5 s, and their repair. */
const HANG_MS = 90_000;
const CERTIFICATES = new URL('../../../scripts/make-test-certs', import.meta.url).pathname;
/** No break before the conversation is open: TLS and greeting are at most so long. */
const OPENING_BYTES = 8_000;

interface Trial {
  readonly codec: CodecName;
  readonly listens: 'sender' | 'receiver';
  readonly tls: boolean;
  readonly breaks: readonly Break[];
}

function plan(seed: number, hasTls: boolean): Trial {
  const draw = new Mulberry32(seed);
  for (let i = 0; i < 8; i++) draw.unit();
  const codec = draw.pick(['none', 'lz4', 'zstd'] as const);
  const listens = draw.pick(['receiver', 'receiver', 'sender'] as const);
  const withStream = listens === 'receiver' ? 'forward' : 'backward';
  const against = listens === 'receiver' ? 'backward' : 'forward';
  // Of the stream's own bytes; the other direction has few.
  const size = codec === 'none' ? IMAGE_BYTES * 0.6 : IMAGE_BYTES * 0.25;
  const breaks = Array.from({ length: 1 + draw.below(5) }, (): Break => {
    const isStream = draw.unit() < 0.8;
    return {
      direction: isStream ? withStream : against,
      at: OPENING_BYTES + draw.below(Math.floor(isStream ? size : 8_000)),
      kind: draw.pick(['reset', 'reset', 'end', 'silence'] as const),
      down: draw.pick([0, 0, 200, 1_500]),
    };
  });
  return { codec, listens, tls: hasTls && draw.unit() < 0.5, breaks };
}

interface Played {
  readonly problem: string | undefined;
  readonly broken: number;
}

async function play(trial: Trial, directory: string, input: string, image: Buffer): Promise<Played> {
  const output = join(directory, 'output');
  let heard: (address: string) => void = () => undefined;
  const address = new Promise<string>((resolve) => (heard = resolve));
  const common = {
    reconnect: RECONNECT_MS,
    ioTimeout: 1_500,
    onListening: (text: string) => heard(text),
    ...(trial.tls ? { tlsCreds: join(directory, 'certs', 'good') } : {}),
  };
  const sides = {
    sender: (end: string) => send({ input, output: end, codec: trial.codec, ...common }),
    receiver: (end: string) => receive({ input: end, output, force: true, ...common }),
  };
  const first = sides[trial.listens]('tcp-listen:127.0.0.1:0');
  const port = Number((await address).split(':').pop());
  const proxy = await BreakingProxy.open({ host: '127.0.0.1', port }, trial.breaks);
  const other = trial.listens === 'sender' ? 'receiver' : 'sender';
  const both = Promise.all([first, sides[other](`tcp:127.0.0.1:${proxy.port}`)]).then(
    () => (readFileSync(output).equals(image) ? undefined : 'other bytes'),
    (thrown: unknown) => String(thrown),
  );
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<string>((resolve) => (timer = setTimeout(() => resolve('hang'), HANG_MS)));
  const problem = await Promise.race([both, hang]);
  clearTimeout(timer);
  proxy.close();
  return { problem, broken: proxy.broken };
}

/** @returns how many trials failed */
export async function soakBreaks(trials: number, seed: number, verbose: boolean): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'ramferry-breaks-'));
  const image = Buffer.concat([...generateImage({ bytes: IMAGE_BYTES, seed: 5, profile: 'busy' })]);
  const input = join(directory, 'input');
  writeFileSync(input, image);
  const hasTls = spawnSync(CERTIFICATES, [join(directory, 'certs')], { stdio: 'ignore' }).status === 0;
  let [failed, broken, most] = [0, 0, 0];
  try {
    for (let i = 0; i < trials; i++) {
      const trial = plan(seed + i, hasTls);
      const played = await play(trial, directory, input, image);
      broken += played.broken;
      most = Math.max(most, process.memoryUsage().rss);
      if (played.problem !== undefined) failed++;
      if (!verbose && played.problem === undefined) continue;
      process.stdout.write(
        `${seed + i} ${JSON.stringify(trial)}: ${played.broken} breaks, ${played.problem ?? 'arrived'}\n`,
      );
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  process.stdout.write(
    `soak: ${trials} transfers, seed ${seed}, ${broken} breaks: ${failed} failed; most memory of both sides ${Math.round(most / 2 ** 20)} MiB\n`,
  );
  return failed;
}
