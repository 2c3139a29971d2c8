interface Listener {
  readonly ip: string;
  readonly port: number;
}

export interface DevServerFlags {
  readonly ip: string;
  readonly port: number;
  readonly ui: Listener | undefined;
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

/**
 * The server opens an HTTP API at a port of its own choice. It cannot be kept from listening there, and it answers a web
 * page as it answers anybody. We speak gRPC, which no page can.
 */
const closedHttpApi: readonly string[] = [
  // No `Host` may hold a slash, so every request is refused.
  '--dynamic-config-value=frontend.httpAllowedHosts=["/"]',
  // Nexus has routes at the same port that this list does not cover. Nothing here serves it.
  '--dynamic-config-value=system.enableNexus=false',
];

/** Arguments of the `temporal` command for a development server. */
export function devServerArguments(flags: DevServerFlags): string[] {
  return [
    'server',
    'start-dev',
    `--ip=${flags.ip}`,
    `--port=${flags.port}`,
    ...(flags.ui === undefined ? ['--headless'] : [`--ui-ip=${flags.ui.ip}`, `--ui-port=${flags.ui.port}`]),
    ...(flags.dataFile === undefined ? [] : [`--db-filename=${flags.dataFile}`]),
    `--namespace=${flags.namespace}`,
    ...flags.searchAttributes.map((name) => `--search-attribute=${name}=Keyword`),
    ...closedHttpApi,
    ...flags.tuning,
  ];
}
