import { expectCapHolds } from './capped-turns';

test(
  '500 turns at once never spend more than the day may cost, though a worker dies half-way',
  () => expectCapHolds(500),
  900_000,
);
