import { replyLanguages } from '../../../src/contract/chat';
import { degradedReply, detectLanguage } from '../../../src/domain/turn/degraded-reply';

test.each([
  ['en', 'Where is my order? It should have arrived on Monday.'],
  ['en', 'Can I get a refund for the blue jacket?'],
  ['zh', '我的订单什么时候发货？'],
  ['ja', '注文した商品がまだ届きません。'],
  ['ko', '주문한 상품이 언제 도착하나요?'],
  ['th', 'สินค้าของฉันจะมาถึงเมื่อไหร่'],
  ['vi', 'Đơn hàng của tôi khi nào được giao?'],
  ['vi', 'Đơn hàng của tôi khi nào được giao?'.normalize('NFD')],
  ['id', 'Kapan pesanan saya akan dikirim?'],
  ['id', 'Apakah barang ini bisa dikembalikan?'],
  ['en', '¿Dónde está mi pedido?'],
  ['en', ''],
  ['en', '12345'],
] as const)('answers in %s: %s', (language, message) => expect(detectLanguage(message)).toBe(language));

const passing = { kind: 'server-error' } as const;

test.each(replyLanguages)('the replies in %s are in that language, and no other reads the same', (language) => {
  for (const failure of [passing, null]) {
    expect(detectLanguage(degradedReply(language, failure))).toBe(language);
    const others = replyLanguages.filter((other) => other !== language).map((other) => degradedReply(other, failure));
    expect(others).not.toContain(degradedReply(language, failure));
  }
});

test.each(replyLanguages)('the replies in %s name neither budget nor key', (language) => {
  const words =
    /budget|limit|key|spend|cost|daily|session|预算|密钥|额度|予算|キー|上限|예산|한도|งบ|คีย์|ngân sách|khóa|anggaran|kunci|batas/iu;
  for (const failure of [passing, null]) expect(degradedReply(language, failure)).not.toMatch(words);
});

test.each(replyLanguages)('the reply in %s advises to try again only where that may help', (language) => {
  const advice = degradedReply(language, passing);
  for (const kind of ['rate-limited', 'timeout', 'connection', 'circuit-open'] as const) {
    expect(degradedReply(language, { kind })).toBe(advice);
  }
  const plain = degradedReply(language, null);
  expect(plain).not.toBe(advice);
  for (const kind of ['content-filter', 'context-length', 'bad-request', 'budget', 'unauthorized'] as const) {
    expect(degradedReply(language, { kind })).toBe(plain);
  }
});

test('a long message shows its language in its beginning, and no more of it is looked at', () => {
  expect(detectLanguage(`${'ご注文はどこですか。'.repeat(200)}${'Where is my order? '.repeat(1_000)}`)).toBe('ja');
  expect(detectLanguage(`${'Where is my order? '.repeat(1_000)}ご注文はどこですか。`)).toBe('en');
});
