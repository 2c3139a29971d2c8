import { join } from 'node:path';
import { describeWithSmallDisk, mountSmallDisk } from '../support/small-disk';
import { prepareService, type Service } from '../support/service';
import { CliWorkspace } from './run-cli';

/** Processes that could never do their work: each ends by itself, where it would otherwise wait, or take turns, for ever. */

let service: Service;
let workspace: CliWorkspace;
beforeAll(async () => {
  service = await prepareService();
  workspace = new CliWorkspace();
});
afterAll(async () => {
  await service.stop();
  await workspace.remove();
});

describe.each([
  ['worker', []],
  ['gateway', ['--port', '0']],
])('bellwether %s', (command, flags) => {
  const run = (environment: Readonly<Record<string, string>>) =>
    workspace.spawn([command, ...flags], { ...service.environment, ...environment });

  test('ends without its namespace, and says how to make it', async () => {
    const { status, stdout, stderr } = await run({ TEMPORAL_NAMESPACE: 'nowhere' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/namespace "nowhere".*bellwether setup/);
  });

  describeWithSmallDisk('on a disk of its own', () => {
    test('ends if its data directory can only be read', async () => {
      const disk = mountSmallDisk();
      try {
        disk.setReadOnly();
        const { status, stderr } = await run({ BELLWETHER_DATA_DIR: join(disk.directory, 'data') });
        expect(status).toBe(2);
        expect(stderr).toContain('BELLWETHER_DATA_DIR');
      } finally {
        disk.remove();
      }
    });
  });
});

describe('bellwether worker', () => {
  test('ends if no provider has a key, and says which to set', async () => {
    const { status, stderr } = await workspace.spawn(['worker'], {
      ...service.environment,
      HOLYSHEEP_API_KEY: '',
      HOLYSHEEP_BASE_URL: 'https://api.holysheep.ai/v1',
    });
    expect(status).toBe(2);
    expect(stderr).toContain('HOLYSHEEP_API_KEY');
  });

  describeWithSmallDisk('on a disk of its own', () => {
    test('ends if the disk is full', async () => {
      const disk = mountSmallDisk();
      try {
        // Room for an empty ledger, but not for turns.
        disk.fill(2);
        const { status, stderr } = await workspace.spawn(['worker'], {
          ...service.environment,
          BELLWETHER_DATA_DIR: join(disk.directory, 'data'),
        });
        expect(status).toBe(1);
        expect(stderr).toContain('The disk is full: free some space.');
      } finally {
        disk.remove();
      }
    });
  });
});
