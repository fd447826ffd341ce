// When a process began, as the kernel shows it. With the PID this is unique on a host until it restarts, so it tells whether a process has
// ended, also when another has its PID by now. A process counts as ended only when it certainly does not exist.

import fs from 'node:fs';

/** Stands for a start time that cannot be read: of a process that may exist. No process has it. */
export const UNREADABLE = '0';

/**
 * Field 22 of proc_pid_stat(5), in ticks since boot. It follows the program's name, which may hold any character.
 * @returns undefined when the process has ended; UNREADABLE when that is not known
 */
export function startTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (thrown) {
    // A process counts as ended only when it certainly does not exist.
    return isGone(thrown) && !canBeSignalled(pid) ? undefined : UNREADABLE;
  }
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie writes no more.
  return state === 'Z' || state === 'X' ? undefined : (fields[18] ?? UNREADABLE);
}

/** Whether the process exists. /proc may hide existing processes (mount option hidepid). */
function canBeSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Whether the file is missing. ESRCH: the process ended during the read. */
function isGone(thrown: unknown): boolean {
  const { code } = thrown as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}
