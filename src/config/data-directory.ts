import path from 'node:path';

/** Where ledger and embedded server keep their files: `.bellwether` in the working directory unless told otherwise. */
export function readDataDirectory(variables: Readonly<Record<string, string>>, workingDirectory: string): string {
  return path.resolve(workingDirectory, variables['BELLWETHER_DATA_DIR'] ?? '.bellwether');
}
