import { useState } from 'preact/hooks';
import type { ArmFigures, ArmsPage, PageShare } from '../../contract/page';
import { Missing, TableBox } from '../elements';
import { formatCount, formatShare, formatUsd } from '../format';
import { Intervals, RangeEnds, rangeOfShares, type SharesOfArms } from './charts';
import { languageName, plain, Text } from './text';

type Shown = { readonly share: PageShare | null } | { readonly nanoUsd: number | null };

interface Choice {
  readonly id: string;
  readonly title: string;
  readonly of: (figures: ArmFigures) => Shown;
}

/** One figure of all languages, as a table of all figures of all languages would be unreadable. */
export function ByLanguage({ arms: { languages, flags, baseline, canary } }: { readonly arms: ArmsPage }) {
  const [chosenId, setChosenId] = useState('success');
  if (languages.length === 0) return null;
  const choices = choicesOf(flags);
  const chosen = choices.find(({ id }) => id === chosenId) ?? choices[0];
  if (chosen === undefined) return null;
  const rows = languages.map(({ language, ...arms }) => {
    const [left, right] = [chosen.of(arms.baseline), chosen.of(arms.canary)];
    return { language, arms, left, right, shares: { baseline: shareIn(left), canary: shareIn(right) } };
  });
  // One scale for all, as the languages are compared with each other.
  const allShares = rows.map(({ shares }) => shares);
  const range = rangeOfShares(allShares.filter(areManyIn)) ?? rangeOfShares(allShares);
  return (
    <>
      <div class="subhead">
        <h3>By language</h3>
        <label class="selector">
          <span class="hidden">Figure by language</span>
          <select value={chosen.id} onChange={({ currentTarget }) => setChosenId(currentTarget.value)}>
            {choices.map(({ id, title }) => (
              <option key={id} value={id}>
                {title}
              </option>
            ))}
          </select>
        </label>
      </div>
      <TableBox label={`${chosen.title} by language`}>
        <table class="by-language">
          <thead>
            <tr>
              <th scope="col">Language</th>
              <th scope="col" class="number">
                <Text>{baseline.name}</Text> <small>of users</small>
              </th>
              <th scope="col" class="number">
                <Text>{canary.name}</Text> <small>of users</small>
              </th>
              <th scope="col" class="picture">
                <span class="hidden">Intervals</span>
                <RangeEnds range={range} />
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ language, arms, left, right, shares }) => (
              <tr key={language}>
                <th scope="row">{languageName(language)}</th>
                <Figure figures={arms.baseline} shown={left} />
                <Figure figures={arms.canary} shown={right} />
                <td class="picture">
                  <Intervals arms={shares} range={range} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
    </>
  );
}

function choicesOf(flags: readonly string[]): readonly Choice[] {
  return [
    { id: 'success', title: 'Success', of: ({ success }) => ({ share: success }) },
    { id: 'troubled', title: 'Users in trouble', of: ({ troubled }) => ({ share: troubled }) },
    { id: 'declined', title: 'Declined', of: ({ declined }) => ({ share: declined }) },
    ...flags.map((flag) => ({
      id: `flag ${flag}`,
      title: `Flagged ${plain(flag)}`,
      of: ({ flags: byFlag }: ArmFigures) => ({ share: byFlag[flag] ?? null }),
    })),
    { id: 'satisfaction', title: 'Satisfaction', of: ({ satisfaction }) => ({ share: satisfaction }) },
    { id: 'cost', title: 'Cost per success', of: ({ costPerSuccessNanoUsd: nanoUsd }) => ({ nanoUsd }) },
  ];
}

/** The wide intervals of a few users would leave no room for the others; they end at the picture's edge. */
const manyUsers = 30;

function areManyIn({ baseline, canary }: SharesOfArms): boolean {
  return [baseline, canary].every((share) => share !== null && share.of >= manyUsers);
}

function shareIn(shown: Shown): PageShare | null {
  return 'share' in shown ? shown.share : null;
}

function Figure({ figures, shown }: { readonly figures: ArmFigures; readonly shown: Shown }) {
  return (
    <td class="number">
      {valueOf(shown) ?? <Missing />} <small>of {formatCount(figures.users)}</small>
    </td>
  );
}

function valueOf(shown: Shown): string | null {
  if ('share' in shown) return shown.share === null ? null : formatShare(shown.share.rate);
  return shown.nanoUsd === null ? null : formatUsd(shown.nanoUsd);
}
