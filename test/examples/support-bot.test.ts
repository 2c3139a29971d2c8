import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startService } from '../support/service';

const program = join(__dirname, '../../examples/support-bot.mjs');

test('the example prints two answers, one repeated turn and a closed session', async () => {
  const service = await startService();
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [program], {
      cwd: service.directory,
      env: { PATH: process.env['PATH'], ...service.environment },
    });
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[0]).toContain('#ORD-789456');
    expect(lines[1]).toMatch(/\p{Script=Han}/u);
    expect(lines[2]).toBe('same answer again: true');
    expect(lines[3]).toMatch(/^2 turns, \d+ tokens, \$0\.\d{6}$/);
    expect(lines[4]).toBe('closed');
    expect(await service.simulator.calls()).toHaveLength(2);
  } finally {
    await service.stop();
  }
});
