import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';

import { circles } from './scripts/lint/circles.mjs';

// The rooms from the lowest to the highest: a file may import its own room and those before it.
const rooms = [
  ['src/errors.ts', 'src/units.ts'],
  ['src/codec', 'src/page', 'src/os'],
  ['src/slot', 'src/chunk', 'src/io', 'src/grammar', 'src/model'],
  ['src/store', 'src/link', 'src/pool', 'src/container', 'src/image'],
  ['src/worker'],
  ['src/control'],
  ['src/transfer/adaptive', 'src/transfer/pace'],
  ['src/transfer/statistics'],
  ['src/trace'],
  ['src/options'],
  ['src/transfer/plan'],
  ['src/transfer/sender', 'src/transfer/receiver'],
  ['src/transfer/prestart', 'src/transfer/inspect'],
  ['src/transfer/send.ts', 'src/transfer/receive.ts', 'src/transfer/features.ts'],
  ['src/guest', 'src/hypervisor', 'src/serve', 'src/tune'],
  ['src/channels'],
  ['src/report', 'src/index.ts'],
  ['src/cli'],
  ['lab'],
  ['bench', 'test'],
];

/** What the threads' entry points may import: the work on a chunk, and nothing that opens or plans. */
const forWorkers = [
  'errors.ts',
  'units.ts',
  'chunk',
  'codec',
  'container',
  'io',
  'os',
  'page',
  'slot',
  'store',
  'worker',
];

/** A transfer is planned before it runs: what carries a plan out knows no options. */
const behindThePlan = ['adaptive', 'pace', 'prestart', 'receiver', 'sender', 'statistics'].map(
  (room) => `./src/transfer/${room}`,
);

const PLAN_MESSAGE = 'Behind src/transfer/plan nothing reads options: put the decision into the plan.';

const MESSAGE = 'Arrows run downward only (docs/ARCHITECTURE.md).';

const zones = [
  ...rooms.slice(0, -1).flatMap((own, level) =>
    own.map((target) => ({
      target: `./${target}`,
      from: rooms.slice(level + 1).flatMap((above) => above.map((room) => `./${room}`)),
      message: MESSAGE,
    })),
  ),
  ...['./src/control', ...behindThePlan].map((target) => ({
    target,
    from: './src/options',
    message: PLAN_MESSAGE,
  })),
  {
    target: './workers',
    from: rooms
      .flat()
      .filter((room) => !forWorkers.some((allowed) => room === `src/${allowed}`))
      .map((room) => `./${room}`),
    message: MESSAGE,
  },
];

export default tseslint.config(
  { ignores: ['dist/', 'bundle/', 'docs/api/', 'node_modules/'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './src/report/html/script/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { 'import-x': importX, ramferry: { rules: { circles } } },
    settings: {
      'import-x/resolver-next': [
        createNodeResolver({ extensions: ['.ts', '.js'], extensionAlias: { '.js': ['.ts', '.js'] } }),
      ],
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      'import-x/no-restricted-paths': ['error', { zones }],
      'ramferry/circles': 'error',
      '@typescript-eslint/max-params': ['error', { max: 5 }],
    },
  },
  {
    // The library leaves the process alone: what belongs to all of it is the command's business.
    files: ['src/**/*.ts', 'workers/**/*.ts'],
    ignores: ['src/cli/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'Read the environment in src/cli and pass what it says.',
        },
        {
          object: 'process',
          property: 'umask',
          message: 'It belongs to the process (src/io/private-socket.ts).',
        },
        {
          property: 'setFlagsFromString',
          message: 'V8 flags belong to the process (src/cli/process/v8-flags.ts).',
        },
      ],
    },
  },
  {
    files: ['src/**/*.ts', 'workers/**/*.ts', 'lab/**/*.ts', 'bench/**/*.ts'],
    rules: { 'max-lines-per-function': ['error', { max: 60 }], 'max-lines': ['error', { max: 300 }] },
  },
  {
    // node:test's describe and it return promises that need no await.
    files: ['test/**/*.ts', 'bench/**/*.ts', 'lab/**/*.ts'],
    rules: { '@typescript-eslint/no-floating-promises': 'off' },
  },
  { files: ['**/*.js', '**/*.mjs'], ...tseslint.configs.disableTypeChecked },
);
