import type { KeyRing } from '../contract/key-ring';
import { misspelledNames, readKeyRing } from './key-ring';

const keysVariable = 'BELLWETHER_AUDIT_KEYS';

/** `BELLWETHER_AUDIT_KEYS`: the first key hashes new rows of the audit trail, all of them verify; see `readKeyRing`. */
export function readAuditKeys(
  variables: Readonly<Record<string, string>>,
  workingDirectory: string,
): { readonly auditKeys: KeyRing | undefined; readonly problems: readonly string[] } {
  const { ring, problems } = readKeyRing(keysVariable, variables, workingDirectory);
  const misspelled = misspelledNames('BELLWETHER_AUDIT', variables, [keysVariable, `${keysVariable}_FILE`]);
  return { auditKeys: misspelled.length > 0 ? undefined : ring, problems: [...misspelled, ...problems] };
}
