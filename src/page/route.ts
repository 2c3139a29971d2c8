import { useEffect, useState } from 'preact/hooks';
import { pagePaths } from '../contract/page';

/** What the address asks for: a rollout, the newest one if it names none, or a session. */
export interface Route {
  readonly rollout: string | null;
  readonly session: string | null;
}

export function rolloutHref(name: string): string {
  return withQuery(pagePaths.page, { rollout: name });
}

export function sessionHref(id: string): string {
  return withQuery(pagePaths.page, { session: id });
}

/** Leaves out what is null. */
export function withQuery(path: string, query: Readonly<Record<string, string | null>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== null);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
}

/** Shows what the address asks for, without loading the page again. */
export function goTo(href: string): void {
  history.pushState(null, '', href);
  dispatchEvent(new PopStateEvent('popstate'));
}

function readRoute(): Route {
  const query = new URLSearchParams(location.search);
  return { rollout: query.get('rollout') || null, session: query.get('session') || null };
}

/** Follows the address. Plain links to the page itself are followed without loading it again. */
export function useRoute(): Route {
  const [route, setRoute] = useState(readRoute);
  useEffect(() => {
    const follow = () => setRoute(readRoute());
    addEventListener('popstate', follow);
    document.addEventListener('click', followLink);
    return () => {
      removeEventListener('popstate', follow);
      document.removeEventListener('click', followLink);
    };
  }, []);
  return route;
}

function followLink(event: MouseEvent): void {
  const isPlainClick = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!isPlainClick || event.defaultPrevented || link === null || link.target !== '') return;
  const isOurs = link.origin === location.origin && link.pathname === pagePaths.page && link.hash === '';
  if (!isOurs) return;
  event.preventDefault();
  goTo(link.pathname + link.search);
  scrollTo(0, 0);
}
