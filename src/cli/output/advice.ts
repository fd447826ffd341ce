// What to do about an error that brings no hint of its own: one line for each code. docs/TROUBLESHOOTING.md has the causes.

import type { ErrorCode } from '../../errors.js';

/** A signal was sent on purpose. */
type Signalled = 'ERR_INTERRUPTED' | 'ERR_TERMINATED';

const ADVICE: Readonly<Record<Exclude<ErrorCode, Signalled>, string>> = {
  ERR_INTERNAL: 'a fault of ramferry: report it with its --log-file',
  ERR_WORKER_DIED: "look for the OOM killer in the kernel's log (dmesg); use fewer threads",
  ERR_WORKER_OUT_OF_MEMORY: 'allow more memory, or use fewer threads and a smaller --chunk-size',
  ERR_SELF_CHECK: "test this host's memory; nothing wrong has left",
  ERR_USAGE: '`ramferry COMMAND --help` lists arguments and options',
  ERR_OPTION_INVALID: '`ramferry COMMAND --help` names the units and ranges',
  ERR_MEMORY_LIMIT: 'use fewer threads, a smaller --chunk-size or a larger --memory-limit',
  ERR_RESOURCE_LIMIT: 'allow more files, threads or memory (ulimit, TasksMax, memory.max)',
  ERR_CODEC_UNAVAILABLE: '`ramferry features` says which bindings work, and why others do not',
  ERR_SAME_FILE: 'name another output',
  ERR_TLS_CREDENTIALS: 'check the files of --tls-creds with `openssl x509 -text`',
  ERR_ALREADY_COMPRESSED: 'receive it first, or send what it was made of',
  ERR_INPUT_OPEN: 'check the path, and that this user may read it',
  ERR_INPUT_READ: "look for errors of the disk in the kernel's log",
  ERR_INPUT_CHANGED: 'send a file that nothing writes to',
  ERR_INPUT_UNKNOWN: 'leave --format out; `ramferry inspect` says what it is',
  ERR_INPUT_TRUNCATED: 'copy the file again: it is shorter than it says itself',
  ERR_INPUT_INCOMPLETE: "look into the hypervisor's log: it stopped before its end",
  ERR_LINK_ADDRESS: 'write tcp:HOST:PORT, unix:PATH or file:PATH, or -listen before the colon',
  ERR_LINK_CONNECT: 'start the other side first, or give it longer with --connect-timeout',
  ERR_LINK_LISTEN: 'see who listens there: ss -ltnp',
  ERR_LINK_CLOSED: 'look at the other side: its own message has the reason',
  ERR_LINK_TIMEOUT: 'see whether the other side runs; --io-timeout allows longer pauses',
  ERR_LINK_COMMAND: 'run the command of exec: by itself',
  ERR_LINK_NEGOTIATION: 'compare versions and options of both sides',
  ERR_LINK_TLS: 'look at both sides: the one that refuses names the reason',
  ERR_PEER_FAILED: 'look at the other side',
  ERR_STREAM_MAGIC: '`ramferry inspect` says what it is',
  ERR_STREAM_VERSION: 'update the receiver',
  ERR_STREAM_FEATURE: 'update the receiver',
  ERR_STREAM_TRUNCATED: 'send again; look at the sender for why it stopped',
  ERR_STREAM_CHECKSUM: 'send again; `ramferry inspect --verify` finds damage in a file',
  ERR_STREAM_FORMAT: 'send again; `ramferry inspect --verify` finds damage in a file',
  ERR_STREAM_LIMIT: 'send again; `ramferry inspect --verify` finds damage in a file',
  ERR_STREAM_ORDER: 'send again; `ramferry inspect --verify` finds damage in a file',
  ERR_STREAM_TOTALS: 'send again; `ramferry inspect --verify` finds damage in a file',
  ERR_STREAM_TRAILING: 'give the stream an output of its own: another program wrote behind it',
  ERR_STREAM_CODEC: 'send again; `ramferry inspect --verify` finds damage in a file',
  ERR_OUTPUT_OPEN: 'check the path, and that this user may write there',
  ERR_OUTPUT_EXISTS: 'name another output, or replace it with --force',
  ERR_OUTPUT_WRITE: "look for the reader's end, or errors of the disk in the kernel's log",
  ERR_OUTPUT_FULL: 'make room, or name an output on another disk',
  ERR_OUTCOME_UNKNOWN: 'ask both hypervisors before the guest is started anywhere',
  ERR_HANDOVER_UNKNOWN: 'ask both hypervisors before the guest is started anywhere',
  ERR_QMP_CONNECT: "check the path of QEMU's -qmp socket, and that no other program uses it",
  ERR_QMP_CLOSED: "look into QEMU's log: it ended, or closed its monitor",
  ERR_QMP_TIMEOUT: 'see whether QEMU is stopped or overloaded',
  ERR_QMP_COMMAND: 'the message is that of QEMU',
  ERR_QMP_PROTOCOL: "name QEMU's -qmp socket, not its human monitor",
  ERR_MIGRATION_FAILED: "look into the log of the destination's QEMU",
  ERR_MIGRATION_TIMEOUT: 'allow more with --timeout, or end it with --timeout-strategy postcopy',
  ERR_GUEST_STATE: 'bring the guest into the state that the message names',
  ERR_GUEST_RAM: "name the files of the guest's RAM, which need share=on",
  ERR_GUEST_RAM_CHANGED: 'do not resize or plug memory during the migration',
  ERR_WATCHDOG: 'ask both QEMUs where the guest runs',
};

/** @returns undefined for signals */
export function adviceFor(code: ErrorCode): string | undefined {
  return (ADVICE as Readonly<Partial<Record<ErrorCode, string>>>)[code];
}
