import { cacheDirectory } from '../support/cache-directory';
import { CliWorkspace } from './run-cli';

/**
 * Less than three minutes on a quiet machine: real timeouts (10 s for a silent model and for a killed worker) and a compressed
 * rollout. A slow one is waited for, so this is only where one that hangs ends.
 */
const demoTimeoutMs = 30 * 60_000;

test(
  'the demonstration shows everything it promises and ends with status 0',
  async () => {
    const workspace = new CliWorkspace();
    try {
      const { status, stdout, stderr } = await workspace.spawn(['demo'], { BELLWETHER_CACHE_DIR: cacheDirectory });
      expect({ status, stderr }).toMatchObject({ status: 0 });
      for (const shown of [
        'holysheep-fallback (gemini-2.5-flash)',
        '非常抱歉',
        'I am sorry, I cannot answer this message.',
        'unconfirmed',
        '"ready_to_promote": true',
        'Canary metrics look great! Ready to promote to 100% traffic.',
        'Promoting at 100%',
        'Held at 10%: ',
        'ore first answers of bargain are flagged wrong-language',
        'RolledBack at 0%: brittle is below 98%',
        'and every decision follows from its evidence',
        'npx bellwether up',
      ]) {
        expect(stdout).toContain(shown);
      }
      expect(stdout).toMatch(/ Held at 10%: .*\b(In zh: |ask in zh\.)/);
    } finally {
      await workspace.remove();
    }
  },
  demoTimeoutMs,
);
