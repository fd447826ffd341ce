// What watches a front: its trace, and the metrics of the command line. A watcher changes no outcome: none of its calls may throw.

import type { RamferryError } from '../../errors.js';
import type { Carrier } from './carrier.js';

export interface FrontObserver {
  /** The front has its memory stream, whose statistics change from now on. */
  follow(memory: Carrier): void;
  /** The front has failed. Only the first failure is the reason. */
  failed(error: RamferryError): void;
  /**
   * The front has ended.
   * @param status of the front; it may be the real emu-manager's own
   */
  end(status: number): Promise<void>;
}
