// One QEMU and its guest: the QMP commands that a migration needs. Checks each answer; an unexpected one is ERR_QMP_PROTOCOL.
// Makes no decisions.

import * as z from 'zod';

import { RamferryError } from '../../../errors.js';
import { type MonitorAddress, QmpClient, type QmpOptions } from './client.js';

const statusSchema = z.object({ status: z.string(), running: z.boolean() });
/** QEMU sends more fields; some are absent before the first round. */
const migrationSchema = z.object({
  status: z.string().optional(),
  'error-desc': z.string().optional(),
  ram: z
    .object({
      total: z.number(),
      remaining: z.number(),
      transferred: z.number(),
      mbps: z.number(),
      'dirty-sync-count': z.number(),
    })
    .optional(),
});
const parametersSchema = z.record(z.string(), z.unknown());
const capabilitiesSchema = z.array(z.object({ capability: z.string(), state: z.boolean() }));
export type GuestStatus = z.infer<typeof statusSchema>;
export type MigrationStatus = z.infer<typeof migrationSchema>;

/** States of query-migrate while a migration runs. */
const UNDER_WAY = new Set([
  'setup',
  'active',
  'device',
  'pre-switchover',
  'wait-unplug',
  'colo',
  'postcopy-active',
  'postcopy-paused',
  'postcopy-recover',
]);

export class QemuGuest {
  constructor(readonly monitor: QmpClient) {}

  static async connect(path: MonitorAddress, options: QmpOptions): Promise<QemuGuest> {
    return new QemuGuest(await QmpClient.connect(path, options));
  }

  status(): Promise<GuestStatus> {
    return this.#ask(statusSchema, 'query-status');
  }

  async stop(): Promise<void> {
    await this.monitor.execute('stop');
  }

  async cont(): Promise<void> {
    await this.monitor.execute('cont');
  }

  async quit(): Promise<void> {
    await this.monitor.execute('quit');
  }

  migration(): Promise<MigrationStatus> {
    return this.#ask(migrationSchema, 'query-migrate');
  }

  static underWay({ status }: MigrationStatus): boolean {
    return status !== undefined && (UNDER_WAY.has(status) || status === 'cancelling');
  }

  async capabilities(): Promise<Map<string, boolean>> {
    const all = await this.#ask(capabilitiesSchema, 'query-migrate-capabilities');
    return new Map(all.map(({ capability, state }) => [capability, state]));
  }

  async setCapabilities(states: Readonly<Record<string, boolean>>): Promise<void> {
    const capabilities = Object.entries(states).map(([capability, state]) => ({ capability, state }));
    await this.monitor.execute('migrate-set-capabilities', { capabilities });
  }

  /** All of query-migrate-parameters. */
  parameters(): Promise<Record<string, unknown>> {
    return this.#ask(parametersSchema, 'query-migrate-parameters');
  }

  async setParameters(values: Readonly<Record<string, unknown>>): Promise<void> {
    await this.monitor.execute('migrate-set-parameters', values);
  }

  async startPostcopy(): Promise<void> {
    await this.monitor.execute('migrate-start-postcopy');
  }

  async migrate(uri: string): Promise<void> {
    await this.monitor.execute('migrate', { uri });
  }

  async migrateIncoming(uri: string): Promise<void> {
    await this.monitor.execute('migrate-incoming', { uri });
  }

  async migrateCancel(): Promise<void> {
    await this.monitor.execute('migrate_cancel');
  }

  close(): void {
    this.monitor.close();
  }

  async #ask<T>(schema: z.ZodType<T>, command: string): Promise<T> {
    const answer = schema.safeParse(await this.monitor.execute(command));
    if (answer.success) return answer.data;
    throw new RamferryError('ERR_QMP_PROTOCOL', `QEMU's answer to ${command} is not understood`, {
      cause: answer.error,
    });
  }
}
