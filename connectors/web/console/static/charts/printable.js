/**
 * Text of strangers, made harmless for the eye.
 *
 * The one thing to know: control characters and those that turn the direction of writing are shown
 * as pictures or codes, so a line cannot hide what it says.
 */

/** The text with its control characters shown. */
export function printable(text) {
  return String(text).replaceAll(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (each) => {
      const code = each.codePointAt(0);
      return code < 0x20
        ? String.fromCodePoint(0x2400 + code)
        : `\\u${code.toString(16).padStart(4, "0")}`;
    },
  );
}
