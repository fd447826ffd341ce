// Makes foreign text (a peer's error, a file's name) safe for a terminal: one line, without control characters.
// Pure. JSON output does not need it, since JSON.stringify escapes control characters.

/** C0, DEL and C1 controls, line and paragraph separators, bidirectional controls and invisible characters. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;

/** The text with every control character as a visible escape: `\n`, `\x1b`, `\u202e`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0)!;
    if (character === '\n') return '\\n';
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
