import { unknownLanguage } from '../../contract/user-evidence';
import type { ChatMessage } from '../../contract/chat';
import { questionOf } from './fingerprints';
import { languageOf, prose } from './language-of';
import { messageText } from './messages';
import { countLetters, type Script, weighScripts } from './scripts';

/** Of each text; quoted documents and long answers go on as they begin. */
const readCodeUnits = 2_000;

/** The system prompt and the last exchanges say which language is wanted. */
const readMessages = 10;

/** Fewer letters are a name, a code or a greeting; half as many of a script whose letters are syllables or words. */
const minQuestionLetters = 6;
const minAnswerLetters = 24;

/** A text in which other scripts have more is mixed: it may be answered in either. */
const minScriptShare = 0.75;
/** Chinese and Japanese questions name products and functions in Latin letters. */
const minScriptShareBesideLatin = 0.5;

/**
 * Whether an answer is in another script than its question, and nothing asks for that. Languages that share a script are
 * not told apart. Code, addresses and quotations do not count, and what is mixed, short or without words of a known
 * language is never wrong.
 */
export function isInWrongLanguage(messages: readonly ChatMessage[], answer: string): boolean {
  const question = questionOf(messages).slice(0, readCodeUnits);
  const given = mainScript(answer, minAnswerLetters, minScriptShare);
  if (given === null || areWordsUnknown(given, answer)) return false;
  const expected = mainScript(
    question,
    minQuestionLetters,
    given === 'latin' ? minScriptShareBesideLatin : minScriptShare,
  );
  if (expected === null || expected === given || areWordsUnknown(expected, question)) return false;
  if (mayBeJapanese(expected, question) && given === 'kana') return false;
  if (mayBeJapanese(given, answer) && expected === 'kana') return false;
  return (
    !usesScript(question, given, expected) &&
    ![...messages.slice(0, 1), ...messages.slice(-readMessages)].some((message) => explains(message, given))
  );
}

/** Romanised Hindi or Chinese, names and code are Latin without being of a language that is known. */
function areWordsUnknown(script: Script, text: string): boolean {
  if (script !== 'latin') return false;
  const read = proseOf(text);
  return isCode(read) || isTitle(read) || languageOf(read) === unknownLanguage;
}

/** Names of works and companies have words of a language, most of them with a capital letter. */
function isTitle(text: string): boolean {
  const words = text.match(/[\p{L}']+/gu) ?? [];
  return words.filter((word) => /^\p{Lu}/u.test(word)).length > words.length / 2;
}

/** Code that is not marked as such has symbols in every word or two. */
function isCode(text: string): boolean {
  const rare = text.match(/[{}=<>_;\\$]/g) ?? [];
  const all = text.match(/[{}=<>_;\\$()[\]:]/g) ?? [];
  return rare.length > text.length * 0.03 || all.length > text.length * 0.08;
}

/** A short Japanese text may consist of Han alone, though not of characters that only Chinese has. */
function mayBeJapanese(script: Script, text: string): boolean {
  return script === 'han' && !chineseAlone.test(text) && (countLetters(text).get('han') ?? 0) < maxHanAlone;
}
const maxHanAlone = 16;
const chineseAlone =
  /[吗嗎呢么麼们們这這哪怎你您请請吧没沒给給电发货单时间长开关对谁让还還过进说话费运价钱换码邮门见车东书买卖]/;

/** Whether a question has words in the answer's script. Latin names say nothing, and neither does Han in Japanese. */
function usesScript(question: string, given: Script, expected: Script): boolean {
  const isExpected = given === 'latin' || (given === 'han' && expected === 'kana');
  return !isExpected && (countLetters(proseOf(question)).get(given) ?? 0) >= 2;
}

/** Both ends: instructions stand before or behind what they are about. */
function endsOf(text: string): string {
  return text.length <= readCodeUnits ? text : `${text.slice(0, readCodeUnits / 2)} ${text.slice(-readCodeUnits / 2)}`;
}

function mainScript(text: string, minLetters: number, minShare: number): Script | null {
  const letters = countLetters(proseOf(text));
  const [main] = weighScripts(letters);
  if (main === undefined || main[1] < minShare) return null;
  const wanted = main[0] === 'han' || main[0] === 'kana' || main[0] === 'hangul' ? minLetters / 2 : minLetters;
  const count =
    main[0] === 'kana' ? (letters.get('kana') ?? 0) + (letters.get('han') ?? 0) : (letters.get(main[0]) ?? 0);
  return count >= wanted ? main[0] : null;
}

/** No longer ones, so that opening marks without an end cost no more. */
const quotation =
  /"[^"\n]{0,200}"|“[^”\n]{0,200}”|「[^」\n]{0,200}」|『[^』\n]{0,200}』|《[^》\n]{0,200}》|«[^»\n]{0,200}»/g;

/** Without code and quotations. */
function proseOf(text: string): string {
  return prose(text.slice(0, readCodeUnits)).replace(quotation, ' ');
}

/** Words that ask for a translation, and names of languages by the script that they are written in. */
const translation =
  /translat|翻译|翻譯|译成|譯成|翻訳|訳して|번역|แปล(?!ก)|phiên dịch|bản dịch|dịch (?:sang|giúp|hộ|câu|từ|đoạn|ra)|terjemah|traduc|traduz|tradu[iz]|übersetz|vertaal|çevir|перевед|перевод|переклад|ترجم|अनुवाद|how do (?:you|i|we) say|怎么说|怎麼說|pronounc/i;
const languageNames: readonly (readonly [names: RegExp, scripts: readonly Script[]])[] = [
  [
    /\benglish\b|英语|英語|英文|영어|อังกฤษ|tiếng anh|inggris|inglés|anglais|englisch|английск|англійськ|الإنجليزية|अंग्रेज़ी|अंग्रेजी/i,
    ['latin'],
  ],
  [
    /\b(?:spanish|french|german|italian|portuguese|dutch|vietnamese|indonesian|malay|latin|turkish|polish|swedish|romaji|pinyin)\b|西班牙语|法语|德语|意大利语|葡萄牙语|越南语|印尼语|马来语|拼音|スペイン語|フランス語|ドイツ語|ベトナム語|インドネシア語|스페인어|프랑스어|독일어|베트남어|ภาษาเวียดนาม|ภาษาอินโดนีเซีย|พินอิน/i,
    ['latin'],
  ],
  [
    /\b(?:chinese|mandarin|cantonese|hanzi|kanji)\b|中文|汉语|漢語|普通话|简体|繁體|汉字|中国語|중국어|ภาษาจีน|tiếng trung|bahasa mandarin|bahasa cina|chino|chinois|chinesisch|китайск/i,
    ['han'],
  ],
  [
    /\b(?:japanese|kanji|hiragana|katakana)\b|日语|日語|日文|日本語|일본어|ภาษาญี่ปุ่น|tiếng nhật|bahasa jepang|japonés|japonais|japanisch|японск/i,
    ['kana', 'han'],
  ],
  [
    /\b(?:korean|hangul)\b|韩语|韓語|韩文|韓国語|한국어|한글|ภาษาเกาหลี|tiếng hàn|bahasa korea|coreano|coréen|koreanisch|корейск/i,
    ['hangul'],
  ],
  [/\bthai\b|泰语|泰文|タイ語|태국어|ภาษาไทย|tiếng thái|bahasa thai|tailandés|thaï/i, ['thai']],
  [
    /\b(?:russian|ukrainian|bulgarian|serbian|cyrillic)\b|俄语|俄文|ロシア語|러시아어|ภาษารัสเซีย|tiếng nga|ruso|russe|russisch|русск/i,
    ['cyrillic'],
  ],
  [
    /\b(?:arabic|persian|farsi|urdu)\b|阿拉伯语|アラビア語|아랍어|ภาษาอาหรับ|tiếng ả rập|árabe|arabe|arabisch/i,
    ['arabic'],
  ],
  [/\b(?:hindi|marathi|nepali|sanskrit|devanagari)\b|印地语|ヒンディー語|힌디어|ภาษาฮินดี/i, ['devanagari']],
];

/**
 * Whether a message asks for the script of the answer. A user does by naming a translation or such a language; a system
 * prompt by naming that script's languages alone: one that lists the languages of its users asks for none of them. What a
 * user wrote in that script before asks for it, too.
 */
function explains(message: ChatMessage, given: Script): boolean {
  if (message.role === 'assistant' || message.role === 'tool') return false;
  const text = endsOf(messageText(message));
  const named = new Set(languageNames.flatMap(([names, scripts]) => (names.test(text) ? [scripts] : [])));
  const isNamed = [...named].some((scripts) => scripts.includes(given));
  if (message.role !== 'user')
    return translation.test(text) || (isNamed && [...named].every((scripts) => scripts.includes(given)));
  return translation.test(text) || isNamed || mainScript(text, minQuestionLetters, minScriptShare) === given;
}
