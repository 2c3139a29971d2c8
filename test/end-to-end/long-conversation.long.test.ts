import { converse } from './many-turns';

test(
  'a conversation of 3,000 turns goes through continue-as-new without losing or repeating one',
  () => converse(3_000),
  600_000,
);
