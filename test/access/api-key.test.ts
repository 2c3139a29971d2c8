import { createApiKey, hashSecret, isApiKeyId, parseApiKey } from '../../src/access/api-key';

describe('an API key', () => {
  test('parses into its id and secret, of which only the hash is stored', () => {
    for (let count = 0; count < 200; count += 1) {
      const { id, text, secretHash } = createApiKey();
      const parsed = parseApiKey(text);
      expect(parsed).toEqual({ id, secret: text.slice(`bw_${id}_`.length) });
      expect(isApiKeyId(id)).toBe(true);
      expect(hashSecret(parsed!.secret).toString('hex')).toBe(secretHash);
    }
  });

  test('is different each time, with 32 random bytes', () => {
    const keys = Array.from({ length: 100 }, createApiKey);
    expect(new Set(keys.map(({ id }) => id)).size).toBe(100);
    const secrets = keys.map(({ text }) => parseApiKey(text)!.secret);
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
  });

  const { text } = createApiKey();
  test.each([
    ['nothing', ''],
    ['another service’s key', 'sk-proj-0123456789'],
    ['a truncated one', text.slice(0, -1)],
    ['a longer one', `${text}a`],
    ['one with a line break', `${text}\n`],
    ['one with a space before it', ` ${text}`],
    ['one in capitals', text.toUpperCase()],
    ['an id alone', text.slice(3, 15)],
  ])('cannot be %s', (_title, other) => {
    expect(parseApiKey(other)).toBeNull();
  });
});
