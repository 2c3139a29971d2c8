import { misspelledNames, readKeyRing } from './key-ring';
import type { EncryptionSettings } from './settings';

const keysVariable = 'BELLWETHER_ENCRYPTION_KEYS';
const strictVariable = 'BELLWETHER_ENCRYPTION_STRICT';

/**
 * `BELLWETHER_ENCRYPTION_KEYS`: the first key encrypts, all of them decrypt; see `readKeyRing`.
 * `BELLWETHER_ENCRYPTION_STRICT=true`: payloads that are not encrypted are refused.
 */
export function readEncryption(
  variables: Readonly<Record<string, string>>,
  workingDirectory: string,
): { readonly encryption: EncryptionSettings | undefined; readonly problems: readonly string[] } {
  const { ring, problems } = readKeyRing(keysVariable, variables, workingDirectory);
  const known = [keysVariable, `${keysVariable}_FILE`, strictVariable];
  const { [strictVariable]: strict = 'false' } = variables;
  const allProblems = [...misspelledNames('BELLWETHER_ENCRYPTION', variables, known), ...problems];
  if (strict !== 'true' && strict !== 'false') allProblems.push(`${strictVariable}: must be true or false`);
  // Otherwise, the operator would believe that everything is encrypted.
  else if (strict === 'true' && ring === undefined && problems.length === 0) {
    allProblems.push(`${strictVariable} is set, but there is no key: set ${keysVariable} or ${keysVariable}_FILE, too`);
  }
  if (ring === undefined || allProblems.length > 0) return { encryption: undefined, problems: allProblems };
  return { encryption: strict === 'true' ? { ...ring, strict: true } : ring, problems: [] };
}
