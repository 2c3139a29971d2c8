import { replyLanguages } from '../../../src/contract/chat';
import { blockedReply, degradedReply, detectLanguage } from '../../../src/domain/turn/degraded-reply';

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

test.each(replyLanguages)('the reply in %s is in that language, and no other reads the same', (language) => {
  expect(detectLanguage(degradedReply(language))).toBe(language);
  const others = replyLanguages.filter((other) => other !== language).map(degradedReply);
  expect(others).not.toContain(degradedReply(language));
});

test('a blocked reply names the reason', () => {
  expect(blockedReply('Daily budget exceeded')).toBe(
    "I'm currently experiencing high demand. Daily budget exceeded. Please try again shortly.",
  );
});

test('a long message shows its language in its beginning, and no more of it is looked at', () => {
  expect(detectLanguage(`${'ご注文はどこですか。'.repeat(10)}${'Where is my order? '.repeat(1_000)}`)).toBe('ja');
  expect(detectLanguage(`${'Where is my order? '.repeat(1_000)}ご注文はどこですか。`)).toBe('en');
});
