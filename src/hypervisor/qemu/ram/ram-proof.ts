// Proves that a file is a memory backend of the QEMU behind a monitor: QEMU names its backends and their paths, and the kernel
// shows what QEMU's process has mapped. Opens no file.

import fs from 'node:fs';

import { RamferryError } from '../../../errors.js';
import { libc } from '../../../os/libc.js';
import type { QmpClient } from '../qmp/client.js';
import type { MemoryBackend } from '../qmp/memory.js';
import {
  descriptorsOf,
  holdersOf,
  isMapped,
  type MappedFile,
  mappedFiles,
  pathInProcess,
  programOf,
} from './qemu-process.js';
import { unsuitable } from './ram-files.js';

export interface ProofOptions {
  /** The path of the monitor's socket. */
  readonly qmp: string;
  /** QEMU's process; undefined: the process that holds that socket. */
  readonly qemuPid?: number | undefined;
}

/** Why no proof is possible. The files may still be the right ones. */
export class Unproven extends Error {
  refusal(ram: readonly string[]): RamferryError {
    const what =
      ram.length === 0 ? "which files are this QEMU's RAM" : `that ${ram.join(', ')} is this QEMU's RAM`;
    return new RamferryError('ERR_GUEST_RAM', `${what} cannot be proven: ${this.message}`, {
      hint: "run as root or as QEMU's user, name QEMU's process with --qemu-pid, or skip the proof with --ram-unchecked",
    });
  }
}

/** A backend and its file. */
export interface Proof {
  readonly pid: number;
  readonly backend: MemoryBackend;
  readonly mapped: MappedFile;
  /** A path of this process that leads to the file. */
  readonly path: string;
}

export function prove(
  monitor: QmpClient,
  options: ProofOptions,
  backends: readonly MemoryBackend[],
): readonly Proof[] {
  let failure = new Unproven('the process at the other end of the monitor is unknown');
  for (const pid of candidates(monitor, options)) {
    const mapped = mappedFiles(pid);
    const name = `process ${pid} (${programOf(pid)})`;
    try {
      if (mapped === undefined) throw new Unproven(`/proc/${pid}/maps of ${name} cannot be read`);
      return proveIn(pid, name, mapped, backends);
    } catch (thrown) {
      if (!(thrown instanceof Unproven)) throw thrown;
      failure = thrown;
    }
  }
  throw failure;
}

/** Processes that may be this QEMU, the most likely one first. */
function* candidates(monitor: QmpClient, { qemuPid, qmp }: ProofOptions): Generator<number> {
  if (qemuPid !== undefined) {
    yield qemuPid;
    return;
  }
  const { fd } = monitor;
  const peer = fd === undefined ? 0 : (libc()?.peerProcess(fd) ?? 0);
  if (peer > 0) yield peer;
  for (const pid of holdersOf(qmp)) if (pid !== peer) yield pid;
}

function proveIn(
  pid: number,
  name: string,
  mapped: readonly MappedFile[],
  backends: readonly MemoryBackend[],
): Proof[] {
  const proofs: Proof[] = [];
  const nameless: MemoryBackend[] = [];
  for (const backend of backends) {
    // For a directory QEMU creates a file without a name; and the name of a file may have been removed.
    const paths = pathsOf(pid, backend).filter((each) => isThere(each));
    if (paths.length === 0) {
      nameless.push(backend);
      continue;
    }
    const path = paths.find((each) => mapped.some((file) => isMapped(file, each)));
    if (path === undefined) {
      throw new Unproven(`${name} has not mapped ${backend.path!} of memory backend ${backend.id}`);
    }
    proofs.push({ pid, backend, mapped: mapped.find((file) => isMapped(file, path))!, path });
  }
  const rest = mapped.filter((file) => !proofs.some((proof) => proof.mapped === file));
  for (const backend of nameless) proofs.push(proveNameless(pid, name, rest, backend, nameless));
  for (const { backend, mapped: file } of proofs) checkExtent(backend, file);
  return proofs;
}

/** A memfd has no path: its size must identify it. */
function proveNameless(
  pid: number,
  name: string,
  mapped: readonly MappedFile[],
  backend: MemoryBackend,
  nameless: readonly MemoryBackend[],
): Proof {
  const alike = nameless.filter(({ size }) => size === backend.size).map(({ id }) => id);
  if (alike.length > 1) {
    throw new Unproven(`memory backends ${alike.join(' and ')} have no path and the same size`);
  }
  const fits = mapped.filter(({ from, to }) => to - from === backend.size);
  if (fits.length !== 1) {
    throw new Unproven(
      `memory backend ${backend.id} has no path, and ${name} has mapped ${fits.length} files of its size`,
    );
  }
  const path = descriptorsOf(pid).find((each) => isMapped(fits[0]!, each.path))?.path;
  if (path === undefined) throw new Unproven(`${name} has no descriptor of memory backend ${backend.id}`);
  return { pid, backend, mapped: fits[0]!, path };
}

function checkExtent({ id, path, size, offset }: MemoryBackend, { from, to }: MappedFile): void {
  if (offset === 0 && from === 0 && to >= size) return;
  throw unsuitable(
    `memory backend ${id} (${path ?? 'without a path'})`,
    offset === 0 && from === 0
      ? `has ${size} bytes, of which QEMU has mapped ${to}`
      : `begins at byte ${Math.max(offset, from)} of its file`,
    'use one file for each memory backend, without offset=',
  );
}

/** The path as QEMU sees it, and as this process sees it: a QEMU with -chroot opened its files before the chroot. */
function pathsOf(pid: number, { path }: MemoryBackend): string[] {
  return path === undefined ? [] : [pathInProcess(pid, path), path];
}

function isThere(path: string): boolean {
  try {
    return !fs.statSync(path).isDirectory();
  } catch {
    return false;
  }
}
