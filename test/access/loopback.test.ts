import { foreignCaller, isLoopback } from '../../src/access/loopback';

test.each([
  ['127.0.0.1', true],
  ['127.9.8.7', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['127.0.0.1.example', false],
  ['192.168.0.1', false],
])('only this machine can reach %s: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});

describe('a request to a loopback server', () => {
  test.each([
    'localhost',
    'LocalHost:8080',
    '127.0.0.1:1',
    '127.1.2.3:8080',
    '[::1]:8080',
    '[::1]',
    undefined, // HTTP/1.0: no browser
  ])('is local with the host %s', (host) => {
    expect(foreignCaller({ host })).toBeUndefined();
  });

  test.each([
    'evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1@evil.example',
    'evil.example#localhost',
    'notlocalhost',
    '192.168.0.1:8080',
    '[::2]:8080',
    '',
  ])('is foreign with the host "%s"', (host) => {
    expect(foreignCaller({ host })).toMatchObject({ header: 'host', value: host });
  });

  test.each(['http://localhost:3000', 'https://127.0.0.1', 'http://[::1]:8080'])(
    'is local with the origin %s',
    (origin) => {
      expect(foreignCaller({ host: 'localhost:8080', origin })).toBeUndefined();
    },
  );

  test.each([
    'http://evil.example',
    'https://localhost.evil.example',
    'null',
    'file://',
    '',
    'http://localhost@evil.example',
  ])('is foreign with the origin "%s"', (origin) => {
    expect(foreignCaller({ host: 'localhost:8080', origin })).toMatchObject({ header: 'origin', value: origin });
  });

  test.each([
    [{ host: 'Evil.example:8080' }, 'evil.example'],
    [{ host: 'evil.example#localhost' }, 'evil.example#localhost'],
    [{ origin: 'https://evil.example:8080' }, 'evil.example'],
    [{ origin: 'chrome-extension://abc' }, 'abc'],
    [{ origin: 'null' }, ''],
    [{ origin: 'file://' }, ''],
  ])('is foreign with %j, and its name is "%s"', (headers, name) => {
    expect(foreignCaller(headers)).toMatchObject({ name });
  });

  test('is local with an allowed additional name, and with no other', () => {
    const allowed = ['chat.example'];
    const headers = { host: 'Chat.example:443', origin: 'https://chat.example' };
    expect(foreignCaller(headers, allowed)).toBeUndefined();
    expect(foreignCaller({ host: 'evil.chat.example' }, allowed)).toMatchObject({ header: 'host' });
  });
});
