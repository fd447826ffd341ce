#!/usr/bin/env node
// The entry point of the command line: checks Node's version, then hands the arguments to the program.
// Everything is loaded after the check, so that an old Node shows a sentence instead of a stack.

const LINGER_MS = 300;
const NEEDED = { major: 20, minor: 19 };
/** What Node, its threads and our modules open at the same time. */
const NEEDED_FILES = 64;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < NEEDED.major || (major === NEEDED.major && minor < NEEDED.minor)) {
  process.stderr.write(
    `ramferry: needs Node.js ${NEEDED.major}.${NEEDED.minor} or newer, this is ${process.versions.node}\n`,
  );
  process.exitCode = 2;
} else {
  await start().catch((thrown: unknown) => {
    if (!isTooManyFiles(thrown)) throw thrown;
    process.stderr.write(`ramferry: too many open files: allow ${NEEDED_FILES} or more (ulimit -n)\n`);
    process.exitCode = 2;
  });
}

/** Node's module loader fails with the code, and from Node 24 on also with the words alone. */
function isTooManyFiles(thrown: unknown): boolean {
  const { code, message } = thrown as NodeJS.ErrnoException;
  return code === 'EMFILE' || /too many open files/i.test(message);
}

async function start(): Promise<void> {
  const { ownProcess } = await import('../pool/compile-later.js');
  ownProcess();
  const { exitNow } = await import('../io/exit.js');
  const { guardStandstill } = await import('./standstill.js');
  const { main } = await import('./program.js');
  const args = process.argv.slice(2);
  const status = await guardStandstill(() => main(args), args.includes('--json'));
  process.exitCode = status;
  // Nothing should keep the process now. If something does (a thread in a system call that does not return), it does
  // not keep it for long.
  setTimeout(() => exitNow(status), LINGER_MS).unref();
}

export {};
