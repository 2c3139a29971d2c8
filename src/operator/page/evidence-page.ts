import type { EvidencePage, MeasurePage } from '../../contract/page';
import type { RolloutSpec } from '../../contract/rollout';
import { findingsIn } from '../explanation';
import { type Measured, measuresOf } from '../measures';
import type { RolloutView } from '../view';
import { evidenceToGo } from './next-sentence';
import type { RolloutTrail } from './rollout-trail';

/** Null once the rollout has ended, or another one routes turns. */
export function evidenceOf(view: RolloutView, trail: RolloutTrail): EvidencePage | null {
  const { spec, state, evidence, outlook, atMs } = view;
  if (evidence === null) return null;
  const measured = measuresOf(spec, state.percent, evidence);
  const paged = (language: string | null): readonly MeasurePage[] =>
    measured.filter((one) => one.language === language).map((one) => measurePage(spec, one, trail.courseOf(one)));
  const languages = [...new Set(measured.flatMap(({ language }) => language ?? []))];
  return {
    ...evidenceToGo(view),
    missing: outlook?.missing ?? [],
    findings: findingsIn(spec, state, evidence, atMs),
    measures: paged(null),
    languages: languages.map((language) => ({ language, measures: paged(language) })),
    marks: trail.marks,
  };
}

function measurePage(
  { gates }: RolloutSpec,
  { id, guard, measure, meaning, unit, value, needed, reached }: Measured,
  course: MeasurePage['course'],
): MeasurePage {
  return {
    id,
    label: measure,
    meaning,
    unit,
    value,
    needed,
    isReached: reached,
    isWanted: id === 'advance',
    mode: (guard === null ? undefined : gates.guards?.[guard]) ?? 'act',
    course,
  };
}
