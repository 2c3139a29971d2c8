export interface DevServerFlags {
  readonly ip: string;
  readonly port: number;
  readonly uiPort: number | 'none';
  readonly namespace: string;
  readonly dataFile: string | undefined;
  readonly searchAttributes: readonly string[];
  readonly tuning: readonly string[];
}

/** What makes the dev server fast; `npm run bench -- server` measures what each is worth. */
export const devServerTuning: readonly string[] = [
  // A commit is one append to the log instead of a rewritten file and a journal.
  '--sqlite-pragma=journal_mode=wal',
  // The queue that hands tasks to workers polls the database at 20 a second as it comes: a turn waits for that poll.
  '--dynamic-config-value=history.transferProcessorMaxPollRPS=5000',
];

/** Arguments of the `temporal` command for a development server. */
export function devServerArguments(flags: DevServerFlags): string[] {
  return [
    'server',
    'start-dev',
    `--ip=${flags.ip}`,
    `--port=${flags.port}`,
    ...(flags.uiPort === 'none' ? ['--headless'] : [`--ui-port=${flags.uiPort}`]),
    ...(flags.dataFile === undefined ? [] : [`--db-filename=${flags.dataFile}`]),
    `--namespace=${flags.namespace}`,
    ...flags.searchAttributes.map((name) => `--search-attribute=${name}=Keyword`),
    ...flags.tuning,
  ];
}
