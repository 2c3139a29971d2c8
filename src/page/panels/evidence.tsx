import { useState } from 'preact/hooks';
import type { EvidencePage, MeasurePage } from '../../contract/page';
import { Card } from '../elements';
import { formatCount } from '../format';
import { MeasureRow } from './measure';
import { languageName, plain, Text } from './text';

const allUsers = '';

/** What the rollout is decided on: how much is needed, how much there is, and how it came about. */
export function EvidencePanel({ evidence }: { readonly evidence: EvidencePage }) {
  const [chosen, setChosen] = useState(allUsers);
  // A language that no longer counts by itself is no longer listed.
  const language = evidence.languages.find((one) => one.language === chosen) ?? null;
  const measures = (language ?? evidence).measures.toSorted((one, other) => urgencyOf(one) - urgencyOf(other));
  const marks = evidence.marks.map(({ atMs, action, actor, reason }) => ({
    atMs,
    title: plain(`${action} by ${actor}`),
    detail: plain(reason),
  }));
  return (
    <Card
      id="evidence"
      title="Evidence"
      aside={<LanguageSelector evidence={evidence} chosen={language?.language ?? allUsers} choose={setChosen} />}
    >
      <p class="to-go">{toGoOf(evidence)}</p>
      <Sentences title="Still missing for the next step" sentences={evidence.missing} icon="◌" look="missing-facts" />
      <Sentences title="What the evidence shows" sentences={evidence.findings} icon="▲" look="findings" />
      {measures.length === 0 ? (
        <p class="empty">Measures appear here after the first analysis that sees requests of both arms.</p>
      ) : (
        <ul class="measures">
          {measures.map((measure) => (
            <MeasureRow key={`${language?.language} ${measure.id} ${measure.label}`} measure={measure} marks={marks} />
          ))}
        </ul>
      )}
    </Card>
  );
}

/** What it takes to advance first, then what went off; the rest in the order of the rule. */
function urgencyOf({ isWanted, isReached }: MeasurePage): number {
  if (isWanted) return 0;
  return isReached ? 1 : 2;
}

function toGoOf({ toGo, unit, measures, languages }: EvidencePage): string {
  const all = [...measures, ...languages.flatMap((one) => one.measures)];
  const isAlarmed = all.some(({ isReached, isWanted, mode }) => isReached && !isWanted && mode === 'act');
  if (toGo === 0)
    return isAlarmed ? 'Enough evidence to advance, but a guard has gone off.' : 'Enough evidence to advance.';
  return toGo === 1
    ? `About 1 more ${unit.slice(0, -1)} without a failure is needed.`
    : `About ${formatCount(toGo)} more ${unit} without a failure are needed.`;
}

interface SelectorProps {
  readonly evidence: EvidencePage;
  readonly chosen: string;
  readonly choose: (language: string) => void;
}

/** Languages with a raised guard say so in the list: a problem of one language does not show in the figures of all. */
function LanguageSelector({ evidence: { languages, unit }, chosen, choose }: SelectorProps) {
  if (languages.length === 0) return null;
  return (
    <label class="selector">
      <span class="hidden">Measures of</span>
      <select value={chosen} onChange={({ currentTarget }) => choose(currentTarget.value)}>
        <option value={allUsers}>All {unit}</option>
        {languages.map(({ language, measures }) => (
          <option key={language} value={language}>
            {languageName(language)}
            {measures.some(({ isReached, isWanted }) => isReached && !isWanted) ? ' ▲ alarm' : ''}
          </option>
        ))}
      </select>
    </label>
  );
}

interface SentencesProps {
  readonly title: string;
  readonly sentences: readonly string[];
  readonly icon: string;
  readonly look: string;
}

function Sentences({ title, sentences, icon, look }: SentencesProps) {
  if (sentences.length === 0) return null;
  return (
    <div class={`sentences ${look}`}>
      <h3>{title}</h3>
      <ul>
        {sentences.map((sentence) => (
          <li key={sentence}>
            <span class="sentence-icon" aria-hidden="true">
              {icon}
            </span>
            <Text>{sentence}</Text>
          </li>
        ))}
      </ul>
    </div>
  );
}
