import { converse } from './many-turns';

test('a conversation of 120 turns, with short histories, goes through continue-as-new without losing or repeating one', () =>
  converse(120, 150));
