import { expectCapHolds } from './capped-turns';

test(
  '200 turns at once never spend more than the day may cost, though a worker dies half-way',
  () => expectCapHolds(200),
  900_000,
);
