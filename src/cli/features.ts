// `ramferry features`: what this installation can do, as text or as one line of JSON.

import { EXIT } from '../errors.js';
import { features as listFeatures } from '../migration/features.js';
import { formatFeatures } from '../report/features.js';
import { toStdout } from './output.js';
import type { Command } from './command.js';

export const features: Command = {
  build: (parser) => parser.option('json', { describe: 'as one line of JSON', type: 'boolean' }),
  run: (parsed) => {
    const found = listFeatures();
    toStdout(
      parsed['json'] === true
        ? JSON.stringify({ message_type: 'features', ...found })
        : formatFeatures(found),
    );
    return Promise.resolve(EXIT.success);
  },
};
