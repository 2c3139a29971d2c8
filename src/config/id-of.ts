import { idProblem } from '../domain/turn/validate-input';
import { sha256 } from '../platform/sha256';

/** Beyond this, composing characters could take more than linear time; no name of a person, address or URL is as long. */
const maxComposedLength = 2_000;

/**
 * The one form of a name that callers give a user or session, wherever it is given: over HTTP, to the client, in the
 * configuration. Callers use mail addresses, names or whole URLs. Spaces around a name do not count, and neither does how
 * its accents are encoded (Unicode NFC). A name that is no id (visible ASCII, 200 characters) is replaced by its hash, not
 * refused, so the same name is still the same user. An id is its own form.
 */
export function idOf(name: string, prefix = ''): string {
  const spelled = spellingOf(name);
  const id = prefix + spelled;
  if (idProblem(['id'], id) === null) return id;
  return `${prefix}sha256-${sha256(spelled).slice(0, 40)}`;
}

/** The same for all spellings of a name. */
export function spellingOf(name: string): string {
  const trimmed = name.trim();
  return trimmed.length > maxComposedLength ? trimmed : trimmed.normalize('NFC');
}
