import { upsertMemo, upsertSearchAttributes } from '@temporalio/workflow';
import type { SearchAttributes } from '@temporalio/common';
import type { ChatReply, ConversationSpend } from '../contract/chat';
import { searchAttributeNames } from '../contract/names';
import { formatUsd, toNanoUsd } from '../domain/turn/prices';
import type { ConversationState } from './conversation-state';

/** Rows of the table that the Temporal UI shows for a conversation. */
const shownTurns = 10;

/** A turn's outcome, as one word that operators can filter by. */
function stateOf(reply: ChatReply): 'answered' | 'degraded' | 'blocked' | 'stopped' {
  if (reply.stopped) return 'stopped';
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
  const { turns, tokens, cost_nano_usd, unconfirmed_nano_usd } = state.spend();
  const unconfirmed = unconfirmed_nano_usd > 0 ? ` (and ${formatUsd(unconfirmed_nano_usd, 9)} unconfirmed)` : '';
  const rows = state.recent(shownTurns).map(({ turnId, reply }) => turnRow(turnId, reply));
  return [
    `${turns} turns, ${tokens} tokens, ${formatUsd(cost_nano_usd, 9)}${unconfirmed}`,
    '',
    ...tableHead,
    ...rows,
  ].join('\n');
}

export function describeTurn(reply: ChatReply): string {
  return [...tableHead, turnRow(reply.turn_id, reply)].join('\n');
}

/** Few columns, because the UI gives them half a window. */
const tableHead = [
  '| turn | outcome | answered by | attempts | tokens | cost | latency |',
  '| --- | --- | --- | --- | --- | --- | --- |',
];

function turnRow(turnId: string, reply: ChatReply): string {
  const by = [reply.handler, reply.provider, reply.model].filter((part) => part !== null);
  const cells = [
    turnId,
    stateOf(reply),
    [...new Set(by)].join(' / '),
    reply.attempts,
    reply.tokens_used,
    costOf(reply),
    `${reply.latency_ms} ms`,
  ];
  return `| ${cells.map((cell) => tableCell(`${cell}`)).join(' | ')} |`;
}

/** All decimals that the ledger has, so that rows add up. */
function costOf({ cost_nano_usd, cost_usd, unconfirmed_nano_usd, unconfirmed_usd }: ChatReply): string {
  const unconfirmed = unconfirmed_nano_usd ?? toNanoUsd(unconfirmed_usd);
  const cost = formatUsd(cost_nano_usd ?? toNanoUsd(cost_usd), 9);
  return unconfirmed === 0 ? cost : `${cost} + ${formatUsd(unconfirmed, 9)} unconfirmed`;
}

/** As much of a text as fits a table: on one line, without the sign that ends a cell. */
export function tableCell(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
  return line.length <= longestCell ? line : `${line.slice(0, longestCell - 1)}…`;
}

const longestCell = 300;
