import { features, type TestedClient } from './features';

const columns = ['client', 'version', 'API', ...features, 'connect it by'];

/** The table of the documentation: a row for each client, with what is tried and seen to work. */
export function tableOf(clients: readonly TestedClient[]): string {
  const rows = clients.map((client) => {
    const cells = features.map((feature) => (client.lacks[feature] === undefined ? '✓' : '–'));
    return [`${client.name} (${client.language})`, client.version, client.api, ...cells, `\`${client.connect}\``];
  });
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`;
  return [line(columns), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** What stands for each dash. */
export function lacksOf(clients: readonly TestedClient[]): readonly string[] {
  return clients.flatMap(({ name, language, api, lacks }) =>
    Object.entries(lacks).map(([feature, why]) => `- ${name} (${language}, ${api}), ${feature}: ${why}.`),
  );
}
