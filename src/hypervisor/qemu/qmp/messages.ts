// QMP's messages: reads one line (greeting, result, error or event) into a typed message, and writes commands. Pure.

import * as z from 'zod';

import { RamferryError } from '../../../errors.js';

const messageSchema = z.union([
  z.object({ QMP: z.unknown() }).transform(() => ({ kind: 'greeting' as const })),
  z
    .object({ event: z.string(), data: z.unknown().optional() })
    .transform(({ event, data }) => ({ kind: 'event' as const, name: event, data })),
  z
    .object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.number().optional() })
    .transform(({ error, id }) => ({ kind: 'error' as const, id, text: `${error.class}: ${error.desc}` })),
  z
    .object({ return: z.unknown(), id: z.number().optional() })
    .transform(({ return: value, id }) => ({ kind: 'result' as const, id, value })),
]);

export type QmpMessage = z.output<typeof messageSchema>;

/** @throws ERR_QMP_PROTOCOL */
export function readQmpMessage(line: string): QmpMessage {
  try {
    return messageSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new RamferryError('ERR_QMP_PROTOCOL', 'the peer is no QEMU monitor (QMP)', {
      cause,
      hint: 'give the path of a socket made with -qmp unix:PATH,server=on,wait=off',
    });
  }
}

export function qmpCommand(name: string, args: object | undefined, id: number): string {
  return `${JSON.stringify({ execute: name, arguments: args, id })}\n`;
}
