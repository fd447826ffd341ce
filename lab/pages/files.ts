// All files that are written from the table of options, by their paths in the checkout. Pure; scripts/option-pages.mjs writes them.

import { bashCompletion } from './bash.js';
import { commandPage, overviewPage, pageName } from './manual.js';
import { optionsPage } from './options.js';
import { NAMES } from './table.js';
import { zshCompletion } from './zsh.js';

/** The folder of the commands' pages. It has no other files. */
export const PAGES = 'docs/man';

/** Each file's text. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/OPTIONS.md', optionsPage()],
    ['docs/ramferry.1', overviewPage()],
    ...NAMES.map((name) => [`${PAGES}/${pageName(name)}.1`, commandPage(name)] as const),
    ['packaging/completion/ramferry.bash', bashCompletion()],
    ['packaging/completion/_ramferry', zshCompletion()],
  ]);
}
