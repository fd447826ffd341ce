// The fuzzer's target: decodes one mutant after another and checks the conditions for each. Deterministic: a seed and an
// iteration always give the same mutant.
//
//   RAMFERRY_FUZZ_ITERATIONS=1000000 RAMFERRY_FUZZ_SEED=7 node dist/test/fuzz/target.js
//   node dist/test/fuzz/target.js --seconds 60      every target for a part of that time; the last line has the counts
//   node dist/test/fuzz/target.js --cost            processor time of hostile QEMU streams, beside the same bytes sent as opaque

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

import { checksum } from '../../src/chunk/checksum.js';
import { END_RECORD_BYTES } from '../../src/container/native.js';
import { RamferryError } from '../../src/errors.js';
import { decodeStream } from '../transfer/support/memory-link.js';
import { type Entry, readCorpus } from './corpus.js';
import { type Decoded, decodeInline } from './inline.js';
import { COST_LIMIT, grammarCosts } from './grammar-cost.js';
import { framesTrial, type Trial, wayBackTrial, xenTrial } from './more-targets.js';
import { type Mutant, mutate } from './mutations.js';
import { qemuTrial } from './qemu-trial.js';
import { Xorshift32 } from '../../lab/random.js';

/** No mutant may take longer. The limit allows for a busy machine. */
const CASE_LIMIT_MS = 10_000;
/** Bytes of buffers that may be allocated beyond those at the start, garbage included. */
const MEMORY_LIMIT = { inline: 256 * 1024 * 1024, receiver: 2 * 1024 * 1024 * 1024 };

export interface FuzzOptions {
  readonly iterations: number;
  readonly seed: number;
  /** One mutant of this many also goes through the real receiver with its threads; 0 = none. */
  readonly receiverEvery: number;
  readonly onProgress?: (done: number, report: FuzzReport) => void;
}

export interface FuzzReport {
  /** Mutants that decoded. */
  decoded: number;
  /** Mutants that decoded to other bytes than the original's. */
  other: number;
  /** Refused mutants by error code. */
  readonly refused: Record<string, number>;
  /** Mutants that went through the receiver. */
  received: number;
  slowestMs: number;
}

type Outcome = Decoded | RamferryError;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const corpus = readCorpus();
  const originals: Decoded[] = [];
  for (const { stream } of corpus) originals.push(await decodeInline(stream));
  const streams = corpus.map(({ stream }) => stream);
  const known = new Set(originals.map(({ bytes }) => checksum(bytes)));
  const report: FuzzReport = { decoded: 0, other: 0, refused: {}, received: 0, slowestMs: 0 };
  const { arrayBuffers } = process.memoryUsage();
  for (let iteration = 0; iteration < options.iterations; iteration++) {
    const random = new Xorshift32(options.seed + iteration);
    const which = random.below(corpus.length);
    const mutant = mutate(corpus[which]!.stream, streams, random);
    const name = `seed ${options.seed + iteration} of ${corpus[which]!.name}`;
    try {
      const started = performance.now();
      const outcome = await attempt(() => decodeInline(mutant.bytes));
      const took = performance.now() - started;
      report.slowestMs = Math.max(report.slowestMs, took);
      assert.ok(took < CASE_LIMIT_MS, `took ${took} ms`);
      const [entry, original] = [corpus[which]!, originals[which]!];
      judge({ mutant, outcome, entry, original, known }, report);
      if (options.receiverEvery > 0 && iteration % options.receiverEvery === 0) {
        await compareWithReceiver(mutant.bytes, outcome);
        report.received++;
      }
    } catch (cause) {
      throw new Error(`fuzzing: ${name}: ${(cause as Error).message}`, { cause });
    }
    if (iteration % 1000 === 999) {
      const limit = options.receiverEvery > 0 ? MEMORY_LIMIT.receiver : MEMORY_LIMIT.inline;
      assert.ok(process.memoryUsage().arrayBuffers - arrayBuffers < limit, 'memory is bounded');
      options.onProgress?.(iteration + 1, report);
    }
  }
  return report;
}

/** Decodes a mutant. Everything but a result or a RamferryError ends the fuzzing. */
async function attempt(work: () => Promise<Decoded>): Promise<Outcome> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof RamferryError) return thrown;
    throw thrown;
  }
}

interface Judged {
  readonly mutant: Mutant;
  readonly outcome: Outcome;
  /** Original of the mutant. */
  readonly entry: Entry;
  readonly original: Decoded;
  /** Checksums of all originals' bytes. */
  readonly known: ReadonlySet<bigint>;
}

function judge({ mutant, outcome, entry, original, known }: Judged, report: FuzzReport): void {
  if (outcome instanceof RamferryError) {
    assert.ok(!mutant.bytes.equals(entry.stream), 'the original itself was refused');
    assert.notEqual(outcome.code, 'ERR_INTERNAL');
    report.refused[outcome.code] = (report.refused[outcome.code] ?? 0) + 1;
    return;
  }
  report.decoded++;
  const { bytes, headers } = outcome;
  let at = 0;
  for (const header of headers) {
    const chunk = bytes.subarray(at, at + header.decodedLength);
    assert.equal(chunk.length, header.decodedLength);
    assert.equal(header.offset, at);
    assert.equal(checksum(chunk), header.decodedChecksum, 'a chunk is what its checksum says');
    at += header.decodedLength;
  }
  assert.equal(at, bytes.length);
  const end = mutant.bytes.subarray(mutant.bytes.length - END_RECORD_BYTES);
  assert.equal(end.readBigUInt64LE(8), BigInt(headers.length));
  assert.equal(end.readBigUInt64LE(16), BigInt(bytes.length));
  if (bytes.equals(original.bytes)) return;
  report.other++;
  // A blind mutation never decodes to other bytes, unless it has replaced the whole stream by another one.
  assert.ok(mutant.sealed || known.has(checksum(bytes)), 'damage gave other bytes');
}

async function compareWithReceiver(stream: Buffer, inline: Outcome): Promise<void> {
  let received: Buffer | RamferryError;
  try {
    received = await decodeStream(stream);
  } catch (thrown) {
    if (!(thrown instanceof RamferryError)) throw thrown;
    received = thrown;
  }
  const code = (outcome: unknown): string => (outcome instanceof RamferryError ? outcome.code : 'decoded');
  // The two decoders have different memory limits.
  if (code(inline) === 'ERR_MEMORY_LIMIT') return;
  if (received instanceof RamferryError && received.message.includes('asks for too much')) return;
  assert.equal(code(received), code(inline), 'the receiver says something else');
  if (Buffer.isBuffer(received) && !(inline instanceof RamferryError))
    assert.ok(received.equals(inline.bytes));
}

/** Counts of one target of the program. */
export interface TargetCount {
  trials: number;
  decoded: number;
  refused: number;
}

/** Runs trials of one of the other targets while `more` returns true. @throws Error that names the seed of a finding */
export async function fuzzTarget(
  name: string,
  trial: Trial,
  seed: number,
  more: (trials: number) => boolean,
): Promise<TargetCount> {
  const count: TargetCount = { trials: 0, decoded: 0, refused: 0 };
  const { arrayBuffers } = process.memoryUsage();
  for (; more(count.trials); count.trials++) {
    try {
      count[await trial(new Xorshift32(seed + count.trials))]++;
    } catch (cause) {
      throw new Error(`fuzzing ${name}: seed ${seed + count.trials}: ${(cause as Error).message}`, { cause });
    }
    if (count.trials % 200 === 199) {
      const held = process.memoryUsage().arrayBuffers - arrayBuffers;
      assert.ok(held < MEMORY_LIMIT.receiver, `fuzzing ${name}: memory is bounded (${held} bytes)`);
    }
  }
  return count;
}

/** The targets beside native streams. */
const OTHERS: Readonly<Record<string, () => Trial | Promise<Trial>>> = {
  xenguest: xenTrial,
  conversation: wayBackTrial,
  qemu: qemuTrial,
  frames: framesTrial,
};

/** Runs every target for its part of `seconds`. */
async function run(seconds: number, seed: number): Promise<Record<string, TargetCount>> {
  const counts: Record<string, TargetCount> = {};
  const within = (share: number): ((trials: number) => boolean) => {
    const end = performance.now() + 1000 * seconds * share;
    return (trials) => trials === 0 || performance.now() < end;
  };
  const native: TargetCount = { trials: 0, decoded: 0, refused: 0 };
  const more = within(0.3);
  for (; more(native.trials); native.trials += 500) {
    const report = await fuzz({ iterations: 500, seed: seed + native.trials, receiverEvery: 0 });
    native.decoded += report.decoded;
    native.refused += 500 - report.decoded;
  }
  counts['native'] = native;
  const shares = { xenguest: 0.25, conversation: 0.15, qemu: 0.2, frames: 0.1 };
  for (const [name, share] of Object.entries(shares)) {
    counts[name] = await fuzzTarget(name, await OTHERS[name]!(), seed, within(share));
  }
  return counts;
}

/** `--target NAME --trials N`: mutants of one of the other targets. */
async function runTarget(name: string, trials: number, seed: number): Promise<void> {
  const make = OTHERS[name];
  if (make === undefined || !(trials > 0))
    throw new Error(`--target is one of ${Object.keys(OTHERS).join(', ')}, with --trials N`);
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 1000);
  let peak = 0;
  const count = await fuzzTarget(name, await make(), seed, (done) => {
    if (done % 10_000 === 0) {
      peak = Math.max(peak, process.memoryUsage().rss);
      console.log(`${done} mutants, ${seconds()} s`);
    }
    return done < trials;
  });
  const { decoded, refused } = count;
  console.log(
    `fuzz: no findings, ${name}, seed ${seed}, ${seconds()} s: ${count.trials} (${decoded} decoded, ${refused} refused), ` +
      `at most ${Math.round(peak / 1e6)} MB`,
  );
}

/** The value of an option. */
function given(option: string): string | undefined {
  const at = argv.indexOf(option);
  return at < 0 ? undefined : argv[at + 1];
}

/** The value of `--seconds N` or RAMFERRY_FUZZ_SECONDS. */
function secondsGiven(): number | undefined {
  const text = given('--seconds') ?? process.env['RAMFERRY_FUZZ_SECONDS'];
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!(seconds > 0)) throw new Error(`--seconds: expected a number of seconds, got '${text}'`);
  return seconds;
}

/** @throws Error for a stream that costs more than COST_LIMIT times opaque */
async function runCosts(): Promise<void> {
  const costs = await grammarCosts();
  for (const { name, ratio, seconds } of costs) {
    console.log(`${ratio.toFixed(2)} times opaque, ${seconds.toFixed(2)} s: ${name}`);
  }
  const [worst] = costs;
  if (worst!.ratio > COST_LIMIT) throw new Error(`${worst!.name}: ${worst!.ratio.toFixed(2)} times opaque`);
}

async function main(): Promise<void> {
  if (argv.includes('--cost')) return runCosts();
  const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
  const started = performance.now();
  const seed = number('RAMFERRY_FUZZ_SEED', 1);
  const target = given('--target');
  if (target !== undefined) return runTarget(target, Number(given('--trials')), seed);
  const seconds = secondsGiven();
  if (seconds === undefined) {
    const report = await fuzz({
      iterations: number('RAMFERRY_FUZZ_ITERATIONS', 100_000),
      seed,
      receiverEvery: number('RAMFERRY_FUZZ_RECEIVER_EVERY', 0),
      onProgress: (done, { decoded, other }) => {
        if (done % 100_000 === 0)
          console.log(`${done} mutants, ${decoded} decoded, ${other} of them to other bytes`);
      },
    });
    console.log(
      JSON.stringify({ ...report, seconds: Math.round((performance.now() - started) / 1000) }, null, 2),
    );
    return;
  }
  const counts = await run(seconds, seed);
  const parts = Object.entries(counts).map(
    ([name, { trials, decoded, refused }]) => `${name} ${trials} (${decoded} decoded, ${refused} refused)`,
  );
  const took = Math.round((performance.now() - started) / 1000);
  console.log(`fuzz: no findings, seed ${seed}, ${took} s: ${parts.join(', ')}`);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((finding: unknown) => {
    console.log(`fuzz: FINDING: ${finding instanceof Error ? finding.message : String(finding)}`);
    console.error(finding);
    process.exitCode = 1;
  });
}
