// Whether V8 writes profiles or coverage, which it does while Node.js takes itself down: such a process must not end before.

/** @param execArgv Node's own options */
export function isProfiled(execArgv: readonly string[], environment: NodeJS.ProcessEnv): boolean {
  const { NODE_OPTIONS = '', NODE_V8_COVERAGE } = environment;
  return (
    NODE_V8_COVERAGE !== undefined || [...execArgv, NODE_OPTIONS].some((option) => option.includes('-prof'))
  );
}
