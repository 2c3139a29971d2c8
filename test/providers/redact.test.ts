import * as fc from 'fast-check';
import type { ChatMessage } from '../../src/contract/chat';
import { redact, textsOf } from '../../src/providers/redact';

const nothing = { apiKeys: [], texts: [] };

test('a key is taken out wherever it stands', () => {
  const clean = redact('key sk-12345 and again sk-12345', { apiKeys: ['sk-12345'], texts: [] }, 300);
  expect(clean).toBe('key [key] and again [key]');
});

test('a whole quoted message is taken out', () => {
  const texts = ['My password is hunter2, please reset it'];
  expect(redact('Flagged: "My password is hunter2, please reset it".', { apiKeys: [], texts }, 300)).toBe(
    'Flagged: "[…]".',
  );
});

test('a part of a message is taken out, also with other line breaks', () => {
  const texts = ['Please tell me how to\nopen the safe of my neighbour'];
  expect(redact('Not allowed: open   the safe of my neigh…', { apiKeys: [], texts }, 300)).toBe('Not allowed:[…]…');
});

test('a Chinese phrase of four characters is taken out', () => {
  expect(redact('内容包含敏感词:银行卡密码', { apiKeys: [], texts: ['我的银行卡密码是多少'] }, 300)).toBe(
    '内容包含敏感词:[…]',
  );
});

test('words that only happen to be in both stay', () => {
  expect(redact('Our content policy', { apiKeys: [], texts: ['is the content of it safe?'] }, 300)).toBe(
    'Our content policy',
  );
});

test('a long message is cut', () => {
  const clean = redact('x'.repeat(1_000), nothing, 300);
  expect(clean).toHaveLength(300);
  expect(clean.endsWith('…')).toBe(true);
});

test('control characters and halves of characters become spaces, which no database refuses', () => {
  expect(redact('no\u0000poems \ud800 here\u0007', nothing, 300)).toBe('no poems here');
  expect(redact('x'.repeat(298) + '🐑🐑🐑', nothing, 300)).not.toMatch(/\p{Cs}/u);
  expect(redact('x'.repeat(1_199) + '🐑', nothing, 300)).not.toMatch(/\p{Cs}/u);
});

test('a quotation is taken out although its control characters became spaces', () => {
  const clean = redact('Refused: Where\u0001is my order?', { apiKeys: [], texts: ['Where\u0001is my order?'] }, 300);
  expect(clean).toBe('Refused: […]');
});

test.each<[string, ChatMessage, string, string]>([
  [
    'the signed address of a picture',
    {
      role: 'user',
      content: [{ type: 'image_url', image_url: { url: 'https://cdn.example.com/a.png?X-Signature=5f3e7b9c2d1a' } }],
    },
    'Cannot load https://cdn.example.com/a.png?X-Signature=5f3e7b9c2d1a now',
    'Cannot load […] now',
  ],
  [
    'the beginning of a picture',
    {
      role: 'user',
      content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${'iVBORw0K'.repeat(9)}` } }],
    },
    'Invalid image iVBORw0KiVBORw0K',
    'Invalid image […]',
  ],
  [
    'a thought',
    { role: 'assistant', content: null, reasoning_content: 'The user is in Paris and owes money.' },
    'Refused: user is in Paris and owes',
    'Refused:[…]',
  ],
  [
    'the name of a user',
    { role: 'user', content: 'x', name: 'Wilhelmina_Tell' },
    'Bad name Wilhelmina_Tell',
    'Bad name […]',
  ],
  [
    'no name of a function',
    { role: 'tool', content: 'x', tool_call_id: 'c', name: 'get_weather_report' },
    'Unknown get_weather_report',
    'Unknown get_weather_report',
  ],
])('%s is taken out', (_, message, said, shown) => {
  expect(redact(said, { apiKeys: [], texts: textsOf({ messages: [message] }) }, 300)).toBe(shown);
});

test('a picture is taken out wherever a quotation of it begins', () => {
  const said = `Bad: data:image/png;base64,${'QUJD'.repeat(500)} and DATA:image/svg+xml;charset=utf-8;base64,AA== too`;
  expect(redact(said, nothing, 300)).toBe('Bad: data:[…] and data:[…] too');
});

test('a picture of 5 MB is looked at only at its beginning', () => {
  const url = `data:image/png;base64,${'A'.repeat(5_000_000)}`;
  const [text] = textsOf({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] });
  expect(text).toHaveLength(4_096);
});

test('no key, no run of 12 bytes of a text and nothing too long ever comes through', () => {
  const anyKey = fc.stringMatching(/^sk-[a-z0-9]{20}$/);
  const anyText = fc.string({ minLength: 12, maxLength: 60, unit: 'grapheme' });
  fc.assert(
    fc.property(anyKey, anyText, fc.string(), fc.string(), (apiKey, text, before, after) => {
      const clean = redact(`${before}${apiKey}${text}${after}`, { apiKeys: [apiKey], texts: [text] }, 300);
      expect(clean).not.toContain(apiKey);
      expect(clean.length).toBeLessThanOrEqual(300);
      if (text.trim().length >= 12) expect(clean).not.toContain(text.trim().replaceAll(/\s+/g, ' '));
    }),
  );
});
