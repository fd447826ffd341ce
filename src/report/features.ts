// The features of an installation as text for people. Pure: plain data in, text out.

import type { CodecFeatures, Features } from '../transfer/features.js';
import { spacedWords } from '../options/names.js';
import { OPTIONS } from '../options/table.js';
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
        ...Object.entries(limits).map(([name, range]) => `${spacedWords(name)}: ${limitText(name, range)}`),
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

function limitText(name: string, { min, max }: { readonly min: number; readonly max: number }): string {
  const write = OPTIONS.find((option) => option.name === name && option.kind.range !== undefined)?.kind.write;
  const text = (value: number): string => {
    if (value === Number.MAX_SAFE_INTEGER) return 'unlimited';
    if (write !== undefined) return write(value);
    if (/chunk/i.test(name)) return formatSize(value);
    return name === 'timeout' ? `${value} ms` : String(value);
  };
  return `${text(min)} to ${text(max)}`;
}
