import { type Browser, chromium } from 'playwright-core';
import { findOnPath } from '../../src/temporal-server/programs';
import type { Reporter } from '../../src/terminal/reporter';
import { bringDebianProgram } from './debian-program';

/** Set by global-setup: the program, or why there is none. */
export const chromiumEnvironment = {
  program: 'BELLWETHER_TEST_CHROMIUM',
  missing: 'BELLWETHER_TEST_CHROMIUM_MISSING',
} as const;

/**
 * Returns Chromium's program: the one on PATH, or else Debian's.
 * @throws Error if there is none and none can be installed, which requires root and apt-get
 */
export function bringChromium(report: Reporter): Promise<string> {
  const find = () => findOnPath('chromium', process.env['PATH'] ?? '');
  return bringDebianProgram({ title: 'Chromium', packageName: 'chromium', find }, report);
}

/** Like `describe`, if there is a browser; otherwise skipped with the reason, but in CI it fails. */
export function describeWithChromium(title: string, suite: () => void): void {
  const reason = process.env[chromiumEnvironment.missing];
  if (reason === undefined) {
    describe(`${title} (Chromium)`, suite);
  } else if (process.env.CI === 'true') {
    describe(`${title} (Chromium)`, () => {
      test('CI has a browser to test with', () => expect(reason).toBeUndefined());
    });
  } else {
    describe.skip(`${title} (Chromium, skipped: ${reason})`, suite);
  }
}

/** A browser that resolves every name to this machine, as if an attacker's DNS answered 127.0.0.1. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env[chromiumEnvironment.program],
    // Root, who runs the tests in containers, cannot use the sandbox.
    chromiumSandbox: false,
    args: [
      '--host-resolver-rules=MAP * 127.0.0.1',
      // Chromium asks before a foreign page reaches loopback. Other browsers do not, so we must not rely on it.
      '--disable-features=LocalNetworkAccessChecks',
    ],
  });
}
