import { Connection } from '@temporalio/client';
import { searchAttributeNames } from '../../src/contract/names';
import { sharedTemporal, unique } from '../support/temporal';
import { CliWorkspace } from './run-cli';

/** Four commands, and up to 10 s until the server knows a new namespace. */
jest.setTimeout(180_000);

const { address } = sharedTemporal();

let workspace: CliWorkspace;
beforeEach(() => {
  workspace = new CliWorkspace();
});
afterEach(() => workspace.remove());

describe('bellwether setup', () => {
  it('creates the namespace, registers search attributes and migrates the ledger, only once', async () => {
    const namespace = unique('setup');
    const environment = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };

    expect(await workspace.json(['setup', '--retention', '3'], environment)).toMatchObject({
      address,
      namespace,
      namespace_created: true,
      search_attributes_added: Object.values(searchAttributeNames),
      migrations_applied: expect.arrayContaining([expect.any(String)]),
    });
    expect(await retentionSeconds(namespace)).toBe(3 * 24 * 60 * 60);

    expect(await workspace.json(['setup', '--retention', '9'], environment)).toMatchObject({
      namespace_created: false,
      search_attributes_added: [],
      migrations_applied: [],
    });
    expect(await retentionSeconds(namespace)).toBe(3 * 24 * 60 * 60);

    const { stdout } = await workspace.spawn(['setup'], environment);
    expect(stdout).toContain(`namespace ${namespace}: already there`);
    const doctor = await workspace.run(['doctor', '--json'], environment);
    const { checks } = JSON.parse(doctor.stdout) as { readonly checks: readonly { name: string; status: string }[] };
    const failed = checks.filter(({ status }) => status === 'failed').map(({ name }) => name);
    // Setup starts no worker and makes no provider's key.
    expect(failed.filter((name) => name !== 'Worker' && name !== 'Providers')).toEqual([]);
  });

  it('ends with status 1 and names the address that does not answer', async () => {
    const { status, stderr } = await workspace.run(['setup'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Temporal does not answer at 127\.0\.0\.1:1 .*set TEMPORAL_ADDRESS/);
  });

  it.each(['0', '1.5', 'long'])('refuses a retention of %s days', async (days) => {
    const { status, stderr } = await workspace.run(['setup', '--retention', days]);
    expect(status).toBe(2);
    expect(stderr).toContain('from 1 to 365');
  });
});

async function retentionSeconds(namespace: string): Promise<number> {
  const connection = await Connection.connect({ address });
  try {
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    return Number(config?.workflowExecutionRetentionTtl?.seconds);
  } finally {
    await connection.close();
  }
}
