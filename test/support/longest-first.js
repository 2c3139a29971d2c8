const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * What takes a minute and more begins first, so that nothing long is left alone at the end. The demonstration needs a core
 * for itself; beside it run those that mostly wait.
 */
const first = [
  'cli/demo',
  'end-to-end/gateway-kills',
  'gateway/faults/table',
  'workflows/streamed-turn',
  'gateway/faults/recovery',
  'cli/doctor',
  'end-to-end/rollout-kills',
  'cli/rollout',
  'end-to-end/kills',
  'end-to-end/long-conversation',
  'workflows/canary-rollout-72-hours',
  'activities/routing',
];

const placeOf = ({ path }) => {
  const place = first.findIndex((name) => path.replaceAll('\\', '/').endsWith(`/test/${name}.test.ts`));
  return place === -1 ? first.length : place;
};

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    // oxlint-disable-next-line unicorn/no-array-sort -- Jest's own sort of tests, of no array
    return super.sort(tests).toSorted((a, b) => placeOf(a) - placeOf(b));
  }
};
