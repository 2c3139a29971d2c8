import { shellQuoted } from '../shell-quoted';
import { mergeVariables, readDotEnv, valueOf, type Variables } from './environment';

/** `LOG_LEVEL=debug`, without checking anything else: for telling an error, also of settings that cannot be read. */
export function wantsDebugOutput(environment: Variables = process.env, workingDirectory = process.cwd()): boolean {
  let dotEnv: Variables;
  try {
    dotEnv = readDotEnv(workingDirectory);
  } catch {
    // That is the error which is about to be told.
    dotEnv = {};
  }
  return mergeVariables(environment, dotEnv)['LOG_LEVEL']?.toLowerCase() === 'debug';
}

/** What a command in another terminal here needs in front of it to find the same files; '' when it finds them anyway. */
export function dataDirectoryPrefix(dataDirectory: string, environment: Variables = process.env): string {
  if (valueOf(environment, 'BELLWETHER_DATA_DIR') === undefined) return '';
  return `BELLWETHER_DATA_DIR=${shellQuoted(dataDirectory)} `;
}

/** Where programs are looked for. */
export function programSearchPath(environment: Variables = process.env): string {
  return environment['PATH'] ?? '';
}
