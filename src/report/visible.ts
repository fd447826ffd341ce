// Text of others (a peer's error, a file's name) as it may be shown on a terminal: one line, without escapes.
// Pure. JSON needs none of this: JSON.stringify escapes control characters itself.

/** C0, DEL and C1 controls, line and paragraph separators, and what turns or hides the direction of text. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;

/** The same text with every character that a terminal would obey as a visible escape: `\n`, `\x1b`, `\u202e`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0)!;
    if (character === '\n') return '\\n';
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
