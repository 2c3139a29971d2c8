import { isAskedAgain } from '../../../src/domain/turn/asked-again';

test.each([
  ['Where is my order?', 'Where is my order?'],
  ['where is my order', 'Where is my order??'],
  ['Where is my ordr?', 'Where is my order?'],
  ['Where is my order please', 'Where is my order?'],
  ['How do I reset my password? You did not answer', 'How do I reset my password? You did not'],
  ['How can I return these shoes, please?', 'How can I return these shoes?'],
  ['我的订单在哪里？', '我的订单在哪里'],
  ['我的订单到底在哪里？', '我的订单在哪里？'],
  ['注文はどこですか？', '注文はどこですか'],
  ['제 주문은 지금 어디에 있나요?', '제 주문은 어디에 있나요?'],
  ['สินค้าของฉันอยู่ที่ไหนคะ', 'สินค้าของฉันอยู่ที่ไหน'],
  ['Đơn hàng của tôi ở đâu vậy?', 'Đơn hàng của tôi ở đâu?'],
  ['Di mana pesanan saya?', 'di mana pesanan saya'],
  ['Where is order 1001?', 'Where is order 1001 now?'],
])('%s asks again: %s', (question, earlier) => {
  expect(isAskedAgain(question, earlier)).toBe(true);
  expect(isAskedAgain(earlier, question)).toBe(true);
});

test.each([
  ['Where is my refund?', 'Where is my order?'],
  ['Where is order 1002?', 'Where is order 1001?'],
  ['How do I reset my PIN?', 'How do I reset my password?'],
  ['Write a text about red shoes for our shop', 'Write a text about blue shoes for our shop'],
  ['Do you have it in size L, too?', 'Do you have it in size M?'],
  ['yes', 'yes'],
  ['go on', 'go on'],
  ['继续', '继续'],
  ['谢谢', '谢谢'],
  ['我的包裹在哪里？', '我的订单在哪里？'],
  ['可以退货吗？', '可以退款吗？'],
  ['返品はどうすればいいですか', '交換はどうすればいいですか'],
  ['Where is my order?', 'My order is where'],
  ['제 환불은 어디에 있나요?', '제 주문은 어디에 있나요?'],
  ['', ''],
  ['Show me my open orders from last week in Berlin', 'Show me my open orders'],
])('%s does not ask again: %s', (question, earlier) => {
  expect(isAskedAgain(question, earlier)).toBe(false);
  expect(isAskedAgain(earlier, question)).toBe(false);
});

test('only the beginning of long questions is compared', () => {
  const long = 'Please look at this: '.repeat(100);
  expect(isAskedAgain(`${long}one`, `${long}two`)).toBe(true);
});
