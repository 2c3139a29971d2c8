import { converse } from './many-turns';

test('a conversation of 200 turns, with short histories, goes through continue-as-new without losing or repeating one', () =>
  converse(200, 200));
