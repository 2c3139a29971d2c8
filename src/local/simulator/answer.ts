import type { ModelBehaviour, PoorAnswer, PrefillBehaviour, SimulatedLanguage } from './behaviour';
import { type CompletionCall, type SimulatedToolCall, toolCallsFor } from './read-call';
import { countPromptTokens, countTokens, truncateToTokens } from './tokens';

/** A model's answer to a call: decided before it is sent, whole or in pieces. */
export interface Answer {
  /** '' if there are tool calls. */
  readonly content: string;
  /** '': none. */
  readonly thoughts: string;
  readonly toolCalls: readonly SimulatedToolCall[];
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
  readonly promptTokens: number;
  /** Those of the thoughts included. */
  readonly completionTokens: number;
  readonly reasoningTokens: number;
}

/** Deterministic: the same call always gets the same answer, or the same poor one. */
export function answerTo(
  call: CompletionCall,
  { prefill, thoughts }: Pick<ModelBehaviour, 'prefill' | 'thoughts'>,
  poor: PoorAnswer['kind'] | null,
): Answer {
  const promptTokens = countPromptTokens(call.contents);
  const reasoningTokens = countTokens(thoughts);
  const mayCallTools = call.lastRole === 'user';
  const toolCalls = mayCallTools ? toolCallsFor(call.tools, call.lastUserContent, call.contents.length) : [];
  if (toolCalls.length > 0) {
    const callTokens = countTokens(toolCalls.map((each) => each.function.name + each.function.arguments).join());
    const completionTokens = reasoningTokens + callTokens;
    const answer = { content: '', thoughts, toolCalls, finishReason: 'tool_calls' } as const;
    return { ...answer, promptTokens, completionTokens, reasoningTokens };
  }
  const whole = poor === 'empty' ? '' : textFor(call, prefill, poor === 'wrong-language');
  const content = call.maxTokens === null ? whole : truncateToTokens(whole, call.maxTokens);
  const finishReason = content === whole ? 'stop' : 'length';
  const completionTokens = reasoningTokens + countTokens(content);
  return { content, thoughts, toolCalls, finishReason, promptTokens, completionTokens, reasoningTokens };
}

function textFor(call: CompletionCall, prefill: PrefillBehaviour, inOtherLanguage: boolean): string {
  const lastContent = call.contents.at(-1) ?? '';
  if (call.lastRole === 'tool') return `The tool says: ${lastContent}`;
  const reply = replyTo(call.lastUserContent, inOtherLanguage);
  const whole = call.jsonSchema === null ? reply : jsonReply(call.jsonSchema, reply);
  if (call.lastRole !== 'assistant') return whole;
  switch (prefill) {
    case 'continue':
      // Also continues a text that this model did not write.
      return whole.startsWith(lastContent) ? whole.slice(lastContent.length) : ` ${whole}`;
    case 'other':
      return `Let me start again. ${whole}`;
    case 'ignore':
    case 'refuse':
      break;
  }
  return whole;
}

/** Short, deterministic answers in the style of a shop's customer service. */

interface Topic {
  readonly words: RegExp;
  readonly en: string;
  readonly zh: string;
}

const topics: readonly Topic[] = [
  {
    words: /refund|return|exchange|退款|退货|换货/i,
    en: 'You can return it within 30 days. I have sent you a prepaid label; the refund follows within 5 working days.',
    zh: '您可以在30天内申请退货。我已为您发送预付运单,收到商品后5个工作日内退款。',
  },
  {
    words: /track|where|order|parcel|订单|物流|快递|包裹/i,
    en: 'Your order has left our warehouse and should reach you within 2 to 3 days. The tracking link is in your e-mail.',
    zh: '您的订单已从仓库发出,预计2至3天内送达。物流链接已发送到您的邮箱。',
  },
  {
    words: /ship|deliver|arrive|运费|发货|配送|送达/i,
    en: 'Standard delivery takes 3 to 5 working days and is free from $50.',
    zh: '标准配送需要3至5个工作日,订单满50美元免运费。',
  },
  {
    words: /pay|card|invoice|price|discount|支付|付款|发票|价格|优惠/i,
    en: 'We take cards, Alipay and WeChat Pay, and the invoice comes with your confirmation e-mail.',
    zh: '我们支持银行卡、支付宝和微信支付,发票会随确认邮件一起发送。',
  },
];

const otherReply = {
  en: 'Thank you for your message. Could you tell me a little more, so that I can help you?',
  zh: '感谢您的留言。请您再详细说明一下,我很乐意为您服务。',
  generic: 'Thank you! Our team has received your message and will help you right away.',
};

/** Markers like `[ref:abc]`. An answer repeats those of its question, so that tests can match them. */
const markerPattern = /\[ref:[^\]]{1,200}\]/g;
const orderNumberPattern = /#?\bORD-\d+\b/;

/**
 * The answer to a user's message, in English or Chinese, or a generic one for any other language.
 * @param inOtherLanguage in English to Chinese, and in Chinese to all else
 */
export function replyTo(message: string, inOtherLanguage = false): string {
  const markers = message.match(markerPattern) ?? [];
  const question = message.replaceAll(markerPattern, '');
  const orderNumber = question.match(orderNumberPattern)?.[0];
  const parts = [orderNumber && `${orderNumber}:`, replyText(question, inOtherLanguage), ...markers];
  return parts.filter(Boolean).join(' ');
}

function replyText(question: string, inOtherLanguage: boolean): string {
  const language = languageOf(question);
  const topic = topics.find(({ words }) => words.test(question)) ?? otherReply;
  if (inOtherLanguage) return topic[language === 'zh' ? 'en' : 'zh'];
  return language === 'generic' ? otherReply.generic : topic[language];
}

/** `generic`: one that there are no answers in. */
export function languageOf(question: string): SimulatedLanguage | 'generic' {
  // Kana, Hangul, Thai and accented Latin letters indicate a language that we have no answers in.
  if (/[\u3040-\u30ff\uac00-\ud7af\u0e00-\u0e7f\u00c0-\u024f\u1e00-\u1eff]/.test(question)) return 'generic';
  if (/[\u4e00-\u9fff]/.test(question)) return 'zh';
  return /[a-z]/i.test(question) ? 'en' : 'generic';
}

type Schema = Readonly<Record<string, unknown>>;

/** JSON that matches the types, properties and enums of the schema, with `text` as the value of every string. */
function jsonReply(schema: Schema, text: string): string {
  return JSON.stringify(Object.keys(schema).length === 0 ? { answer: text } : valueFor(schema, text));
}

function valueFor(schema: Schema, text: string): unknown {
  if (Array.isArray(schema['enum'])) return schema['enum'][0] as unknown;
  const type: unknown = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'object': {
      const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
      return Object.fromEntries(properties.map(([name, property]) => [name, valueFor(property, text)]));
    }
    case 'array':
      return [valueFor((schema['items'] ?? {}) as Schema, text)];
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return text;
  }
}
