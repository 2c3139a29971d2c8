import { DeadlineExceededError, QueueFullError, TurnNotSentError } from '../../src/client';
import { SessionQueues } from '../../src/client/session-queues';
import { limits } from '../../src/contract/limits';

let turnCount = 0;

/** A turn that ends when the test says so. */
function heldTurn(sessionId = 's', deadlineMs = 60_000) {
  const events: string[] = [];
  let answer!: (text: string) => void;
  let fail!: (error: Error) => void;
  let end!: () => void;
  const answered = new Promise<string>((resolve, reject) => ([answer, fail] = [resolve, reject]));
  const over = new Promise<void>((resolve) => (end = resolve));
  return {
    turn: {
      sessionId,
      turnId: `turn-${(turnCount += 1)}`,
      deadlineMs,
      send: () => (events.push('sent'), answered),
      untilOver: () => (events.push('left'), over),
    },
    events,
    answer,
    fail,
    end,
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('turns of a session are sent one at a time, in order, and those of other sessions in parallel', async () => {
  const queues = new SessionQueues();
  const [first, second, other] = [heldTurn(), heldTurn(), heldTurn('other')];
  const answers = [first, second, other].map(({ turn }) => queues.answer(turn));
  await settled();
  expect([first.events, second.events, other.events]).toEqual([['sent'], [], ['sent']]);
  first.answer('1');
  await expect(answers[0]).resolves.toBe('1');
  await settled();
  expect(second.events).toEqual(['sent']);
  second.answer('2');
  other.answer('3');
  await expect(Promise.all(answers)).resolves.toEqual(['1', '2', '3']);
});

test('a turn that fails makes room for the next', async () => {
  const queues = new SessionQueues();
  const [first, second] = [heldTurn(), heldTurn()];
  const answers = [queues.answer(first.turn), queues.answer(second.turn)];
  first.fail(new Error('lost'));
  await expect(answers[0]).rejects.toThrow('lost');
  second.answer('2');
  await expect(answers[1]).resolves.toBe('2');
});

test('one turn too many is refused without being sent, until one has ended', async () => {
  const queues = new SessionQueues();
  const turns = Array.from({ length: limits.maxQueuedTurns }, () => heldTurn());
  const answers = turns.map(({ turn }) => queues.answer(turn));
  const refused = heldTurn();
  await expect(queues.answer(refused.turn)).rejects.toThrow(QueueFullError);
  await expect(queues.answer(refused.turn)).rejects.toThrow('Session s has 8 unfinished turns; the limit is 8.');
  turns[0]!.answer('1');
  await answers[0];
  await settled();
  const taken = queues.answer(refused.turn);
  for (const each of [...turns, refused]) each.answer('done');
  await expect(taken).resolves.toBe('done');
  await Promise.all(answers);
});

test('a turn whose deadline passes while it waits is never sent', async () => {
  const queues = new SessionQueues();
  const [first, late, next] = [heldTurn(), heldTurn('s', 1), heldTurn()];
  const answered = queues.answer(first.turn);
  await expect(queues.answer(late.turn)).rejects.toThrow(TurnNotSentError);
  const last = queues.answer(next.turn);
  first.answer('1');
  next.answer('3');
  await expect(Promise.all([answered, last])).resolves.toEqual(['1', '3']);
  expect(late.events).toEqual([]);
});

test('a turn whose caller has gone keeps its place until it has ended', async () => {
  const queues = new SessionQueues();
  const [first, second] = [heldTurn(), heldTurn()];
  const answered = queues.answer(first.turn);
  const waiting = queues.answer(second.turn);
  first.fail(new DeadlineExceededError('no answer yet'));
  await expect(answered).rejects.toThrow('no answer yet');
  await settled();
  expect(first.events).toEqual(['sent', 'left']);
  expect(second.events).toEqual([]);
  first.end();
  second.answer('2');
  await expect(waiting).resolves.toBe('2');
});

test('a session without turns is forgotten', async () => {
  const queues = new SessionQueues();
  const { turn, answer } = heldTurn();
  const answered = queues.answer(turn);
  expect(queues.size).toBe(1);
  answer('1');
  await answered;
  await settled();
  expect(queues.size).toBe(0);
});

test('a deadline too far away for a timer does not count as passed', async () => {
  const queues = new SessionQueues();
  const [first, patient] = [heldTurn(), heldTurn('s', Number.MAX_SAFE_INTEGER)];
  const answers = [queues.answer(first.turn), queues.answer(patient.turn)];
  await settled();
  first.answer('1');
  patient.answer('2');
  await expect(Promise.all(answers)).resolves.toEqual(['1', '2']);
});

test('a turn sent again while unfinished takes no new place: it waits until it is sent and then joins', async () => {
  const queues = new SessionQueues();
  const turns = Array.from({ length: limits.maxQueuedTurns }, () => heldTurn());
  const answers = turns.map(({ turn }) => queues.answer(turn));
  const [running, waiting] = [turns[0]!, turns[1]!];
  const again = queues.answer(running.turn);
  const alsoAgain = queues.answer(waiting.turn);
  await settled();
  expect([running.events, waiting.events]).toEqual([['sent', 'sent'], []]);
  running.answer('1');
  await expect(again).resolves.toBe('1');
  await settled();
  expect(waiting.events).toEqual(['sent', 'sent']);
  for (const each of turns) each.answer('done');
  await expect(alsoAgain).resolves.toBe('done');
  await Promise.all(answers);
});

test('a turn that gave up before it was sent is queued like any other when it is sent again', async () => {
  const queues = new SessionQueues();
  const [first, late] = [heldTurn(), heldTurn('s', 1)];
  const answered = queues.answer(first.turn);
  const givenUp = queues.answer(late.turn);
  const again = queues.answer({ ...late.turn, deadlineMs: 60_000 });
  await expect(givenUp).rejects.toThrow(TurnNotSentError);
  await settled();
  expect(late.events).toEqual([]);
  first.answer('1');
  late.answer('2');
  await expect(Promise.all([answered, again])).resolves.toEqual(['1', '2']);
});

test('a turn that is sent again has its own deadline', async () => {
  const queues = new SessionQueues();
  const [first, second] = [heldTurn(), heldTurn()];
  const answers = [queues.answer(first.turn), queues.answer(second.turn)];
  await expect(queues.answer({ ...second.turn, deadlineMs: 1 })).rejects.toThrow(TurnNotSentError);
  first.answer('1');
  second.answer('2');
  await expect(Promise.all(answers)).resolves.toEqual(['1', '2']);
});
