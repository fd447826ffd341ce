// What a sample's processor time was spent on. The first rule that matches decides. The rules look at the innermost
// function first, and at its callers where that says more: a page fault belongs to memory, whichever code touched the page.

import type { Frame, Sample } from './samples.js';

export const CAUSES = [
  'codec',
  'checksums',
  'copies in user space',
  'memory: first touch, mapping, release',
  'kernel: pipes, sockets, files',
  'kernel: wake-ups and waiting',
  'kernel: other',
  'JavaScript: parsing, bytecode, caches',
  'JavaScript: optimising compiler',
  'JavaScript: garbage collection',
  'JavaScript: optimised code',
  'JavaScript: interpreter, caches, built-in functions',
  'start of Node and its threads',
  'locale data (ICU)',
  'allocator',
  'libuv and Node, other',
  'other',
] as const;
export type Cause = (typeof CAUSES)[number];

type Rule = readonly [Cause, (inner: Frame, chain: readonly Frame[]) => boolean];

const inKernel = (frame: Frame): boolean => /kernel|\.ko/.test(frame.object);
/** Whether a frame of the chain matches, in the kernel's part only. */
const kernelCall = (pattern: RegExp) => (inner: Frame, chain: readonly Frame[]) =>
  inKernel(inner) && chain.some((frame) => inKernel(frame) && pattern.test(frame.symbol));
const symbol = (pattern: RegExp) => (inner: Frame) => pattern.test(inner.symbol);
const called = (pattern: RegExp) => (_inner: Frame, chain: readonly Frame[]) =>
  chain.some((frame) => pattern.test(frame.symbol));
const object = (pattern: RegExp) => (inner: Frame) => pattern.test(inner.object);

const RULES: readonly Rule[] = [
  ['memory: first touch, mapping, release', kernelCall(/page_fault|mmap|munmap|madvise|mprotect|zap_|brk$/)],
  [
    'kernel: wake-ups and waiting',
    kernelCall(/futex|epoll|do_poll|ppoll|eventfd|nanosleep|schedule|try_to_wake/),
  ],
  ['kernel: pipes, sockets, files', kernelCall(/pipe_|unix_stream|tcp_|vfs_|sock_|ext4|filemap|splice/)],
  ['start of Node and its threads', kernelCall(/execve|clone|exit_mm|do_exit/)],
  ['kernel: other', inKernel],
  ['codec', object(/binding\.node|libzstd|liblz4|lz4-napi|mongodb/)],
  ['codec', called(/ZSTD_|LZ4_|deflate|inflate/)],
  ['checksums', object(/xxhash/)],
  ['start of Node and its threads', object(/ld-linux|libstdc\+\+/)],
  [
    'JavaScript: garbage collection',
    called(/Scaveng|MarkCompact|Heap::CollectGarbage|Sweep|ConcurrentMark|MinorGC/),
  ],
  [
    'JavaScript: optimising compiler',
    called(/internal::(compiler|maglev|baseline)::|Turbofan|OptimizingCompile|OptimizedCompilation/),
  ],
  [
    'start of Node and its threads',
    called(
      /Snapshot::|Deserializer|InitializeOncePerProcess|IsolateData|CreateEnvironment|FreeEnvironment|BootstrapRealm|RunBootstrapping|Isolate::Deinit/,
    ),
  ],
  [
    'JavaScript: parsing, bytecode, caches',
    called(
      /internal::(parsing|interpreter|Parser|PreParser|Scanner|Compiler|ScriptCompiler)|CompileFunction|Bytecode|AstValue|Compiler::/,
    ),
  ],
  [
    'JavaScript: interpreter, caches, built-in functions',
    symbol(
      /^Builtins_|internal::(Runtime_|IC|LoadIC|KeyedLoadIC|Lookup|Feedback|Map::|JSObject|Factory|String)/,
    ),
  ],
  [
    'JavaScript: interpreter, caches, built-in functions',
    symbol(/^(~|\^)|^(Script|Function|Eval):[~^]|JS:[~^]/),
  ],
  ['JavaScript: optimised code', object(/JIT|perf-\d+\.map/)],
  ['copies in user space', symbol(/mem(move|cpy|set|cmp)/)],
  ['locale data (ICU)', called(/icu_\d+::|_\d+$|LikelySubtags|resource.?bundle/i)],
  ['allocator', symbol(/alloc|_?free\b|_int_free|unlink_chunk|operator (new|delete)/)],
  ['libuv and Node, other', object(/node$/)],
];

/** The cause of a sample. */
export function causeOf({ chain }: Sample): Cause {
  const inner = chain[0];
  if (inner === undefined) return 'other';
  return RULES.find(([, matches]) => matches(inner, chain))?.[0] ?? 'other';
}
