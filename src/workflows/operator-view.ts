import { upsertMemo, upsertSearchAttributes } from '@temporalio/workflow';
import type { SearchAttributes } from '@temporalio/common';
import type { ChatReply, ConversationSpend } from '../contract/chat';
import { searchAttributeNames } from '../contract/names';
import type { ConversationState } from './conversation-state';

/** Rows of the table that the Temporal UI shows for a conversation. */
const shownTurns = 10;

/** A turn's outcome, as one word that operators can filter by. */
function stateOf(reply: ChatReply): 'answered' | 'degraded' | 'blocked' {
  if (reply.blocked) return 'blocked';
  return reply.success ? 'answered' : 'degraded';
}

/** The search attributes of one workflow, upserted only when a value changes: every upsert is an event and is billed. */
export class ShownState {
  private shown: Record<string, string> = {};

  constructor(private readonly sessionId: string | null) {}

  turnEnded(reply: ChatReply): void {
    this.show({
      [searchAttributeNames.state]: stateOf(reply),
      [searchAttributeNames.arm]: reply.handler ?? 'none',
      [searchAttributeNames.provider]: reply.provider,
    });
  }

  closed(spend: ConversationSpend): void {
    this.show({ [searchAttributeNames.state]: 'closed' });
    upsertMemo(spendMemo(spend));
  }

  private show(values: Record<string, string>): void {
    const changed = Object.entries(values).filter(([name, value]) => this.shown[name] !== value);
    if (changed.length === 0) return;
    const attributes: SearchAttributes = Object.fromEntries(changed.map(([name, value]) => [name, [value]]));
    if (this.sessionId !== null) attributes[searchAttributeNames.session] = [this.sessionId];
    upsertSearchAttributes(attributes);
    this.shown = { ...this.shown, ...values };
  }
}

export function spendMemo(spend: ConversationSpend): Record<string, unknown> {
  return { spend };
}

/** Markdown for the Temporal UI: the outcomes of the last turns, without any message text. */
export function describeConversation(state: ConversationState): string {
  const { turns, tokens, cost_usd, unconfirmed_usd } = state.spend();
  const unconfirmed = unconfirmed_usd > 0 ? ` (and $${unconfirmed_usd.toFixed(6)} unconfirmed)` : '';
  const rows = state.recent(shownTurns).map(({ turnId, reply }) => turnRow(turnId, reply));
  return [`${turns} turns, ${tokens} tokens, $${cost_usd.toFixed(6)}${unconfirmed}`, '', ...tableHead, ...rows].join(
    '\n',
  );
}

export function describeTurn(reply: ChatReply): string {
  return [...tableHead, turnRow(reply.turn_id, reply)].join('\n');
}

const tableHead = [
  '| turn | outcome | arm | provider | model | attempts | tokens | cost | latency |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
];

function turnRow(turnId: string, reply: ChatReply): string {
  const cells = [
    turnId,
    stateOf(reply),
    reply.handler ?? '–',
    reply.provider,
    reply.model ?? '–',
    reply.attempts,
    reply.tokens_used,
    `$${reply.cost_usd.toFixed(6)}`,
    `${reply.latency_ms} ms`,
  ];
  return `| ${cells.join(' | ')} |`;
}
