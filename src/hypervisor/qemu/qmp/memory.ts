// QEMU's description of its guest's RAM: its memory backends, the address of each in the guest, and the file behind it.
// Read-only. A property that this QEMU does not have is undefined.

import * as z from 'zod';

import { RamferryError } from '../../../errors.js';
import type { QmpClient } from './client.js';

export interface MemoryBackend {
  /** The id of `-object …,id=ID`. QEMU's stream names the RAM block after it. */
  readonly id: string;
  /** Bytes. */
  readonly size: number;
  readonly share: boolean | undefined;
  /** `memory-backend-file`, `memory-backend-memfd`, … */
  readonly type: string | undefined;
  /** The file's path as QEMU got it; QEMU may live in another mount namespace. A memfd has none. */
  readonly path: string | undefined;
  /** Offset of the guest's memory in that file. */
  readonly offset: number;
  /**
   * Address of the first byte within the RAM that contains the backend; QEMU compares it for ignored blocks. Nodes of
   * `-numa node,memdev=` lie in the order of their numbers, so the address identifies the node.
   */
  readonly address: number | undefined;
  /** NUMA node of a memory device (pc-dimm); undefined for the machine's initial memory. */
  readonly node: number | undefined;
}

const memdevSchema = z.array(
  z.object({ id: z.string().optional(), size: z.number(), share: z.boolean().optional() }),
);
const devicesSchema = z.array(
  z.object({
    data: z.object({ memdev: z.string().optional(), node: z.number().optional() }),
  }),
);
const propertiesSchema = z.array(z.object({ name: z.string(), type: z.string() }));
const versionSchema = z.object({ qemu: z.object({ major: z.number(), minor: z.number() }) });

/** @throws ERR_QMP_PROTOCOL, and the errors of the monitor */
export async function memoryBackends(monitor: QmpClient): Promise<MemoryBackend[]> {
  const all = read(memdevSchema, 'query-memdev', await monitor.execute('query-memdev'));
  const nodes = await deviceNodes(monitor);
  const backends: MemoryBackend[] = [];
  for (const { id = '', size, share } of all) {
    backends.push({ id, size, share, node: nodes.get(id), ...(await properties(monitor, id)) });
  }
  return backends;
}

/** QEMU's version as a comparable number: 8.1 is 801. */
export async function qemuVersion(monitor: QmpClient): Promise<number> {
  const { qemu } = read(versionSchema, 'query-version', await monitor.execute('query-version'));
  return qemu.major * 100 + qemu.minor;
}

async function properties(
  monitor: QmpClient,
  id: string,
): Promise<Pick<MemoryBackend, 'type' | 'path' | 'offset' | 'address'>> {
  const object = `/objects/${id}`;
  const text = async (property: string): Promise<string | undefined> => {
    const found = await ask(monitor, 'qom-get', { path: object, property });
    return typeof found === 'string' && found !== '' ? found : undefined;
  };
  const type = await text('type');
  const path = await text('mem-path');
  const offset = await ask(monitor, 'qom-get', { path: object, property: 'offset' });
  const listed = propertiesSchema.safeParse(await ask(monitor, 'qom-list', { path: object }));
  const region = listed.data?.find((property) => property.type === 'child<memory-region>');
  const address =
    region === undefined
      ? undefined
      : await ask(monitor, 'qom-get', { path: `${object}/${region.name}`, property: 'addr' });
  return {
    type,
    path,
    offset: typeof offset === 'number' ? offset : 0,
    address: typeof address === 'number' ? address : undefined,
  };
}

async function deviceNodes(monitor: QmpClient): Promise<Map<string, number>> {
  const devices = devicesSchema.safeParse(await ask(monitor, 'query-memory-devices'));
  const nodes = new Map<string, number>();
  for (const { data } of devices.data ?? []) {
    if (data.memdev !== undefined && data.node !== undefined) {
      nodes.set(data.memdev.replace(/^\/objects\//, ''), data.node);
    }
  }
  return nodes;
}

/** @returns undefined where this QEMU has no such command or property */
async function ask(monitor: QmpClient, command: string, args?: object): Promise<unknown> {
  try {
    return await monitor.execute(command, args);
  } catch (thrown) {
    if (thrown instanceof RamferryError && thrown.code === 'ERR_QMP_COMMAND') return undefined;
    throw thrown;
  }
}

function read<T>(schema: z.ZodType<T>, command: string, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new RamferryError('ERR_QMP_PROTOCOL', `QEMU's answer to ${command} is not understood`, {
    cause: parsed.error,
  });
}
