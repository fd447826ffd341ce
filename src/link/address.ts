// Parses the address of an input or an output into a typed value, and formats it back.
// Pure: looks up and opens nothing. Throws ERR_LINK_ADDRESS with a hint for any text that is not an address.

import type { Readable, Writable } from 'node:stream';
import { RamferryError } from '../errors.js';
import { UNIX_PATH_LIMIT } from '../io/private-socket.js';
import { nearest } from '../units.js';

export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'tcp-listen'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'unix-listen'; readonly path: string }
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'exec'; readonly command: string }
  /** Standard input for an input, standard output for an output. */
  | { readonly kind: 'stdio' }
  /** A Node.js stream of a program that embeds ramferry. */
  | { readonly kind: 'stream'; readonly stream: Readable | Writable };

const LOOPBACK = '127.0.0.1';

/** The kinds of address that stand before the first colon. */
export const SCHEMES = ['tcp', 'tcp-listen', 'unix', 'unix-listen', 'fd', 'file', 'exec'] as const;

const FORMS =
  'addresses are tcp:HOST:PORT, tcp-listen:[HOST:]PORT, unix:PATH, unix-listen:PATH (@NAME: abstract), fd:N, file:PATH, exec:COMMAND, - or a path';

function invalid(text: string, why: string, hint = FORMS): RamferryError {
  return new RamferryError('ERR_LINK_ADDRESS', `'${text}' is not an address: ${why}`, { hint });
}

function parsePort(text: string, digits: string, lowest: number): number {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : -1;
  if (port < lowest || port > 65535) {
    throw invalid(text, `the port must be a number from ${lowest} to 65535`);
  }
  return port;
}

function parseHost(text: string, host: string): string {
  const bracketed = /^\[(.+)\]$/.exec(host)?.[1];
  if (bracketed !== undefined) {
    if (!/^[0-9a-fA-F:.]+(%[\w.-]+)?$/.test(bracketed) || !bracketed.includes(':')) {
      throw invalid(text, 'brackets are for IPv6 addresses');
    }
    return bracketed;
  }
  if (host.includes(':')) {
    throw invalid(text, 'there are too many colons', 'write an IPv6 address in brackets: tcp:[::1]:4444');
  }
  if (host === '') throw invalid(text, 'the host is missing', 'any address of this host is 0.0.0.0 or [::]');
  if (!/^[\w.-]+$/.test(host)) throw invalid(text, 'the host contains characters that no host name has');
  return host;
}

function parseTcp(text: string, rest: string, listen: boolean): Address {
  const colon = rest.lastIndexOf(':');
  if (listen && colon < 0) {
    return { kind: 'tcp-listen', host: LOOPBACK, port: parsePort(text, rest, 0) };
  }
  if (colon < 0) throw invalid(text, 'the port is missing', 'write tcp:HOST:PORT');
  const host = parseHost(text, rest.slice(0, colon));
  const port = parsePort(text, rest.slice(colon + 1), listen ? 0 : 1);
  return { kind: listen ? 'tcp-listen' : 'tcp', host, port };
}

function parsePath(text: string, path: string): string {
  if (path === '') throw invalid(text, 'the path is missing');
  if (path.includes('\0')) throw invalid(text, 'a path cannot contain a NUL');
  return path;
}

/** Before version 22, Node.js fills a shorter name up with zero bytes, and other programs know it by another name. */
const HAS_ABSTRACT = Number(process.versions.node.split('.')[0]) >= 22;

/** Whether the path of a unix socket is a name without a file (unix(7)): `@name`. */
export function isAbstract(path: string): boolean {
  return path.startsWith('@');
}

/** The path of a unix socket as Node.js takes it. */
export function socketName(path: string): string {
  return isAbstract(path) ? `\0${path.slice(1)}` : path;
}

function parseUnixPath(text: string, rest: string): string {
  const path = parsePath(text, rest);
  if (isAbstract(path)) {
    if (path === '@') throw invalid(text, 'an abstract socket needs a name');
    if (!HAS_ABSTRACT) {
      throw invalid(
        text,
        `abstract sockets need Node.js 22, this is ${process.version}`,
        'use the path of a file; a file of that name is unix:./@NAME',
      );
    }
  }
  if (Buffer.byteLength(path) > UNIX_PATH_LIMIT) {
    throw invalid(
      text,
      `the path of a unix socket has at most ${UNIX_PATH_LIMIT} bytes`,
      'use a shorter path, or one relative to the working directory',
    );
  }
  return path;
}

/** node:net loads Node's streams, 5 ms of a start: only texts that look like addresses reach it. */
function isIP(text: string): number {
  return /^[0-9a-f]*[.:][0-9a-f:.]*(%[^:]*)?$/i.test(text)
    ? process.getBuiltinModule('node:net').isIP(text)
    : 0;
}

/** Refuses a text without a kind that reads like HOST:PORT or an IP address: the user forgot `tcp:` and wants no file. */
function refuseBareHost(text: string): void {
  if (text.includes('/')) return;
  const [, host, port] = /^([^:]*|\[.*\]|[0-9a-f:.]*:[0-9a-f:.]*(?:%[\w.-]+)?):(\d{1,5})$/i.exec(text) ?? [];
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  let meant: string;
  if (isIP(bare) !== 0) meant = isIP(bare) === 6 ? `[${bare}]:PORT` : `${bare}:PORT`;
  else if (host !== undefined && port !== undefined && !(SCHEMES as readonly string[]).includes(host)) {
    meant =
      host.includes(':') && !host.startsWith('[')
        ? `[${host}]:${port}`
        : `${host === '' ? 'HOST' : host}:${port}`;
  } else return;
  throw invalid(
    text,
    'it reads like a host, and the kind is missing',
    `write tcp:${meant} to connect, or file:./${text} for a file of that name`,
  );
}

export function parseAddress(text: string): Address {
  if (text === '') throw invalid(text, 'it is empty');
  if (text === '-') return { kind: 'stdio' };
  refuseBareHost(text);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1];
  if (scheme === undefined) return { kind: 'file', path: parsePath(text, text) };
  const rest = text.slice(scheme.length + 1);
  const meant = nearest(scheme, SCHEMES);
  switch (scheme) {
    case 'tcp':
      return parseTcp(text, rest, false);
    case 'tcp-listen':
      return parseTcp(text, rest, true);
    case 'unix':
    case 'unix-listen':
      return { kind: scheme, path: parseUnixPath(text, rest) };
    case 'fd':
      if (!/^\d{1,9}$/.test(rest)) throw invalid(text, 'the descriptor must be a number', 'write fd:3');
      return { kind: 'fd', fd: Number(rest) };
    case 'file':
      return { kind: 'file', path: parsePath(text, rest) };
    case 'exec':
      if (rest.trim() === '') throw invalid(text, 'the command is missing');
      if (rest.includes('\0')) throw invalid(text, 'a command cannot contain a NUL');
      return { kind: 'exec', command: rest };
    default:
      // A misspelt kind must not create a file of that name.
      throw invalid(
        text,
        `there is no kind '${scheme}'`,
        `${meant === undefined ? '' : `write ${meant}:${rest}; `}${FORMS}; for a file of that name write file:${text}`,
      );
  }
}

/** The address of an end that the library's caller gives: a text, or a Node.js stream. */
export function addressOf(end: string | Readable | Writable): Address {
  return typeof end === 'string' ? parseAddress(end) : { kind: 'stream', stream: end };
}

/** The program of a shell command, for messages. Its arguments and variables are omitted because they may be secret. */
export function commandWord(command: string): string {
  const words = command.trim().split(/[\s;|&<>()]+/);
  return words.find((word) => word !== '' && !/^\w+=/.test(word)) ?? 'sh';
}

/** The address as text for messages. parseAddress parses it back, except that a command's arguments are omitted. */
export function formatAddress(address: Address): string {
  switch (address.kind) {
    case 'tcp':
    case 'tcp-listen': {
      const host = address.host.includes(':') ? `[${address.host}]` : address.host;
      return `${address.kind}:${host}:${address.port}`;
    }
    case 'unix':
    case 'unix-listen':
      return `${address.kind}:${address.path}`;
    case 'fd':
      return `fd:${address.fd}`;
    case 'file':
      return address.path;
    case 'exec':
      return `exec:${commandWord(address.command)}`;
    case 'stdio':
      return '-';
    case 'stream':
      return 'a stream';
  }
}
