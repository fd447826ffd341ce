// The ways to migrate under libvirt that the soak tries, and the faults. Facts only; libvirt.ts runs them.

/** A way to migrate, as words of `virsh migrate`. */
export interface Way {
  readonly name: string;
  readonly flags: readonly string[];
  /** Most connections that QEMU opens at once; default 1. */
  readonly connections?: number;
  /** The guest moves before its memory does: the stream must say so. */
  readonly isSwitched?: boolean;
  /** The postcopy is broken (`domjobabort --postcopy`) and resumed. Runs only when named: libvirt itself often says that it has failed. */
  readonly isBroken?: boolean;
}

/** At 4 MiB/s the guest's memory takes four seconds, so the switch comes before its end. */
const SWITCHED = ['--postcopy', '--bandwidth', '4'];
/** libvirt turns postcopy-preempt on where QEMU has it. */
const POSTCOPY = { connections: 2, isSwitched: true };
export const PLAIN: Way = { name: 'plain', flags: [] };

export const WAYS: readonly Way[] = [
  PLAIN,
  { name: '--p2p', flags: ['--p2p'] },
  { name: '--persistent --undefinesource', flags: ['--persistent', '--undefinesource'] },
  { name: '--parallel', flags: ['--parallel', '--parallel-connections', '2'], connections: 3 },
  { name: '--postcopy', flags: ['--postcopy'], connections: 2 },
  { name: '--postcopy, migrate-postcopy', flags: SWITCHED, ...POSTCOPY },
  {
    name: '--postcopy-resume',
    flags: [...SWITCHED, '--postcopy-bandwidth', '2'],
    ...POSTCOPY,
    isBroken: true,
  },
];

/** What is done to a migration: nothing, `virsh domjobabort`, or SIGKILL to one of the programs. */
export type Fault =
  'none' | 'cancel' | "the source's libvirtd" | "the destination's libvirtd" | 'send' | 'receive';
export const FAULTS: readonly Fault[] = [
  'cancel',
  "the source's libvirtd",
  "the destination's libvirtd",
  'send',
  'receive',
];
