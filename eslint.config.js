import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';

// The rooms of src/ from the lowest to the highest: a file may import its own room and those before it.
const rooms = [
  ['errors.ts', 'units.ts'],
  ['codec', 'page'],
  ['slot', 'chunk', 'io'],
  ['grammar', 'store', 'link', 'pool'],
  ['container'],
  ['migration'],
  ['guest', 'tune', 'hypervisor', 'report'],
  ['index.ts'],
  ['cli'],
];

const zones = rooms.slice(0, -1).flatMap((own, level) =>
  own.map((target) => ({
    target: `./src/${target}`,
    from: rooms.slice(level + 1).flatMap((above) => above.map((room) => `./src/${room}`)),
    message: 'Arrows run downward only (docs/ARCHITECTURE.md).',
  })),
);

export default tseslint.config(
  { ignores: ['dist/', 'bundle/', 'node_modules/'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname },
    },
    plugins: { 'import-x': importX },
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
      'import-x/no-cycle': 'error',
    },
  },
  {
    // node:test's describe and it return promises that nobody has to await.
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: { '@typescript-eslint/no-floating-promises': 'off' },
  },
  { files: ['**/*.js', '**/*.mjs'], ...tseslint.configs.disableTypeChecked },
);
