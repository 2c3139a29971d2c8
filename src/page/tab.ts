import type { RolloutPage } from '../contract/page';
import { phases, type Tone } from './elements';
import { formatPercent } from './format';

/** Readable on a light and on a dark tab. */
const colours: Readonly<Record<Tone, string>> = {
  good: '#1f9254',
  warn: '#c98a00',
  bad: '#d33a3a',
  info: '#3b7ddd',
  quiet: '#77828e',
};

/** The browser's tab tells how it stands, by its title and its icon. */
export function showInTab(rollout: RolloutPage | null): void {
  if (rollout === null) {
    document.title = 'Bellwether';
    return;
  }
  const { phase, setPercent } = rollout.now;
  const { icon, word, tone } = phases[phase];
  document.title = `${icon} ${word} ${formatPercent(setPercent)} · ${rollout.name} – Bellwether`;
  showIcon(colours[tone]);
}

function showIcon(colour: string): void {
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${colour}"/></svg>`;
  const href = `data:image/svg+xml,${encodeURIComponent(drawing)}`;
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]') ?? document.createElement('link');
  if (link.href === href) return;
  link.rel = 'icon';
  link.href = href;
  document.head.append(link);
}
