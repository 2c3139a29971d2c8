import { misspelledNames, readKeyRing } from './key-ring';

const keyVariable = 'BELLWETHER_ID_KEY';

/** `BELLWETHER_ID_KEY=id:base64`: hides sessions that are named by personal data. Only one key: another one gives other names. */
export function readIdKey(
  variables: Readonly<Record<string, string>>,
  workingDirectory: string,
): { readonly idKey: Uint8Array | undefined; readonly problems: readonly string[] } {
  const { ring, problems } = readKeyRing(keyVariable, variables, workingDirectory);
  const all = [...misspelledNames(keyVariable, variables, [keyVariable, `${keyVariable}_FILE`]), ...problems];
  if (ring !== undefined && ring.keys.size > 1) {
    all.push(
      `${keyVariable} holds ${ring.keys.size} keys, but takes only one: with a different key, every hidden session would be a new one`,
    );
  }
  return { idKey: all.length > 0 ? undefined : ring?.keys.get(ring.activeKeyId), problems: all };
}
