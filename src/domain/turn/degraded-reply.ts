import { type ReplyLanguage, replyLanguages } from '../../contract/chat';
import type { CallFailure, FailureKind } from '../../contract/failures';
import type { RefusalScope } from '../../contract/turn';
import { languageOf } from './language-of';

/**
 * What the user sees instead of an answer. The reason is in the reply's other fields, for operators: customers cannot do
 * anything about budgets and keys.
 */
const degradedReplies: Readonly<Record<ReplyLanguage, { readonly passing: string; readonly lasting: string }>> = {
  en: {
    passing: 'I am sorry, I cannot answer right now. Please try again in a few minutes.',
    lasting: 'I am sorry, I cannot answer this message.',
  },
  zh: {
    passing: '非常抱歉，我暂时无法回答。请几分钟后再试。',
    lasting: '非常抱歉，我无法回答这条消息。',
  },
  ja: {
    passing: '申し訳ございません。ただいま回答することができません。数分後にもう一度お試しください。',
    lasting: '申し訳ございません。このメッセージにはお答えできません。',
  },
  ko: {
    passing: '죄송합니다. 지금은 답변을 드릴 수 없습니다. 몇 분 후에 다시 시도해 주세요.',
    lasting: '죄송합니다. 이 메시지에는 답변을 드릴 수 없습니다.',
  },
  th: {
    passing: 'ขออภัยค่ะ ขณะนี้ไม่สามารถตอบได้ กรุณาลองใหม่อีกครั้งในอีกไม่กี่นาที',
    lasting: 'ขออภัยค่ะ ไม่สามารถตอบข้อความนี้ได้',
  },
  vi: {
    passing: 'Xin lỗi, hiện tại tôi chưa thể trả lời. Vui lòng thử lại sau vài phút.',
    lasting: 'Xin lỗi, tôi không thể trả lời tin nhắn này.',
  },
  id: {
    passing: 'Mohon maaf, saat ini saya belum dapat menjawab. Silakan coba lagi dalam beberapa menit.',
    lasting: 'Mohon maaf, saya tidak dapat menjawab pesan ini.',
  },
};

/** Failures that may be over when the same message is sent again. */
const passingFailures: ReadonlySet<FailureKind> = new Set([
  'rate-limited',
  'server-error',
  'timeout',
  'connection',
  'circuit-open',
]);

/** @param failure null: no call was made, because a budget refused the turn or its arm has no target */
export function mayPass(failure: Pick<CallFailure, 'kind'> | null): boolean {
  return failure !== null && passingFailures.has(failure.kind);
}

/** Advises to try again only if that may help. */
export function degradedReply(language: ReplyLanguage, failure: Pick<CallFailure, 'kind'> | null): string {
  const { passing, lasting } = degradedReplies[language];
  return mayPass(failure) ? passing : lasting;
}

/**
 * The language of a message among those with their own degraded reply: Indonesian for Malay, which is close to it, and
 * English for all others.
 */
export function detectLanguage(message: string): ReplyLanguage {
  const language = languageOf(message);
  if (language === 'ms') return 'id';
  return replyLanguages.find((one) => one === language) ?? 'en';
}

const reasons = {
  day: 'Daily budget exceeded',
  session: 'Session spending limit reached',
  key: 'API key budget exceeded',
} as const;

/** Which budget was exceeded; for session and day, as worded in the migration guide. */
export function refusalReason(scope: Exclude<RefusalScope, 'closed'>): string {
  return reasons[scope];
}
