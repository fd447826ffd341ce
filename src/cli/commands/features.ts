// `ramferry features`: codecs, formats and limits of this installation, as text or as one line of JSON.

import { EXIT } from '../../errors.js';
import { features as listFeatures } from '../../transfer/features.js';
import { formatFeatures } from '../../report/features.js';
import { printResult } from '../output/output.js';
import type { Command } from '../command.js';
import { givenOptions, offerOptions } from '../settings/options.js';

export const features: Command = {
  build: (parser) => offerOptions(parser, 'features'),
  run: async (parsed) => {
    const found = listFeatures(givenOptions(parsed, 'features'));
    await printResult(
      parsed['json'] === true
        ? JSON.stringify({ message_type: 'features', ...found })
        : formatFeatures(found),
    );
    return EXIT.success;
  },
};
