import { checkGuideFigures } from '../../../src/domain/guide/guide-figures';

/** Worked out by hand: 500 × 0.42 = 210; 680 / 500 = 1.36; 3000 / (3520 / 30) = 25.6; 2.3M × 0.0003 = 690. */
const verdicts: readonly (readonly [RegExp, boolean, RegExp])[] = [
  [/^Legacy bill \$4,200/, true, /cost \$4,200$/],
  [/^HolySheep bill \$680/, false, /cost \$210; \$680 would be \$1\.36\/1M/],
  [/84% of the bill and 95% of the rate/, false, /83\.8% and 95%/],
  [/\$3,520 a month, over \$42,000 a year/, true, /\$42,240$/],
  [/recovered in under 1 day/, false, /\$117 a day: 26 days/],
  [/2\.3 million conversations/, false, /^\$690: /],
  [/¥1 = \$1/, false, /86\.3%/],
  [/latency under 50 ms/, false, /180 ms/],
  [/57% lower, timeouts 98% fewer/, true, /57\.1%.*98%/],
];

describe('the migration guide’s own figures', () => {
  it.each(verdicts)('%s: adds up = %s', (claim, holds, arithmetic) => {
    const figure = checkGuideFigures().find((check) => claim.test(check.claim));
    expect(figure).toMatchObject({ holds, arithmetic: expect.stringMatching(arithmetic) });
  });

  it('are all checked here', () => {
    expect(checkGuideFigures()).toHaveLength(verdicts.length);
  });
});
