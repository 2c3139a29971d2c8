import { languageOf } from '../../../src/domain/turn/language-of';

/** Messages as customers write them, by the label that they must get. */
const messages: Readonly<Record<string, readonly string[]>> = {
  en: [
    'Where is my order?',
    'Can I get a refund for the blue jacket?',
    'hi, my parcel still hasn’t arrived',
    'What does the warranty cover?',
    'Please cancel order #88213 and send the money back to my card.',
    'Do you ship to Norway?',
    'thanks!',
    'How do I say 谢谢 in Japanese?',
    'Why does `SELECT * FROM orders` return no rows?',
  ],
  zh: [
    '我的订单什么时候发货？',
    '这件外套可以退款吗',
    'iPhone 15 Pro Max 怎么退货？',
    '請問運費是多少？',
    '解释一下 useEffect 的 cleanup',
    '这个错误是什么意思？\n```\nTypeError: cannot read properties of undefined (reading "map")\n```',
    '「ありがとう」是什么意思？我看不懂日语，请用中文解释一下这个词的用法和场合。',
  ],
  ja: [
    '注文した商品がまだ届きません。',
    '返品したいのですが',
    'いつ届きますか',
    'サイズ交換は可能ですか？',
    'iPhoneのケースを探しています',
  ],
  ko: ['주문한 상품이 언제 도착하나요?', '환불해 주세요', '배송비가 얼마예요?', 'iPhone 케이스 있나요?'],
  th: ['สินค้าของฉันจะมาถึงเมื่อไหร่', 'ขอคืนเงินได้ไหมคะ', 'iPhone 15 มีสีอะไรบ้าง', 'ค่าส่งเท่าไหร่'],
  vi: [
    'Đơn hàng của tôi khi nào được giao?',
    'Tôi muốn hoàn tiền',
    'Phí vận chuyển là bao nhiêu?',
    'Đơn hàng của tôi khi nào được giao?'.normalize('NFD'),
  ],
  id: [
    'Kapan pesanan saya akan dikirim?',
    'Apakah barang ini bisa dikembalikan?',
    'Saya mau minta refund',
    'Berapa ongkos kirim ke Surabaya?',
  ],
  ms: [
    'Bilakah pesanan saya akan dihantar?',
    'Saya nak pulangkan barang ini, boleh tak?',
    'Adakah barang ini boleh dipulangkan?',
  ],
  tl: ['Nasaan na po ang order ko?', 'Paano ko ibabalik ang sapatos?', 'Magkano ang shipping sa Cebu?'],
  es: [
    '¿Dónde está mi pedido?',
    'Quiero devolver la chaqueta',
    'Hola, no me ha llegado el paquete',
    '¿Cuánto cuesta el envío a México?',
  ],
  fr: [
    'Où est ma commande ?',
    'Je voudrais un remboursement',
    "Bonjour, je n'ai pas reçu mon colis",
    'Quels sont les frais de port pour la Belgique ?',
  ],
  de: [
    'Wo ist meine Bestellung?',
    'Ich möchte die Jacke zurückgeben',
    'Wie hoch sind die Versandkosten nach Österreich?',
    'Hallo, mein Paket ist noch nicht da',
  ],
  pt: [
    'Onde está o meu pedido?',
    'Não recebi a encomenda',
    'Quero devolver esta camisa',
    'Quanto custa o frete para São Paulo?',
  ],
  it: ["Dov'è il mio ordine?", 'Vorrei restituire la giacca', 'Non ho ancora ricevuto il pacco'],
  nl: ['Waar is mijn bestelling?', 'Ik wil graag de jas terugsturen', 'Het pakket is nog niet aangekomen'],
  sv: ['Var är min beställning?', 'Jag har inte fått mitt paket', 'Kan jag få pengarna tillbaka?'],
  pl: ['Gdzie jest moje zamówienie?', 'Chcę zwrócić kurtkę', 'Nie dostałem jeszcze paczki'],
  tr: ['Siparişim nerede?', 'Bu ceketi iade etmek istiyorum', 'Paketim henüz gelmedi, ne zaman gelecek?'],
  ru: ['Где мой заказ?', 'Хочу вернуть куртку', 'Сколько стоит доставка?'],
  uk: ['Де моє замовлення?', 'Коли прийде посилка? Її ще немає.'],
  ar: ['أين طلبي؟', 'أريد استرداد المبلغ', 'كم تكلفة الشحن؟'],
  fa: ['سفارش من کجاست؟', 'می‌خواهم پولم را پس بگیرم'],
  ur: ['میرا آرڈر کہاں ہے؟'],
  hi: ['मेरा ऑर्डर कहाँ है?', 'मुझे रिफंड चाहिए'],
  bn: ['আমার অর্ডার কোথায়?'],
  ta: ['என் ஆர்டர் எங்கே?'],
  he: ['איפה ההזמנה שלי?'],
  el: ['Πού είναι η παραγγελία μου;'],
  km: ['តើការបញ្ជាទិញរបស់ខ្ញុំនៅឯណា?'],
  lo: ['ສິນຄ້າຂອງຂ້ອຍຢູ່ໃສ'],
  my: ['ကျွန်တော့်အော်ဒါ ဘယ်မှာလဲ'],
  und: [
    '',
    '12345',
    '???',
    '🙂🙂',
    'iPhone 15 Pro Max 256GB',
    'ABX-2231',
    'https://shop.example/orders/88213',
    'Gabriel García Márquez',
    'wo de dingdan zai nali',
    '```\nconst a = 1;\n```',
  ],
};

const rows = Object.entries(messages).flatMap(([language, texts]) => texts.map((text) => [language, text] as const));

test.each(rows)('%s: %s', (language, text) => expect(languageOf(text)).toBe(language));

test('only the beginning of a message is read', () => {
  expect(languageOf(`${'我的订单在哪里？'.repeat(250)}${'Where is my order? '.repeat(1_000)}`)).toBe('zh');
  expect(languageOf(`${'Where is my order? '.repeat(1_000)}我的订单在哪里？`)).toBe('en');
});
