// One live migration of a running guest through `ramferry send` and `receive`, from one machine to another on this host:
//
//   source ─ unix ─(tap)─ send ─ tcp ─ receive ─(tap)─ unix ─ destination
//
// Resolves with the measurements. The caller judges them.

import { join } from 'node:path';

import { keepConsoles } from './consoles.js';
import { Ferry, type FerryEnd } from '../ferry.js';
import type { Machine } from './machine.js';
import { Tap, type Seen } from './tap.js';

/** Bytes a second, above the rate of any link, so that the link's back-pressure limits QEMU. */
export const UNLIMITED_BANDWIDTH = 100_000_000_000;

export interface VoyageOptions {
  readonly directory: string;
  /** Name of the migration, unique in the directory. */
  readonly name: string;
  readonly source: Machine;
  /** Starts the destination. @param incoming address at which it must listen */
  readonly startDestination: (incoming: string) => Promise<Machine>;
  /** Capability `return-path`, on both sides. */
  readonly returnPath: boolean;
  /** Options of `ramferry send`. */
  readonly sendOptions: readonly string[];
}

export interface Voyage {
  readonly destination: Machine;
  readonly send: FerryEnd;
  readonly receive: FerryEnd;
  /** Length and hash of the stream and of the return path, at the source and at the destination. */
  readonly before: { readonly forward: Seen; readonly backward: Seen };
  readonly after: { readonly forward: Seen; readonly backward: Seen };
  /** Milliseconds from the source's STOP to the destination's RESUME. */
  readonly downtime: number;
}

/** A transfer that takes longer hangs. Both ends' output then shows where. */
const DEADLINE_MS = 120_000;

/** Migrates the guest. Afterwards the source is paused (`postmigrate`) and the guest runs at the destination. */
export async function voyage(options: VoyageOptions): Promise<Voyage> {
  const destination = await options.startDestination(`unix:${pathOf(options, 'in')}`);
  return keepConsoles([options.source, destination], () => sail(options, destination));
}

function pathOf({ directory, name }: VoyageOptions, what: string): string {
  return join(directory, `${name}.${what}`);
}

async function sail(options: VoyageOptions, destination: Machine): Promise<Voyage> {
  const { source, returnPath } = options;
  const path = (what: string): string => pathOf(options, what);
  const taps: Tap[] = [];
  const ferries: Ferry[] = [];
  const stopFerries = (): void => {
    for (const ferry of ferries) ferry.kill();
  };
  const deadline = setTimeout(stopFerries, DEADLINE_MS);
  try {
    for (const machine of [source, destination]) await setReturnPath(machine, returnPath);
    const before = await Tap.listen(path('out'), path('send'));
    const after = await Tap.listen(path('receive'), path('in'));
    taps.push(before, after);
    const receive = new Ferry(['receive', 'tcp-listen:127.0.0.1:0', `unix:${path('receive')}`]);
    ferries.push(receive);
    const send = new Ferry([
      'send',
      `unix-listen:${path('send')}`,
      await receive.listening(),
      ...options.sendOptions,
    ]);
    ferries.push(send);
    await send.listening();

    await source.qmp.execute('migrate-set-parameters', { 'max-bandwidth': UNLIMITED_BANDWIDTH });
    const mark = source.qmp.events.length;
    await source.qmp.execute('migrate', { uri: `unix:${path('out')}` });
    const ends = Promise.all([send.ended, receive.ended]);
    const resumed = destination.qmp.event('RESUME');
    resumed.catch(() => undefined);
    const [sendEnd, receiveEnd] = await ends;
    if (sendEnd.status !== 0 || receiveEnd.status !== 0) {
      throw new Error(
        `send: ${sendEnd.status} ${sendEnd.output} receive: ${receiveEnd.status} ${receiveEnd.output}`,
      );
    }
    const [stop, resume] = await Promise.all([source.qmp.event('STOP', mark), resumed]);
    return {
      destination,
      send: sendEnd,
      receive: receiveEnd,
      before: await before.ended,
      after: await after.ended,
      downtime: resume.at - stop.at,
    };
  } catch (thrown) {
    await destination.dispose();
    throw thrown;
  } finally {
    for (const tap of taps) tap.close();
    clearTimeout(deadline);
    stopFerries();
  }
}

async function setReturnPath(machine: Machine, state: boolean): Promise<void> {
  await machine.qmp.execute('migrate-set-capabilities', {
    capabilities: [{ capability: 'return-path', state }],
  });
}
