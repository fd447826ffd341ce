// Command lines for `sh -c`: quoting, and two programs that meet at a unix socket.

/** Quotes the words of a command. */
export function shell(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

/**
 * A listener that writes what arrives to the null device, and a program that connects and reads the files. The script ends when both
 * have ended, and with a signal when one has failed.
 * @param listen @param connect command lines
 * @param files quoted, with blanks between them
 */
export function overSocket(listen: string, connect: string, files: string, socket: string): string {
  // A side that fails ends the script and the other side: a listener whose peer never came would wait for ever.
  const failed = '{ kill $listener $$; exit 1; }';
  const waiting = `while [ ! -S '${socket}' ]; do kill -0 $listener || ${failed}; sleep 0.01; done`;
  const script = `${listen} & listener=$!; ${waiting}; cat ${files} | ${connect} >&2 || ${failed}; wait $listener || kill $$`;
  return `( ${script} ) | cat >/dev/null`;
}
