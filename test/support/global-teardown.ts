import { endings } from './shared-resources';

// oxlint-disable-next-line import/no-default-export -- Jest asks for it
export default async function globalTeardown(): Promise<void> {
  await Promise.all(endings.map((end) => end()));
}
