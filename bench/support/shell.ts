// Command lines for `sh -c`: quoting, and two programs that meet at a unix socket.

/** Quotes the words of a command. */
export function shell(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

/**
 * A listener that writes what arrives to the null device, and a program that connects and reads the files. The script ends when both
 * have ended.
 * @param listen @param connect command lines
 * @param files quoted, with blanks between them
 */
export function overSocket(listen: string, connect: string, files: string, socket: string): string {
  const reader = `${listen} | cat >/dev/null &`;
  const writer = `while [ ! -S '${socket}' ]; do sleep 0.01; done; cat ${files} | ${connect} || exit 1; wait`;
  return `${reader} ${writer}`;
}
