import { replyTo } from '../../../src/local/simulator/answer';

test('an English question gets an English answer on its topic', () => {
  expect(replyTo('How can I get a refund?')).toMatch(/30 days/);
});

test('a Chinese question gets a Chinese answer on its topic', () => {
  expect(replyTo('我的订单什么时候到?')).toMatch(/订单已从仓库发出/);
});

test.each(['注文はどこですか', '주문 어디 있어요?', 'คำสั่งซื้ออยู่ที่ไหน', 'Đơn hàng của tôi đâu?', '?!'])(
  'any other language gets the generic answer: %s',
  (question) => {
    expect(replyTo(question)).toMatch(/^Thank you! Our team/);
  },
);

test('the answer repeats an order number', () => {
  expect(replyTo('Where is order #ORD-789456?')).toMatch(/^#ORD-789456: /);
});

test('the answer repeats every marker of the question', () => {
  const reply = replyTo('[ref:abc] Hello [ref:turn-7]');
  expect(reply).toContain('[ref:abc]');
  expect(reply).toContain('[ref:turn-7]');
});

test('a marker does not decide the language', () => {
  expect(replyTo('你好 [ref:where-is-my-order]')).toMatch(/感谢您的留言/);
});

test('the same question gets the same answer', () => {
  expect(replyTo('What does shipping cost?')).toBe(replyTo('What does shipping cost?'));
});

test('an answer in the wrong language is on the topic', () => {
  expect(replyTo('我的订单什么时候到?', true)).toMatch(/^Your order has left our warehouse/);
  expect(replyTo('How can I get a refund?', true)).toMatch(/^您可以在30天内申请退货/);
});
