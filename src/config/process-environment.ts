import { mergeVariables, readDotEnv, type Variables } from './environment';

/** `LOG_LEVEL=debug`, without checking anything else: for telling an error before or without usable settings. */
export function wantsDebugOutput(environment: Variables = process.env, workingDirectory = process.cwd()): boolean {
  const variables = mergeVariables(environment, readDotEnv(workingDirectory));
  return variables['LOG_LEVEL']?.toLowerCase() === 'debug';
}

/** Where programs are looked for. */
export function programSearchPath(environment: Variables = process.env): string {
  return environment['PATH'] ?? '';
}
