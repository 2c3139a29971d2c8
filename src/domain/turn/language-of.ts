import { unknownLanguage } from '../../contract/user-evidence';
import { countLetters, type Script, weighScripts } from './scripts';

/** The beginning is enough, and `normalize` takes quadratic time on combining marks. */
const readCodeUnits = 2_000;

/** Below that share of a text no script says what language it is in. */
const minScriptShare = 0.5;

/**
 * The language that a text is written in, as an ISO 639-1 label (`tl`: Tagalog): by its script if that has one language
 * or nearly so, otherwise by its most frequent words. `und` if that says too little. Reads the first 2,000 UTF-16 units.
 */
export function languageOf(text: string): string {
  const read = prose(text.slice(0, readCodeUnits).normalize('NFC'));
  const [main] = weighScripts(countLetters(read));
  if (main === undefined || main[1] < minScriptShare) return unknownLanguage;
  const [script] = main;
  if (script === 'latin') return languageOfLatin(read);
  const exception = exceptions[script]?.find(([letters]) => letters.test(read));
  return exception?.[1] ?? languages[script];
}

/** Without code, addresses and markup, which are Latin in every language. */
export function prose(text: string): string {
  return text
    .replace(/```[^`]*(?:```|$)/g, ' ')
    .replace(/`[^`\n]*`/g, ' ')
    .replace(/<[^<>\n]{1,200}>/g, ' ')
    .replace(/\bhttps?:\/\/\S+/gi, ' ')
    .replace(/[\w.+-]{1,64}@[\w.-]{1,200}/g, ' ');
}

const languages: Readonly<Record<Exclude<Script, 'latin'>, string>> = {
  han: 'zh',
  kana: 'ja',
  hangul: 'ko',
  thai: 'th',
  cyrillic: 'ru',
  arabic: 'ar',
  devanagari: 'hi',
  hebrew: 'he',
  greek: 'el',
  bengali: 'bn',
  tamil: 'ta',
  lao: 'lo',
  myanmar: 'my',
  khmer: 'km',
};

/** Letters that the most frequent language of the script does not have. */
const exceptions: Readonly<Partial<Record<Script, readonly (readonly [letters: RegExp, language: string])[]>>> = {
  cyrillic: [
    [/[іїєґ]/i, 'uk'],
    [/[әғқңөұүһ]/i, 'kk'],
    [/[јљњћђџ]/i, 'sr'],
  ],
  arabic: [
    [/[ٹڈڑےں]/, 'ur'],
    [/[پچژگکی]/, 'fa'],
  ],
};

/** The most frequent words of each language, and words with which customers write to a shop. */
const frequentWords = {
  en: "the a an and or of to in is are was were be been am it its it's this that these those i i'm you your we they he she my me our not don't doesn't can't can could will would should have has had do does did what when where which who why how for with from on at by as if but there here about please thanks thank hello hi hey order yes no just get all any",
  es: 'el la los las un una unos unas de del y o que qué en es son está están era ser fue hay no sí mi tu su mis sus me te se lo le nos por para con sin como cómo cuándo dónde cuál quién pero más muy ya también esto este esta hola gracias quiero puedo puede tengo tiene pedido favor',
  fr: "le la les un une des du de et ou où que qui quoi en est sont était être a ai as avons avez ont il elle je tu nous vous on ce cet cette ces mon ma mes votre vos notre ne pas plus pour par avec sans dans sur au aux si mais comment quand pourquoi bonjour merci oui non j'ai c'est n'est qu'est-ce commande colis",
  de: 'der die das den dem des ein eine einen einem einer und oder aber nicht kein keine ist sind war waren sein haben hat habe hatte ich du er sie es wir ihr mein meine ihre mir mich uns zu zum zur von vom mit für auf aus bei nach im in an wie was wann wo wer warum kann können möchte bitte danke hallo ja nein auch noch bestellung',
  pt: 'o a os as um uma uns umas de do da dos das e ou que em no na nos nas é são está estão era ser foi não sim meu minha seu sua eu você ele ela nós me te se lhe por para com sem como quando onde qual quem mas mais muito já também isto este esta olá oi obrigado obrigada quero posso pode tenho tem pedido favor',
  it: "il lo la i gli le un uno una di del della dei delle e o che chi in nel nella è sono era essere non sì mio mia tuo sua io tu lui lei noi voi mi ti si ci per con senza come quando dove quale ma più molto già anche questo questa ciao grazie vorrei posso può ho ha hai ordine favore c'è",
  nl: 'de het een en of van voor met zonder in op aan bij naar uit is zijn was waren ben heb heeft hebben had ik je jij u hij zij we wij jullie mijn jouw uw me mij niet geen wel ook nog maar als dat die dit deze wat wanneer waar wie waarom hoe kan kunnen wil graag bedankt dank hallo ja nee bestelling',
  id: 'yang dan atau di ke dari untuk dengan pada adalah ini itu saya aku anda kamu kami kita mereka tidak bukan belum sudah telah akan bisa dapat mau ingin ada apa apakah bagaimana berapa kapan mengapa kenapa siapa mana dimana tolong mohon terima kasih halo selamat pesanan barang pengiriman pembayaran juga saja lagi karena jika kalau',
  ms: 'yang dan atau di ke dari untuk dengan pada adalah ini itu saya anda awak kami kita mereka tidak tak bukan belum sudah telah akan boleh dapat mahu hendak nak ada apa adakah bagaimana bagaimanakah berapa bila bilakah kenapa siapa mana manakah tolong sila terima kasih helo selamat pesanan barang penghantaran bayaran juga sahaja lagi kerana jika kalau ialah',
  vi: 'là và của có không được cho với tôi bạn này đó những các một khi nào như thế gì sao ở trong đã đang sẽ rồi chưa xin chào cảm ơn đơn hàng giao',
  tl: 'ang ng mga sa na ay ko mo ako ikaw siya kami kayo sila niya namin po opo hindi oo ba kung kailan saan sino ano paano bakit ito iyan iyon nasa para may wala gusto pwede puwede salamat kumusta magkano yung lang din rin pa naman nang',
  tr: 'bir ve veya ile için bu şu o ben sen biz siz onlar benim senin bizim sizin mı mi mu mü değil var yok ne nasıl neden nerede zaman kim hangi ama çok daha da de ki gibi evet hayır merhaba teşekkürler lütfen sipariş siparişim istiyorum',
  pl: 'i w z na do od po dla o u jest są był była być nie tak to ten ta te mój moja moje mi mnie ja ty on ona my wy czy co kiedy gdzie kto jak dlaczego ale lub już też jeszcze się za przez proszę dziękuję cześć dzień dobry zamówienie chcę mogę można mam',
  sv: 'och eller att det den en ett är var vara har hade jag du han hon vi ni de min mitt mina din mig dig inte på i av för med till från om som men när var vad hur varför vem kan vill ska hej tack ja nej också beställning',
} as const;
type LatinLanguage = keyof typeof frequentWords;

/** Letters of one of these languages alone, or nearly so. */
const ownLetters: readonly (readonly [letters: RegExp, language: LatinLanguage])[] = [
  [/[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]/i, 'vi'],
  [/[ñ¿¡]/i, 'es'],
  [/[ãõ]/i, 'pt'],
  [/[œ]|\b(?:qu|[jlcdnm])['’](?=[aeiouéêhy])/i, 'fr'],
  [/ß/, 'de'],
  [/[ğış]/, 'tr'],
  [/[ąęłśźżć]/i, 'pl'],
  [/å/i, 'sv'],
];

/** Every label but `und` that a text can get. */
export const knownLanguages: ReadonlySet<string> = new Set([
  ...Object.values(languages),
  ...Object.values(exceptions).flatMap((ofScript) => ofScript.map(([, language]) => language)),
  ...Object.keys(frequentWords),
]);

const languagesOfWord: ReadonlyMap<string, readonly LatinLanguage[]> = indexWords();

function indexWords(): ReadonlyMap<string, readonly LatinLanguage[]> {
  const index = new Map<string, LatinLanguage[]>();
  for (const language of Object.keys(frequentWords) as LatinLanguage[]) {
    for (const word of new Set(frequentWords[language].split(' '))) {
      index.set(word, [...(index.get(word) ?? []), language]);
    }
  }
  return index;
}

/** A letter of its own says as much as two frequent words. */
const ownLetterWords = 2;

/** Prose has a frequent word in every second or third; names and product codes have none. */
const minFrequentShare = 0.2;

function languageOfLatin(text: string): string {
  const words =
    text
      .toLowerCase()
      .replaceAll('’', "'")
      .match(/[\p{L}']+/gu) ?? [];
  const found = new Map<LatinLanguage, number>();
  for (const word of words) {
    for (const language of languagesOfWord.get(word) ?? []) found.set(language, (found.get(language) ?? 0) + 1);
  }
  for (const [letters, language] of ownLetters) {
    if (letters.test(text)) found.set(language, (found.get(language) ?? 0) + ownLetterWords);
  }
  const [best, next] = [...found].toSorted(([, one], [, other]) => other - one);
  if (best === undefined || best[1] < words.length * minFrequentShare) return unknownLanguage;
  return best[1] === next?.[1] ? tieBreak([best[0], next[0]]) : best[0];
}

/** Malay and Indonesian share most of their frequent words; of others a tie says nothing. */
function tieBreak(tied: readonly LatinLanguage[]): string {
  return tied.includes('id') && tied.includes('ms') ? 'id' : unknownLanguage;
}
