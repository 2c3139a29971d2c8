import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const projectDirectory = join(__dirname, '../..');

/** A service as a user of the package would write it: turns, their streams and a rollout. */
const service = `
import {
  BudgetRefusedError,
  type ChatReply,
  connect,
  connectOperator,
  type RolloutClient,
  type RolloutStatus,
  TemporalUnreachableError,
} from 'bellwether';

export async function ask(content: string): Promise<string> {
  const client = await connect();
  try {
    const reply: ChatReply = await client.send({ sessionId: 's-1', turnId: 't-1', content, delivery: 'streamed' });
    const cost: number = reply.cost_usd;
    // @ts-expect-error The types are found: a reply has no such field.
    reply.costs;
    return \`\${reply.content} (\${cost})\`;
  } catch (error) {
    if (error instanceof BudgetRefusedError) return error.reply.content;
    throw error;
  } finally {
    await client.disconnect();
  }
}

export async function rollBack(): Promise<RolloutStatus> {
  const operator: RolloutClient = await connectOperator();
  return operator.status('to-holysheep');
}

export async function whatHappensWithoutTemporal(): Promise<string> {
  try {
    // Nothing listens on port 1, which belongs to a protocol that is no longer used.
    await connect({ temporal: { address: '127.0.0.1:1' }, encryption: null, connectTimeoutMs: 5_000 });
    return 'connected';
  } catch (error) {
    return error instanceof TemporalUnreachableError ? 'refused, as it should be' : String(error);
  }
}

void whatHappensWithoutTemporal().then((what) => console.log(what));
`;

interface PackedFile {
  readonly path: string;
}

export interface Pack {
  readonly tarball: string;
  readonly files: readonly PackedFile[];
}

/** The tarball that `npm publish` would send for the built project. */
export function pack(directory: string): Pack {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', directory];
  const output = execFileSync('npm', args, { cwd: projectDirectory, encoding: 'utf8' });
  const packed: unknown = JSON.parse(output);
  const [{ filename, files }] = (Array.isArray(packed) ? packed : Object.values(packed as object)) as [
    { filename: string; files: readonly PackedFile[] },
  ];
  return { tarball: join(directory, filename), files };
}

export const moduleKinds = ['commonjs', 'nodenext'] as const;

/** An empty project of a package user, with nothing but what the package contains. */
export class EmptyProject {
  readonly directory = mkdtempSync(join(tmpdir(), 'bellwether-package-'));

  constructor() {
    writeFileSync(join(this.directory, 'package.json'), JSON.stringify({ name: 'service', private: true }));
  }

  /** Compiles the service for this module kind. Returns the compiler's problems outside of other packages. */
  compile(kind: (typeof moduleKinds)[number]): readonly string[] {
    const folder = join(this.directory, kind);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: kind === 'nodenext' ? 'module' : 'commonjs' }));
    writeFileSync(join(folder, 'service.ts'), service);
    const compilerOptions = {
      module: kind,
      moduleResolution: kind === 'nodenext' ? 'nodenext' : 'bundler',
      target: 'es2023',
      lib: ['es2023'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      rootDir: '.',
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['service.ts'] }));
    const compiler = join(projectDirectory, 'node_modules/typescript/bin/tsc');
    let output = '';
    try {
      execFileSync(process.execPath, [compiler, '-p', folder, '--pretty', 'false'], { cwd: folder, encoding: 'utf8' });
    } catch (error) {
      output = (error as { stdout?: string }).stdout ?? String(error);
    }
    const problems = output.split('\n').filter((line) => line !== '' && !/^\s/.test(line));
    return problems.filter((line) => !/node_modules\/(?!bellwether\/)/.test(line));
  }

  run(kind: (typeof moduleKinds)[number]): string {
    const file = join(this.directory, kind, 'service.js');
    return execFileSync(process.execPath, [file], { cwd: this.directory, encoding: 'utf8' }).trim();
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
