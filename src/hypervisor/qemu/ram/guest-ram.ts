// Opens the files of a guest's RAM and proves which memory backend each of them is, before a byte is read or written: QEMU names
// its backends, the kernel shows what QEMU's process has mapped, and device and inode of each file are compared with that.
// Files without proof are refused, or used as the user names them (`ramUnchecked`).

import { libc } from '../../../os/libc.js';
import type { QmpClient } from '../qmp/client.js';
import type { MemoryBackend } from '../qmp/memory.js';
import { isMapped, isSameFile, pathBelowRoot, pathInProcess } from './qemu-process.js';
import { closeRamFiles, openRamFiles, type RamFile, unsuitable } from './ram-files.js';
import { type Proof, type ProofOptions, prove, Unproven } from './ram-proof.js';

export interface GuestRamOptions extends ProofOptions {
  /** The user's paths, as this process or QEMU's process sees them. Empty: the files that QEMU names. */
  readonly ram: readonly string[];
  readonly ramUnchecked: boolean;
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface GuestRam {
  /** In the user's order; without the user's names, in the order of the backends' ids. */
  readonly files: RamFile[];
  /** QEMU's process, where the proof succeeded. */
  readonly pid?: number | undefined;
}

/** @throws ERR_GUEST_RAM; nothing stays open then */
export function openGuestRam(
  monitor: QmpClient,
  backends: readonly MemoryBackend[],
  options: GuestRamOptions,
  access: 'read' | 'write',
): GuestRam {
  checkShared(backends);
  try {
    const proofs = prove(monitor, options, backends);
    return { files: openProven(proofs, options, access), pid: proofs[0]!.pid };
  } catch (thrown) {
    if (!(thrown instanceof Unproven)) throw thrown;
    if (!options.ramUnchecked) throw thrown.refusal(options.ram);
    options.onWarning?.(
      `the files of --ram are used without proof, because ${thrown.message}; the wrong file, or a wrong order, destroys the guest`,
    );
    return { files: openUnchecked(backends, options.ram, access) };
  }
}

/**
 * The monitor's path as QEMU sees it: in a chroot or a container the path differs.
 * @param pid of QEMU; undefined where it is unknown
 */
export function monitorInQemu(monitor: QmpClient, qmp: string, pid: number | undefined): string {
  if (pid === undefined) return qmp;
  const { fd } = monitor;
  const bound = fd === undefined ? '' : (libc()?.peerName(fd) ?? '');
  const names = [qmp, bound, pathBelowRoot(pid, qmp)].filter((name) => name !== '');
  return names.find((name) => isSameFile(qmp, pathInProcess(pid, name))) ?? qmp;
}

/** Refuses private RAM: QEMU would send it itself, while the guest is stopped. */
function checkShared(backends: readonly MemoryBackend[]): void {
  const privately = backends.find(({ share }) => share === false);
  if (privately === undefined && backends.length > 0) return;
  throw unsuitable(
    privately === undefined ? "the guest's RAM" : `memory backend ${privately.id}`,
    'is not shared',
    'start QEMU with -object memory-backend-file,…,share=on and -machine memory-backend=ID',
  );
}

/** Opens the proven files in the user's order. */
function openProven(
  proofs: readonly Proof[],
  { ram, onWarning }: GuestRamOptions,
  access: 'read' | 'write',
): RamFile[] {
  const order =
    ram.length === 0
      ? [...proofs].sort((one, other) => (one.backend.id < other.backend.id ? -1 : 1))
      : inOrderOf(ram, proofs);
  const files = openRamFiles(
    order.map(({ path }) => path),
    access,
  );
  try {
    return files.map((file, index) => {
      const { backend, mapped } = order[index]!;
      if (!isMapped(mapped, `/proc/self/fd/${file.fd}`)) {
        throw unsuitable(file.path, 'was replaced by another file while it was opened', 'try again');
      }
      if (file.size !== backend.size) {
        throw unsuitable(
          `memory backend ${backend.id} (${file.path})`,
          `has ${backend.size} bytes, its file ${file.size}`,
          'the file must have the size of the memory backend',
        );
      }
      if (mapped.device !== file.device) {
        onWarning?.(
          `${file.path} is identified by its inode only: the kernel shows another device for QEMU's mapping; run as root for a full comparison`,
        );
      }
      return { ...file, backend };
    });
  } catch (thrown) {
    closeRamFiles(files);
    throw thrown;
  }
}

function inOrderOf(ram: readonly string[], proofs: readonly Proof[]): Proof[] {
  const left = [...proofs];
  const order = ram.map((name) => {
    const index = left.findIndex((proof) => isNamed(proof, name));
    const found = left.splice(index, index < 0 ? 0 : 1)[0];
    if (found !== undefined) return found;
    throw unsuitable(name, twice(name, proofs), `QEMU says: ${list(proofs)}`);
  });
  if (left.length === 0) return order;
  throw unsuitable(
    list(left),
    'is none of the files named with --ram',
    'name the file of every memory backend, or none: QEMU knows the files',
  );
}

function twice(name: string, proofs: readonly Proof[]): string {
  return proofs.some((proof) => isNamed(proof, name))
    ? 'is the same file twice'
    : 'is no memory backend of this QEMU';
}

/** The user may name a file by its path in this process or in QEMU's. */
function isNamed({ pid, mapped }: Proof, name: string): boolean {
  return [name, pathInProcess(pid, name)].some((path) => isMapped(mapped, path));
}

function list(proofs: readonly Proof[]): string {
  return proofs
    .map(
      ({ backend: { id, path, size } }) =>
        `memory backend ${id} (${path ?? 'without a path'}, ${size} bytes)`,
    )
    .join(', ');
}

/** Without proof only sizes are compared. */
function openUnchecked(
  backends: readonly MemoryBackend[],
  ram: readonly string[],
  access: 'read' | 'write',
): RamFile[] {
  const files = openRamFiles(ram, access);
  const sizes = (all: readonly { readonly size: number }[]): string =>
    all
      .map(({ size }) => size)
      .sort((one, other) => one - other)
      .join(', ');
  if (sizes(files) === sizes(backends)) return files;
  closeRamFiles(files);
  throw unsuitable(
    ram.join(', '),
    `have ${sizes(files)} bytes, the memory backends of this QEMU ${sizes(backends)}`,
    'name the RAM files of this guest, all of them',
  );
}
