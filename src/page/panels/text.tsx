/** Text that others wrote. */

/** Characters that change the direction of what follows, so that text reads otherwise than it is. */
const directionControls = /[\u{202a}-\u{202e}\u{2066}-\u{2069}]/gu;

/** Names and reasons: kept apart from the text around them, in whichever direction they are written. */
export function Text({ children }: { readonly children: string }) {
  return <bdi class="text">{plain(children)}</bdi>;
}

/** Shows what could not be seen. */
export function plain(text: string): string {
  return text.replaceAll(directionControls, (character) => `[U+${hex(character)}]`);
}

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
}

const languages = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'none' });

/** `Chinese (zh)`; a label that is no language's code stays as it is. */
export function languageName(label: string): string {
  if (label === 'und') return 'Unknown language (und)';
  const name = nameOf(label);
  return name === undefined ? plain(label) : `${name} (${label})`;
}

function nameOf(label: string): string | undefined {
  try {
    return languages.of(label);
  } catch {
    // Not even the form of a language's code.
    return undefined;
  }
}
