import { RetryBudgets } from '../../src/activities/retry-budget';

let nowMs = 1_000_000;
beforeEach(() => jest.spyOn(Date, 'now').mockImplementation(() => nowMs));
afterEach(() => jest.restoreAllMocks());

const policy = { budgetPercent: 20, budgetPerSecond: 2 };

/** How many retries in a row are granted now. */
function takeAll(budgets: RetryBudgets, provider = 'holysheep'): number {
  let taken = 0;
  while (taken < 10_000 && budgets.take(provider)) taken += 1;
  return taken;
}

function answer(budgets: RetryBudgets, calls: number): void {
  for (let call = 0; call < calls; call += 1) budgets.answered('holysheep');
}

test('an idle worker has saved up the retries of ten seconds, and no more', () => {
  const budgets = new RetryBudgets(policy);
  expect(takeAll(budgets)).toBe(20);
  nowMs += 3_500;
  expect(takeAll(budgets)).toBe(7);
  nowMs += 3_600_000;
  expect(takeAll(budgets)).toBe(20);
});

test('a share of the answered calls comes on top', () => {
  const budgets = new RetryBudgets(policy);
  takeAll(budgets);
  answer(budgets, 51);
  expect(takeAll(budgets)).toBe(10);
});

test('what answered calls save up has a limit', () => {
  const budgets = new RetryBudgets(policy);
  answer(budgets, 100_000);
  expect(takeAll(budgets)).toBe(100);
});

test('a share of nothing leaves the retries per second, and none of both leaves none', () => {
  const budgets = new RetryBudgets({ budgetPercent: 0, budgetPerSecond: 2 });
  answer(budgets, 1_000);
  expect(takeAll(budgets)).toBe(20);
  expect(takeAll(new RetryBudgets({ budgetPercent: 0, budgetPerSecond: 0 }))).toBe(0);
});

test('each provider has retries of its own', () => {
  const budgets = new RetryBudgets(policy);
  takeAll(budgets);
  expect(takeAll(budgets, 'legacy')).toBe(20);
});

test('a clock that is set back neither gives nor takes retries', () => {
  const budgets = new RetryBudgets(policy);
  takeAll(budgets);
  nowMs -= 60_000;
  expect(takeAll(budgets)).toBe(0);
  nowMs += 1_000;
  expect(takeAll(budgets)).toBe(2);
});
