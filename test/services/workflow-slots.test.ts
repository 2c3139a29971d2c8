import { setTimeout as sleep } from 'node:timers/promises';
import type { SlotReserveContext } from '@temporalio/worker';
import { WorkflowSlots } from '../../src/services/workflow-slots';

const context: SlotReserveContext = {
  slotType: 'workflow',
  taskQueue: 'a-queue',
  workerIdentity: 'a-worker',
  workerBuildId: '',
  isSticky: false,
};
const ofCached = { ...context, isSticky: true };
const mebibyte = 1024 * 1024;
const forever = new AbortController().signal;

/** Slots of a process of which a test says how much memory it takes. */
function slotsWith(usedMebibytes: number, maxSlots = 100) {
  const memory = { mebibytes: usedMebibytes };
  return {
    memory,
    slots: new WorkflowSlots({
      maxSlots,
      memory: { used: () => memory.mebibytes * mebibyte, limit: 1_000 * mebibyte },
    }),
  };
}

function takeAll(slots: WorkflowSlots, of = context) {
  const permits = [];
  for (let permit = slots.tryReserveSlot(of); permit !== null; permit = slots.tryReserveSlot(of)) permits.push(permit);
  return permits;
}

test('with memory to spare, all slots are given out', () => {
  expect(takeAll(slotsWith(50).slots)).toHaveLength(100);
});

test('new turns are expected to grow: no more are taken than there is memory for them all', () => {
  const { slots, memory } = slotsWith(450);
  expect(takeAll(slots)).toHaveLength((850 - 450) / 8);
  memory.mebibytes = 250;
  expect(takeAll(slots)).toHaveLength((850 - 250) / 8 - 50);
});

test('while memory is short, a few new turns are taken, and every task of the turns that are here', () => {
  const { slots } = slotsWith(800);
  expect(takeAll(slots)).toHaveLength(8);
  expect(takeAll(slots, ofCached)).toHaveLength(92);
});

test('a slot that is given back is given out again, once', () => {
  const { slots } = slotsWith(800);
  const [permit] = takeAll(slots);
  slots.releaseSlot({ permit: permit ?? {} });
  slots.releaseSlot({ permit: permit ?? {} });
  expect(takeAll(slots)).toHaveLength(1);
});

test('who waits for a slot gets one when there is memory again', async () => {
  const { slots, memory } = slotsWith(800);
  takeAll(slots);
  const waiting = slots.reserveSlot(context, forever);
  const early = await Promise.race([waiting, sleep(200, 'none yet')]);
  expect(early).toBe('none yet');
  memory.mebibytes = 500;
  await expect(waiting).resolves.toEqual({ isSticky: false });
});

test('who no longer waits gets the reason that it gave', async () => {
  const { slots } = slotsWith(800);
  takeAll(slots);
  const leaving = new AbortController();
  const waiting = slots.reserveSlot(context, leaving.signal);
  const reason = new Error('It shuts down.');
  leaving.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});

test('without a limit, the memory of the machine counts, and is not short here', () => {
  expect(takeAll(new WorkflowSlots({ maxSlots: 20 }))).toHaveLength(20);
});
