// The program of `ramferry receive` alone, bundled without the other commands.

import { receive } from '../commands/receive.js';
import { directProgram } from '../direct.js';

export const program = directProgram('receive', receive);
