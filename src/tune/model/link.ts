// What a link carries of its nominal bandwidth.

/** What a full-sized frame of Ethernet carries of a TCP stream: 1448 of 1538 bytes (preamble and gap included). */
export const ETHERNET_PAYLOAD = 1448 / 1538;

/** Bytes of payload per second on a cable of so many bytes per second; without a limit Infinity. */
export function payloadRate(bandwidth: number | undefined): number {
  return bandwidth === undefined || bandwidth === 0 ? Infinity : bandwidth * ETHERNET_PAYLOAD;
}
