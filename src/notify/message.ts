import type { Notification, NotifyTarget } from '../contract/notifications';

/** Of the JSON; raised when a field changes its meaning or goes. */
const bodyVersion = 1;

/** Slack refuses longer texts (3,000 characters). A reason has some hundred. */
const maxTextLength = 2_900;

/** The body that a target is sent. The same for every attempt. */
export function bodyFor({ format, pageUrl }: NotifyTarget, notification: Notification): string {
  const link = linkTo(pageUrl, notification.rollout);
  return JSON.stringify(format === 'slack' ? asSlackMessage(notification, link) : asJson(notification, link));
}

function asJson({ id, event, rollout, title, text, facts, createdAtMs }: Notification, link: string | null): object {
  const timestamp = new Date(createdAtMs).toISOString();
  return { version: bodyVersion, id, type: event, timestamp, rollout, title, text, link, data: facts };
}

/** As plain text, so that nothing in a reason becomes a mention or a link. */
function asSlackMessage({ title, text, rollout }: Notification, link: string | null): object {
  const label = rollout === null ? 'Open the page' : `Open ${rollout}`;
  const blocks: object[] = [plainSection(title), plainSection(text)];
  if (link !== null) blocks.push({ type: 'section', text: { type: 'mrkdwn', text: `<${link}|${escaped(label)}>` } });
  // Shown where blocks are not, such as in the notification of a telephone.
  return { text: escaped(shortened(`${title}. ${text}`)), blocks };
}

function plainSection(text: string): object {
  return { type: 'section', text: { type: 'plain_text', text: shortened(text), emoji: false } };
}

function shortened(text: string): string {
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength)} …` : text;
}

/** Slack's three control characters. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Percent-encoded by URL, so it cannot end a link in Slack. */
function linkTo(pageUrl: string | null, rollout: string | null): string | null {
  if (pageUrl === null) return null;
  const url = new URL(pageUrl);
  if (rollout !== null) url.searchParams.set('rollout', rollout);
  return url.href;
}
