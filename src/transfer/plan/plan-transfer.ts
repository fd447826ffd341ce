// `planTransfer`: decides what a sender will do, from its options, the receiver's hello and the recognised input. The only place on the
// sender's side where options become decisions. Reads which codecs are installed; has no other side effects.

import type { Hello } from '../../control/negotiation.js';
import { grammarFor, type StreamKind } from '../../grammar/detect.js';
import type { GrammarName } from '../../grammar/grammar.js';
import type { Beginning } from '../../io/bytes.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';
import { adapts, planAdaptivity, type Recall } from './adaptivity.js';
import { agreeCoding, type Named } from './coding.js';
import { chooseContainer } from './container.js';
import type { OutputFacts } from './ends.js';
import { storeSize } from './store-size.js';
import {
  layOutPlan,
  type PacePlan,
  type PlanPieces,
  senderNeeds,
  type StreamPlan,
  type TransferPlan,
  type WorkPlan,
} from './transfer-plan.js';

/** What is known about the input. */
export interface InputFacts {
  /** `memory` = ramferry generates the stream from a guest's shared memory. */
  readonly kind: StreamKind | 'memory';
  /** Length in bytes of a regular file; undefined for other inputs. */
  readonly length?: number | undefined;
  /** What the receiver has of it from an earlier transfer; `length` is known. */
  readonly before?: Beginning | undefined;
  /** ramferry may read the input to its end (ends.ts). */
  readonly isReadToItsEnd?: boolean;
  /** Why no grammar can follow the input although its first bytes are known. */
  readonly opaqueBecause?: string | undefined;
}

export interface PlanRequest {
  readonly settings: ResolvedSendOptions;
  readonly named: Named;
  /** The receiver's hello; undefined on a one-way link, for a file, and before the hello has arrived. */
  readonly hello: Hello | undefined;
  readonly input: InputFacts;
  readonly output: OutputFacts;
  /** CPUs that the process may use. */
  readonly cpus: number;
  /** Bytes of the memory limit that are reserved for the generator of the stream. */
  readonly reservedBytes?: number;
  /** What earlier transfers have measured; absent = nothing is remembered. */
  readonly recall?: Recall | undefined;
}

/**
 * @throws ERR_OPTION_INVALID, ERR_CODEC_UNAVAILABLE, ERR_LINK_NEGOTIATION, ERR_MEMORY_LIMIT, ERR_ALREADY_COMPRESSED, ERR_INPUT_UNKNOWN
 */
export function planTransfer(request: PlanRequest): TransferPlan {
  const { settings, named, hello, input, output, cpus } = request;
  const agreed = agreeCoding(settings, named, hello);
  const memoryLimit = settings.memoryLimit - (request.reservedBytes ?? 0);
  const stream = planStream(settings, input);
  const { byExtents, identities, grammar } = stream;
  const { coding, adaptivity } = adapts(settings, named, output)
    ? planAdaptivity({
        settings: { ...settings, memoryLimit },
        coding: agreed.coding,
        ...{ named, hello, output, byExtents, cpus, recall: request.recall },
      })
    : { coding: agreed.coding };
  const needs = senderNeeds(coding, byExtents, memoryLimit);
  const store = storeSize({ settings, identities, needs, hello });
  const pieces: PlanPieces = {
    stream,
    coding,
    container: chooseContainer({ ...settings, ...{ codec: coding.codec, grammar, hello } }),
    storeBytes: store.bytes,
    memoryLimit,
    work: planWork(settings),
    pace: planPace(settings, stream),
    adaptivity,
    // The generator of a stream counts its own rounds, and limits its bytes in flight itself.
    ...(input.kind === 'memory' ? {} : { rounds: planRounds(settings, input) }),
    warnings: [...agreed.warnings, ...store.warnings],
  };
  const plan = layOutPlan(pieces);
  const deliveryWindow = firstDeliveryWindow(plan, hello);
  return deliveryWindow === undefined ? plan : { ...plan, pace: { ...plan.pace, deliveryWindow } };
}

function planStream(settings: ResolvedSendOptions, input: InputFacts): StreamPlan {
  const { kind, length, opaqueBecause, before } = input;
  const { method } = settings;
  // Version 1 of method xenguest has no place for what follows END.
  const hasNoPlace = settings.xenguestVersion === 1 && method === 'xenguest';
  // No grammar can begin in the middle of a stream.
  const walked = before === undefined || kind === 'raw' ? kind : 'opaque';
  const grammar: GrammarName = walked === 'memory' ? 'memory' : grammarFor(walked).name;
  return {
    kind,
    grammar,
    byExtents: (kind === 'raw' || before !== undefined) && length !== undefined && method !== 'stream',
    identities: grammar === 'qemu' || grammar === 'libxc' || grammar === 'memory',
    followsEnd: input.isReadToItsEnd === true && !hasNoPlace,
    length,
    before,
    opaqueBecause,
  };
}

/** The workers' part of the plan. */
export function planWork(
  settings: Pick<ResolvedSendOptions, 'zstdBinding' | 'window' | 'selfCheck' | 'compressWaitThread' | 'nice'>,
): Omit<WorkPlan, 'inline'> {
  return {
    zstdBinding: settings.zstdBinding ?? '',
    longDistance: settings.window !== undefined,
    selfCheck: settings.selfCheck,
    waitThread: settings.compressWaitThread,
    nice: settings.nice,
  };
}

function planPace(settings: ResolvedSendOptions, { grammar, length }: StreamPlan): PacePlan {
  const { flushAfter, maxBandwidth, maxCpu, downtimeLimit } = settings;
  // libxc's toolstacks end pre-copy by rounds and by a number of pages. Only QEMU estimates a bandwidth.
  const switchover = grammar === 'qemu' && length === undefined ? downtimeLimit : undefined;
  return { flushAfter, maxBandwidth, maxCpu, ...(switchover === undefined ? {} : { switchover }) };
}

/** The pages of a regular file arrive at disk speed, so only in a live stream does the time of a round show the dirty rate. */
function planRounds({ downtimeLimit }: ResolvedSendOptions, { length }: InputFacts): TransferPlan['rounds'] {
  return { downtimeLimit, live: length === undefined };
}

/** With a longer interval between acknowledgements every chunk would look late. */
const LONGEST_ACKNOWLEDGEMENT_MS = 20;

/**
 * The delivery window at the start, in decoded bytes. Undefined = no delivery window: the receiver acknowledges seldom or never, or
 * the input is a regular file, so no guest waits for the bytes in flight.
 */
export function firstDeliveryWindow(
  { stream, coding, memory }: Pick<TransferPlan, 'stream' | 'coding' | 'memory'>,
  hello: Hello | undefined,
): number | undefined {
  if (hello === undefined || stream.kind === 'memory' || stream.length !== undefined) return undefined;
  if ((hello.progressInterval ?? Infinity) > LONGEST_ACKNOWLEDGEMENT_MS) return undefined;
  return memory.slots.slots * coding.chunkSize;
}
