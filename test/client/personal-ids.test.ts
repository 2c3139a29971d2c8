import { randomBytes } from 'node:crypto';
import { withoutPersonalData } from '../../src/client/personal-ids';
import { idProblem } from '../../src/domain/turn/validate-input';

const key = new Uint8Array(randomBytes(32));

test.each([
  'alice@example.com',
  'key-1.alice@example.com',
  '4915112345678@s.whatsapp.net',
  '+4915112345678',
  'whatsapp:+49-151-12345678',
  '(0151)/12345678',
  '01511234567',
  'user_0151.1234567',
])('an id that looks like personal data is hidden: %s', (id) => {
  const hidden = withoutPersonalData(id, key);
  expect(hidden).toMatch(/^hidden-h[0-9a-f]{40}$/);
  expect(idProblem(['id'], hidden)).toBeNull();
  expect(withoutPersonalData(id, key)).toBe(hidden);
  expect(withoutPersonalData(id, new Uint8Array(randomBytes(32)))).not.toBe(hidden);
  expect(withoutPersonalData(hidden, key)).toBe(hidden);
  expect(withoutPersonalData(id, undefined)).toBe(id);
});

test.each([
  'chat-42',
  '3f2504e0-4f89-41d3-9a0c-030512345678',
  'key.3f2504e0-4f89-41d3-9a0c-030512345678',
  '12345',
  'a1234567b',
])('any other id stays: %s', (id) => expect(withoutPersonalData(id, key)).toBe(id));

test('a name of a megabyte takes linear time', () => {
  const name = 'a'.repeat(1024 * 1024);
  expect(withoutPersonalData(name, key)).toBe(name);
  expect(withoutPersonalData(`${name}@example.com`, key)).toMatch(/^hidden-h/);
});
