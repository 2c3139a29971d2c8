import type { ComponentChildren } from 'preact';
import type { PagePhase } from '../contract/page';
import { useNow } from './clock';
import { formatDistance, formatLocalTime, formatUtcTime, missing } from './format';

/** The small pieces that all parts of the page are made of. */

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'quiet';

/** A section with a heading. `aside` stands at the right of the heading. */
export function Card(props: {
  readonly id: string;
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  const headingId = `${props.id}-title`;
  return (
    <section class="card" id={props.id} aria-labelledby={headingId}>
      <header class="card-head">
        <h2 id={headingId}>{props.title}</h2>
        {props.aside !== undefined && <div class="card-aside">{props.aside}</div>}
      </header>
      {props.children}
    </section>
  );
}

/** A state: an icon, a word and a colour, so that the colour alone never tells it. */
export function Chip(props: { readonly tone: Tone; readonly icon: string; readonly children: ComponentChildren }) {
  return (
    <span class={`chip chip-${props.tone}`}>
      <span class="chip-icon" aria-hidden="true">
        {props.icon}
      </span>
      {props.children}
    </span>
  );
}

/** The icons are the command line's. */
export const phases: Readonly<
  Record<PagePhase, { readonly icon: string; readonly word: string; readonly tone: Tone }>
> = {
  Progressing: { icon: '◌', word: 'Progressing', tone: 'info' },
  Paused: { icon: '‖', word: 'Paused', tone: 'warn' },
  Held: { icon: '▲', word: 'Held', tone: 'warn' },
  Promoting: { icon: '◉', word: 'Promoting', tone: 'info' },
  Succeeded: { icon: '✔', word: 'Succeeded', tone: 'good' },
  RolledBack: { icon: '✖', word: 'Rolled back', tone: 'bad' },
  TakenOver: { icon: '⇥', word: 'Taken over', tone: 'quiet' },
};

export function PhaseChip({ phase }: { readonly phase: PagePhase }) {
  const { icon, word, tone } = phases[phase];
  return (
    <Chip tone={tone} icon={icon}>
      {word}
    </Chip>
  );
}

/** A sentence in which `backticks` mark what is typed in a terminal. */
export function Sentence({ text }: { readonly text: string }) {
  return <>{text.split('`').map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</>;
}

/** A value that nobody knows. */
export function Missing() {
  return (
    <span class="missing">
      <span aria-hidden="true">{missing}</span>
      <span class="hidden">not known</span>
    </span>
  );
}

/** A time in the viewer's time zone; pointing at it tells UTC. */
export function Time({ atMs }: { readonly atMs: number }) {
  return (
    <time dateTime={new Date(atMs).toISOString()} title={formatUtcTime(atMs)}>
      {formatLocalTime(atMs)}
    </time>
  );
}

/** `in 4 min 10 s`, counting; pointing at it tells the time. */
export function Distance({ atMs }: { readonly atMs: number }) {
  const nowMs = useNow();
  return (
    <time dateTime={new Date(atMs).toISOString()} title={`${formatLocalTime(atMs)} · ${formatUtcTime(atMs)}`}>
      {formatDistance(atMs, nowMs)}
    </time>
  );
}

/** A wide table scrolls in a box of its own, which the keyboard reaches, too. */
export function TableBox({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <div class="table-box" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
