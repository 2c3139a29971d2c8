/** A refusal is the first thing that such an answer says. */
const readCodeUnits = 300;

/** In parts: an apology, in what quality the model speaks, that it cannot, and what. */
const english = new RegExp(
  [
    /^(?:(?:i'm|i am) (?:so |really |very |truly |terribly )?(?:sorry|afraid)|sorry|(?:my )?apologies|i apologi[sz]e|unfortunately|thank you[^.!\n]{0,60}[.!]|i understand[^.,!?\n]{0,80}[.,])?/,
    /[\s,.;:—–-]*(?:but |however,? )?(?:as an? [^,.!?\n]{0,60}?(?:,\s*|\s(?=i )))?(?:that is |that's |this is )?(?:not )?(?:something )?/,
    /(?:i (?:just |simply |really )?(?:can ?not(?: and will not)?|can't|couldn't|won't|will not|am unable to|am not able to|am not allowed to|must not)|i'm (?:unable|not able|not allowed|not permitted) to|i can(?= (?:help|assist) with[.!])|i(?: must| have to|'ll have to) (?:respectfully )?decline)/,
    /(?:[.!]| to (?:help|assist|answer|do|discuss|provide)| (?:this|that|your) request| (?:help|assist)(?: you)?(?: with|[.!]| in )| (?:comply|fulfil|engage in|participate in|continue (?:with )?th)| (?:answer|discuss|respond to|provide|create|write|generate|produce|share|do|support|process|complete) (?:that|this|these|those|such|any|your (?:question|request|message)|questions|instructions|information (?:on|about)|guidance|assistance|content|harmful|malicious|medical|legal|financial))/,
  ]
    .map(({ source }) => source)
    .join(''),
  'i',
);

/**
 * How an answer begins that refuses the request, in the languages of the degraded reply. They ask for words about the
 * request itself: "I cannot help with that" refuses, "we cannot ship to Norway" and "I cannot find order 7" answer.
 */
const refusals: readonly RegExp[] = [
  english,
  /^(?:(?:i'm|i am) (?:so |very )?sorry|sorry|unfortunately|i'm (?:just |only )?an? )[^.!?\n]{0,90}(?:i|and|so) (?:can ?not|can't|am unable to|'m unable to) (?:(?:help|assist)(?: you)? with (?:it|this|that)|(?:answer|do|discuss) (?:it|this|that))[.!]/i,
  /^i (?:do not|don't|would not|wouldn't) feel comfortable /i,
  // Chinese, with the sentence of several Chinese providers
  /^(?:(?:你好|您好)[，,!！]?)?(?:(?:非常|很|十分|真的|深感)?(?:抱歉|对不起|對不起|不好意思|遗憾|遺憾))?[，,。!！\s]*(?:(?:作为|身为|作為)[^，,。]{0,20}[，,])?(?:但|不过|关于|對於|对于)?[^，,。]{0,12}?我?(?:们)?(?:暂时|目前|现在|暫時)?(?:无法|不能|無法|没有办法|没办法|不便)(?:为您|为你|給您|给您|给你|向您|向你|就此|对此|帮你|帮您)?(?:提供(?:这|此|该|相关|任何|有关|這|該|[^，。]{0,6}(?:建议|意见|指导|建議))|给到|回答|协助|協助|帮助(?:你|您|完成|处理)|满足(?:你|您|这|此)|讨论|討論|完成(?:这|此|该|您的|你的)(?:请求|任务|操作)|(?:处理|执行)(?:这|此|该|您的|你的)(?:请求|要求|指令)|生成|创作|撰写|就这)/,
  /^(?:抱歉|很抱歉|对不起|不好意思)[，,][^。！？\n]{0,24}我?(?:不能|无法|没有办法|没办法)(?:继续这个话题|回答)/,
  /^[^。！？\n]{0,12}超出了?我的(?:服务|能力|知识)?范围/,
  /^(?:你好|您好)?[，,]?(?:这个|该|此)问题我?[^。]{0,8}(?:无法|不能|不便)回答/,
  /^[^。！？\n]{0,16}我?帮不了[您你]/,
  // Japanese
  /^(?:(?:大変|誠に)?(?:申し訳(?:ありません|ございません|ない)(?:のですが|が)?|すみません(?:が)?|恐れ入りますが|ごめんなさい|残念ながら))?[、。\s]*[^。\n]{0,40}?(?:(?:お答え|お手伝い|お応え|回答|ご協力|協力|お力添え|(?:アドバイス|助言|情報)の?(?:は|を)?(?:ご)?提供)(?:を)?(?:する(?:こと(?:は|が|も)?)?|は|が|も)?(?:でき(?:ません|かねます)|いたしかねます|致しかねます|差し控え|控え)|(?:ご希望|ご要望)に(?:は)?(?:沿|添)う(?:こと)?(?:は|が)?でき|(?:お答え(?:でき|して)|お手伝いでき|お話し?でき)(?:ない|ません|おりません)|答えられません)/,
  // Korean
  /^(?:(?:정말|대단히|매우)\s)?(?:죄송(?:합니다|하지만|하오나|한데)(?:만)?|미안(?:합니다|하지만)|유감(?:이지만|스럽게도))?[,.\s]*[^.\n]{0,40}?(?:답변(?:을|은|해)?\s?(?:드릴|해\s?드릴|할|드리기|드리지)\s?(?:수(?:는|가)?\s?없|어렵|못)|도와\s?드릴\s?수(?:는|가)?\s?없|도움을\s?드릴\s?수(?:는|가)?\s?없|(?:정보|내용|콘텐츠|도움|조언)[을를은는]?\s?제공(?:해\s?드릴|할)\s?수(?:는|가)?\s?없|요청[을은에는]{0,2}\s?(?:처리|수행|응|들어)[^.]{0,8}수(?:는|가)?\s?없|도와\s?드리기\s?(?:는\s?)?어렵|(?:답|이야기|대답)할\s?수(?:는|가)?\s?없|말씀\s?드릴\s?수(?:는|가)?\s?없|응답할\s?수(?:는|가)?\s?없)/,
  // Thai
  /^(?:ต้อง)?(?:ขออภัย|ขอโทษ|เสียใจ)?(?:ด้วย|เป็นอย่างยิ่ง|อย่างยิ่ง)?(?:นะ)?(?:ค่ะ|คะ|ครับ)?[\s,]*(?:แต่)?(?:ขณะนี้|ตอนนี้|ที่)?\s?(?:ฉัน|ผม|ดิฉัน|ทางเรา|เรา)?\s?(?:ไม่สามารถ|ไม่อาจ)(?:ที่จะ)?(?:ช่วย(?:เหลือ)?(?:คุณ|ใน|เรื่อง|กับ|ได้)|ให้ข้อมูล(?:นี้|ดังกล่าว|เกี่ยวกับ)|ให้คำ|ให้ความช่วยเหลือ|ตอบ|ดำเนินการตามคำขอ|ทำตาม|สร้างเนื้อหา|เขียน|พูดคุย)/,
  /^(?:ขออภัย|ขอโทษ)(?:ค่ะ|คะ|ครับ)?\s?(?:เรื่องนี้|คำถามนี้)[^\n]{0,20}(?:(?:ช่วย|ตอบ)(?:ให้)?ไม่ได้|นอกเหนือขอบเขต)/,
  // Vietnamese
  /^(?:(?:rất |thành thật |tôi (?:rất )?)?(?:xin lỗi|tiếc)(?: bạn| quý khách| anh| chị)?)?[,.\s]*(?:nhưng )?(?:tôi|mình|em|chúng tôi)(?: rất tiếc| xin lỗi)?[,\s]?(?: hiện tại| hiện)? (?:chưa thể|không thể|không được phép) (?:(?:hỗ trợ|giúp)(?: bạn| quý khách)?(?: với| về| trong)? ?(?:yêu cầu|việc này|điều này|điều đó|việc đó|vấn đề này|nội dung|thực hiện|làm|[.!,]|$)|trả lời|cung cấp (?:thông tin (?:này|đó|về)|nội dung|hướng dẫn)|thực hiện (?:yêu cầu|điều)|đáp ứng yêu cầu|viết|tạo (?:ra )?nội dung|thảo luận)/i,
  /^(?:(?:rất |thành thật )?(?:xin lỗi|tiếc)[,.]?\s?)?[^.\n]{0,30}ngoài phạm vi (?:hỗ trợ|khả năng|kiến thức)/i,
  // Indonesian
  /^(?:(?:mohon |saya |kami |saya mohon |kami mohon )?(?:minta )?maaf)?[,.\s]*(?:tetapi |tapi |namun |karena )?(?:saat ini |sebagai (?:ai|model)[^,.]{0,40},? )?(?:(?:saya|kami|aku)(?: saat ini)? |(?:pertanyaan|permintaan|hal) (?:itu|ini|tersebut) )(?:tidak|tak|belum|nggak|gak) (?:dapat|bisa|mampu|boleh|diizinkan) (?:(?:saya|kami) (?:jawab|bantu|penuhi|berikan)|membantu(?: anda| kamu)?(?: dengan| dalam| untuk|[.!,]|$)|menjawab|memberikan (?:informasi (?:itu|ini|tersebut|tentang)|bantuan|jawaban|instruksi|panduan|saran|nasihat)|memenuhi permintaan|melakukan (?:itu|hal)|membuat konten|menulis|membahas|melayani permintaan)/i,
  /^(?:mohon )?maaf,? [^.\n]{0,30}di luar (?:kemampuan|cakupan|wewenang) (?:saya|kami)/i,
];

/** Whether an answer opens with a refusal, in English, Chinese, Japanese, Korean, Thai, Vietnamese or Indonesian. */
export function opensWithRefusal(answer: string): boolean {
  const beginning = answer
    .trimStart()
    .slice(0, readCodeUnits)
    .normalize('NFC')
    .replaceAll('’', "'")
    .replace(/[*_>"“”#]+/g, '')
    .trimStart();
  return refusals.some((refusal) => refusal.test(beginning));
}
