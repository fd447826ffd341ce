// The program of `ramferry send` alone, bundled without the other commands.

import { send } from '../commands/send.js';
import { directProgram } from '../direct.js';

export const program = directProgram('send', send);
