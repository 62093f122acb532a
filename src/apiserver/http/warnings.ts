// The Warning header: what the client did is done, but it should know. Source: RFC 7234, 5.5, and KEP-1693.

/** From how many characters on warnings are cut short, and how long each is then. */
const mostCharacters = 4096;
const cutTo = 256;

const encoder = new TextEncoder();

/** All warnings as one header; undefined when there are none. Headers carry bytes: other characters are in UTF-8. */
export function warningHeader(warnings: readonly string[]): string | undefined {
  if (!warnings.length) return undefined;
  const all = [...new Set(warnings)].map((text) => text.replace(/\p{Cc}/gu, ' '));
  const length = (texts: string[]) => texts.reduce((sum, text) => sum + text.length, 0);
  const cut = length(all) > mostCharacters ? all.map((text) => [...text].slice(0, cutTo).join('')) : all;
  while (length(cut) > mostCharacters) cut.pop();
  const header = cut.map((text) => `299 - "${text.replace(/["\\]/g, '\\$&')}"`).join(', ');
  return String.fromCharCode(...encoder.encode(header));
}
