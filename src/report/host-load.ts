// The load of the host in one sentence for people. Pure.

import type { HostLoad } from '../os/processor/host-load.js';

/** One line for a busy host, none for an idle one. */
export function busyLines(load: HostLoad): string[] {
  return load.busy ? [`The host is busy (${describeLoad(load)}): times are longer than on a quiet one.`] : [];
}

/** `load average 22.4 on 2 CPUs, other programs used 1.6 of them` */
export function describeLoad({ average, others, cpus }: HostLoad): string {
  const used = others === undefined ? '' : `, other programs used ${others.toFixed(1)} of them`;
  return `load average ${average.toFixed(1)} on ${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}${used}`;
}
