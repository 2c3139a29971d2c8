import { run } from './processes';
import type { Stage } from './stage';
import { chat, inWorker, inWorkerOrThrow } from './turns';

/** Runs `doctor` and returns its line about the configuration. Throws if any check fails. */
export async function askDoctor(stage: Stage, image: string): Promise<string> {
  const { checks } = JSON.parse(await inWorkerOrThrow(stage, image, 'doctor', '--json')) as {
    checks: readonly { name: string; detail: string }[];
  };
  return checks.find(({ name }) => name === 'Configuration')?.detail ?? '';
}

/** A turn before a rollout, one after it has moved everyone and one after a rollback. Returns what answered each. */
export async function proveMigration(stage: Stage, image: string): Promise<readonly string[]> {
  const turns: string[] = [];
  const turnAnsweredBy = async (target: string): Promise<void> => {
    const answer = await chat(stage, image, `migration-${turns.length}`, 'Where is order 789456?');
    if (!answer.startsWith(`${target},`)) throw new Error(`${target} should have answered, but it was ${answer}`);
    turns.push(answer);
  };
  await turnAnsweredBy('legacy-primary');
  await inWorkerOrThrow(stage, image, 'rollout', 'start', '--from', 'legacy', '--to', 'holysheep');
  await inWorkerOrThrow(stage, image, 'rollout', 'promote', '--full', '--force', '--reason', 'proof');
  await turnAnsweredBy('holysheep-primary');
  await inWorkerOrThrow(stage, image, 'rollout', 'rollback', '--reason', 'proof');
  await turnAnsweredBy('legacy-primary');
  await inWorkerOrThrow(stage, image, 'rollout', 'verify');
  return turns;
}

/** Tries to change the audit trail with the passwords of workers and gateways. */
export async function proveTrailIsSafe(stage: Stage): Promise<void> {
  for (const service of ['worker', 'gateway']) {
    const { DATABASE_URL: databaseUrl = '' } = stage.service(service).environment;
    const query = (statement: string) => run(['psql', '--no-psqlrc', '--tuples-only', databaseUrl, '-c', statement]);
    const rows = await query('SELECT count(*) FROM rollout_audit');
    if (rows.status !== 0 || Number(rows.output) < 1)
      throw new Error(`${service} cannot read the trail: ${rows.output}`);
    for (const statement of [
      "UPDATE rollout_audit SET reason = 'another'",
      'DELETE FROM rollout_audit',
      'TRUNCATE rollout_audit',
      'DROP TABLE rollout_audit',
      'DROP TABLE attempts',
      'CREATE TABLE other (id integer)',
    ]) {
      const { output } = await query(statement);
      if (!/permission denied|must be owner/.test(output)) throw new Error(`${service}: ${statement}: ${output}`);
    }
  }
}

/** Throws unless a turn is refused by a budget. */
export async function proveRefusedByBudget(stage: Stage, image: string): Promise<void> {
  const { status, output } = await inWorker(stage, image, 'chat', '--json', 'One more question.');
  if (status !== 4) throw new Error(`A turn over the day's budget was not refused (status ${status}): ${output}`);
}
