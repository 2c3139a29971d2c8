const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * The longest tests start first, so that none runs alone at the end. The demonstration needs a core for itself; tests
 * that mostly wait run beside it.
 */
const first = [
  'cli/demo.long',
  'end-to-end/gateway-kills.long',
  'end-to-end/rollout-kills.long',
  'end-to-end/session-burst.long',
  'gateway/fuzz/fuzz.long',
  'bench/gateway/gateway.long',
  'bench/turn.long',
  'workflows/canary-rollout-72-hours.long',
  'client/stuck-workflows',
  'gateway/faults/table',
  'end-to-end/gateway-kills',
  'workflows/streamed-turn',
  'cli/up',
  'cli/rollout',
  'cli/doctor',
  'end-to-end/rollout-kills',
  'end-to-end/kills',
  'workflows/canary-rollout-72-hours',
  'gateway/faults/recovery',
  'end-to-end/web-page',
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
