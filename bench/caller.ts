import { randomUUID } from 'node:crypto';
import type { BenchConversation, Way } from './ways/way';

/** A conversation's length: its context window is full for the second half of it. */
const turnsPerConversation = 20;

const questions = [
  'Hello, I ordered a pair of shoes last week. How do I track my order #ORD-789456?',
  'They arrived today, thank you, but one size too small. Can I exchange them or get a refund?',
  'How long does the delivery of the new pair take, and do I pay for shipping again?',
  '请问这双鞋可以用支付宝付款吗?多久能送到?',
] as const;

export interface AnsweredTurn {
  readonly turnId: string;
  readonly elapsedMs: number;
}

export interface FinishedConversation {
  readonly turns: number;
  readonly workflowIds: readonly string[];
}

/** One user after the other at one place: sends a message, waits for the answer, sends the next. */
export class Caller {
  readonly conversations: FinishedConversation[] = [];
  private current: BenchConversation;
  private turns = 0;

  constructor(private readonly way: Way) {
    this.current = way.open(randomUUID());
  }

  async turn(): Promise<AnsweredTurn> {
    if (this.turns === turnsPerConversation) this.endConversation();
    const turnId = randomUUID();
    const question = questions[this.turns % questions.length] ?? '';
    const startedAtMs = performance.now();
    await this.current.send(turnId, question);
    const elapsedMs = performance.now() - startedAtMs;
    this.turns += 1;
    return { turnId, elapsedMs };
  }

  endConversation(): void {
    this.conversations.push({ turns: this.turns, workflowIds: this.current.workflowIds() });
    this.current = this.way.open(randomUUID());
    this.turns = 0;
  }
}
