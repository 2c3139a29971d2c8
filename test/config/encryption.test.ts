import { randomBytes } from 'node:crypto';
import { Workspace } from './workspace';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.remove());

const newKey = () => randomBytes(32).toString('base64');

describe('encryption keys', () => {
  it('encrypt with the first key and decrypt with all', () => {
    const [current, older] = [newKey(), newKey()];
    const { encryption } = workspace.load({ BELLWETHER_ENCRYPTION_KEYS: `2026-11:${current}, 2026-05:${older}` });
    expect(encryption?.activeKeyId).toBe('2026-11');
    expect([...(encryption?.keys ?? [])].map(([id, key]) => [id, Buffer.from(key).toString('base64')])).toEqual([
      ['2026-11', current],
      ['2026-05', older],
    ]);
  });

  it('may be in a file, one per line', () => {
    workspace.write('keys', `b:${newKey()}\na:${newKey()}\n`);
    const { encryption } = workspace.load({ BELLWETHER_ENCRYPTION_KEYS_FILE: 'keys' });
    expect([...(encryption?.keys.keys() ?? [])]).toEqual(['b', 'a']);
  });

  it.each([
    ['is too short', 'a:c2hvcnQ=', 'entry 1 has 5 bytes, but a key needs 32'],
    ['has no id', newKey(), 'entry 1 is not id:base64'],
    ['is not base64', 'a:_____', 'entry 1 is not id:base64'],
    ['has the id of another', `a:${newKey()},a:${newKey()}`, 'entry 2 has the same id as an earlier entry'],
  ])('are refused, without showing them, if one %s', (_, keys, problem) => {
    const problems = workspace.problems({ BELLWETHER_ENCRYPTION_KEYS: keys });
    expect(problems).toEqual([expect.stringContaining(problem)]);
    for (const secret of keys.split(/[:,]/).filter((part) => part.length > 4)) {
      expect(problems.join()).not.toContain(secret);
    }
  });

  it('are refused if the file contains none', () => {
    workspace.write('keys', '\n');
    expect(workspace.problems({ BELLWETHER_ENCRYPTION_KEYS_FILE: 'keys' })).toEqual([
      'BELLWETHER_ENCRYPTION_KEYS holds no key',
    ]);
  });

  it('refuse what is not encrypted when they are strict', () => {
    const keys = { BELLWETHER_ENCRYPTION_KEYS: `a:${newKey()}` };
    expect(workspace.load(keys).encryption?.strict).toBeUndefined();
    expect(workspace.load({ ...keys, BELLWETHER_ENCRYPTION_STRICT: 'false' }).encryption?.strict).toBeUndefined();
    expect(workspace.load({ ...keys, BELLWETHER_ENCRYPTION_STRICT: 'true' }).encryption?.strict).toBe(true);
  });

  it.each([
    ['yes', { BELLWETHER_ENCRYPTION_KEYS: `a:${newKey()}` }, 'BELLWETHER_ENCRYPTION_STRICT: must be true or false'],
    ['true', {}, 'BELLWETHER_ENCRYPTION_STRICT is set, but there is no key: set BELLWETHER_ENCRYPTION_KEYS'],
  ])('cannot be strict as %j, or without a key', (strict, keys, problem) => {
    const problems = workspace.problems({ ...keys, BELLWETHER_ENCRYPTION_STRICT: strict });
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });

  it('are not disabled by a misspelled name', () => {
    expect(workspace.problems({ BELLWETHER_ENCRYPTION_KEY: `a:${newKey()}` })).toEqual([
      'BELLWETHER_ENCRYPTION_KEY is not a setting: did you mean BELLWETHER_ENCRYPTION_KEYS?',
    ]);
  });
});

test('the key for ids is one key', () => {
  expect(workspace.load({ BELLWETHER_ID_KEY: `a:${newKey()}` }).idKey).toHaveLength(32);
  expect(workspace.problems({ BELLWETHER_ID_KEY: `a:${newKey()},b:${newKey()}` })).toEqual([
    expect.stringContaining('BELLWETHER_ID_KEY holds 2 keys, but takes only one'),
  ]);
});

describe('audit keys', () => {
  it('are read as encryption keys are', () => {
    workspace.write('keys', `b:${newKey()}\na:${newKey()}\n`);
    const { auditKeys } = workspace.load({ BELLWETHER_AUDIT_KEYS_FILE: 'keys' });
    expect({ active: auditKeys?.activeKeyId, all: [...(auditKeys?.keys.keys() ?? [])] }).toEqual({
      active: 'b',
      all: ['b', 'a'],
    });
    expect(workspace.load().auditKeys).toBeUndefined();
  });

  it('are refused if one is too short or the name is misspelled', () => {
    expect(workspace.problems({ BELLWETHER_AUDIT_KEYS: 'a:c2hvcnQ=' })).toEqual([
      expect.stringContaining('BELLWETHER_AUDIT_KEYS: entry 1 has 5 bytes, but a key needs 32'),
    ]);
    expect(workspace.problems({ BELLWETHER_AUDIT_KEY: `a:${newKey()}` })).toEqual([
      'BELLWETHER_AUDIT_KEY is not a setting: did you mean BELLWETHER_AUDIT_KEYS?',
    ]);
  });
});
