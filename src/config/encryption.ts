import { misspelledNames, readKeyRing } from './key-ring';
import type { EncryptionSettings } from './settings';

const keysVariable = 'BELLWETHER_ENCRYPTION_KEYS';

/** `BELLWETHER_ENCRYPTION_KEYS`: the first key encrypts, all of them decrypt; see `readKeyRing`. */
export function readEncryption(
  variables: Readonly<Record<string, string>>,
  workingDirectory: string,
): { readonly encryption: EncryptionSettings | undefined; readonly problems: readonly string[] } {
  const { ring, problems } = readKeyRing(keysVariable, variables, workingDirectory);
  const misspelled = misspelledNames('BELLWETHER_ENCRYPTION', variables, [keysVariable, `${keysVariable}_FILE`]);
  return { encryption: misspelled.length > 0 ? undefined : ring, problems: [...misspelled, ...problems] };
}
