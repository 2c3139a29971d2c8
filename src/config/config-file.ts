import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import { errorMessage } from '../contract/failures';
import { describeProblem, formatPath, type Problem, type ProblemPath } from '../contract/problem';
import { configFileSchema, type ConfigFile } from './schema';
import { parseWith, problemsOf } from './schema-issues';
import { SettingsError } from './settings';

const standardNames = ['bellwether.config.json', 'bellwether.config.yaml', 'bellwether.config.yml'];

export interface LoadedConfigFile {
  /** Undefined if there is none: then everything is as in `defaults.ts`. */
  readonly file: string | undefined;
  /** The valid parts; parts with problems are left out, so that the rest can be checked too. */
  readonly config: ConfigFile;
  readonly problems: readonly string[];
  /** Parts (keys of the file) that were left out. */
  readonly unusable: ReadonlySet<string>;
  /** `bellwether.config.yaml:12: arms.a.targets[1].provider: <message>`. */
  readonly describe: (problem: Problem) => string;
}

export const noConfigFile: LoadedConfigFile = {
  file: undefined,
  config: {},
  problems: [],
  unusable: new Set(),
  describe: withPath,
};

/** The configured file, or the one with a standard name in the working directory; undefined when there is none. */
export function findConfigFile(workingDirectory: string, configured: string | undefined): string | undefined {
  if (configured) {
    const file = path.resolve(workingDirectory, configured);
    if (!existsSync(file)) throw new SettingsError([`BELLWETHER_CONFIG: there is no file ${file}`]);
    return file;
  }
  const found = standardNames.map((name) => path.join(workingDirectory, name)).filter((file) => existsSync(file));
  if (found.length > 1) {
    const names = found.map((file) => path.basename(file)).join(' and ');
    throw new SettingsError([`there are ${names}: keep one, or name it in BELLWETHER_CONFIG`]);
  }
  return found[0];
}

/** Reads YAML or JSON (with or without # comments). Throws SettingsError only when the file cannot be read at all. */
export function loadConfigFile(file: string): LoadedConfigFile {
  const fileName = path.basename(file);
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new SettingsError(
      document.errors.map((error) => `${fileName}:${lines.linePos(error.pos[0]).line}: ${error.message}`),
    );
  }

  const describe = (problem: Problem): string => {
    const offset = offsetOf(document, problem.path);
    const line = offset === undefined ? '' : `:${lines.linePos(offset).line}`;
    return `${fileName}${line}: ${withPath(problem)}`;
  };

  const content = contentOf(document, fileName);
  const reservedKey = reservedKeyProblem(content);
  if (reservedKey) throw new SettingsError([describe(reservedKey)]);
  const parsed = parseWith(configFileSchema, content);
  if (parsed.success) return { file, config: parsed.data, problems: [], unusable: new Set(), describe };

  const problems = problemsOf(parsed.error.issues, 'the file');
  const unusable = new Set(problems.map(({ path: [part] }) => String(part)));
  return { file, config: parseWithout(content, unusable), problems: problems.map(describe), unusable, describe };
}

function withPath(problem: Problem): string {
  return describeProblem(problem, (place) => `${formatPath(place)}:`);
}

/** Only this conversion finds unresolved aliases, or too many aliases. */
function contentOf(document: Document, fileName: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    throw new SettingsError([`${fileName}: ${errorMessage(error)}`]);
  }
}

/** zod drops such a key silently; user ids are the only keys that are free text. */
function reservedKeyProblem(content: unknown): Problem | undefined {
  const pinnedUsers: unknown = Object(content).pinnedUsers;
  if (!Object.hasOwn(Object(pinnedUsers), '__proto__')) return undefined;
  const message = 'cannot be a user id in this file';
  return { path: ['pinnedUsers', '__proto__'], code: 'wrong-value', message };
}

function parseWithout(content: unknown, unusable: ReadonlySet<string>): ConfigFile {
  if (typeof content !== 'object' || content === null) return {};
  const rest = Object.entries(content).filter(([key]) => !unusable.has(key));
  return configFileSchema.safeParse(Object.fromEntries(rest)).data ?? {};
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new SettingsError([`${file} cannot be read: ${errorMessage(error)}`]);
  }
}

/** Where a part of the file begins; for a missing part, where the part around it begins. */
function offsetOf(document: Document, place: ProblemPath): number | undefined {
  for (let length = place.length; length > 0; length -= 1) {
    const parent = document.getIn(place.slice(0, length - 1), true) ?? document.contents;
    const key = place[length - 1];
    const pair = isMap(parent)
      ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key)
      : undefined;
    const node = pair?.key ?? document.getIn(place.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return undefined;
}
