// What an installation can do, as text for people. Pure: plain data in, text out.

import type { CodecFeatures, Features } from '../transfer/features.js';
import { formatSize } from '../units.js';

export function formatFeatures(features: Features): string {
  const { versions, limits } = features;
  const sections: [title: string, lines: readonly string[]][] = [
    ['', [`ramferry ${versions.ramferry}, stream version ${versions.stream}, Node.js ${versions.node}`]],
    ['codecs', features.codecs.flatMap(codecLines)],
    ['methods', [features.methods.join(', ')]],
    ['input formats', [features.formats.join(', ')]],
    ['page grammars', [features.grammars.join(', ')]],
    ['addresses', [features.addresses.join(', ')]],
    [
      'limits',
      [
        `CPUs that may be used: ${features.cpus}`,
        ...Object.entries(limits).map(([name, range]) => `${words(name)}: ${limitText(name, range)}`),
      ],
    ],
    ['warnings', features.warnings],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(
      ([title, lines]) =>
        (title === '' ? '' : `${title}:\n`) +
        lines.map((line) => (title === '' ? line : `  ${line}`)).join('\n'),
    )
    .join('\n');
}

function codecLines({ codec, levels, bindings }: CodecFeatures): string[] {
  const range = levels.effective ? `levels ${levels.min} to ${levels.max}` : 'no levels';
  return [
    `${codec} (${range})`,
    ...bindings.map((each) => {
      const mark = each.chosen ? '*' : '-';
      if (!each.usable) return `  ${mark} ${each.binding}: cannot be used (${each.reason ?? 'unknown'})`;
      const library = each.library === undefined ? '' : `, library ${each.library}`;
      return `  ${mark} ${each.binding} ${each.version ?? ''}${library}`;
    }),
  ];
}

/** `chunkSize` → `chunk size`. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function limitText(name: string, { min, max }: { readonly min: number; readonly max: number }): string {
  const text = (value: number): string => {
    if (value === Number.MAX_SAFE_INTEGER) return 'unlimited';
    if (/chunk|memory|cache/i.test(name)) return formatSize(value);
    return /timeout|flush|downtime/i.test(name) ? `${value} ms` : String(value);
  };
  return `${text(min)} to ${text(max)}`;
}
