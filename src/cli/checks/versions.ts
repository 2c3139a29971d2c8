import { readPackageInfo } from '../../package-info';
import type { Check } from './check';

export function versionCheck(): Check {
  const { version, engines } = readPackageInfo();
  return {
    name: 'Versions',
    advice: 'Install again: npm ci',
    run() {
      const node = process.versions.node;
      const needed = engines.node.replace(/^>=/, '');
      const detail = `Bellwether ${version}, Temporal SDK ${sdkVersion()}, Node ${node}`;
      const isNewEnough = node.localeCompare(needed, 'en', { numeric: true }) >= 0;
      if (isNewEnough) return { status: 'ok', detail };
      return { status: 'failed', detail, advice: `Install Node ${needed} or newer; the current LTS will do.` };
    },
  };
}

function sdkVersion(): string {
  // oxlint-disable-next-line typescript/no-require-imports -- read at run time, so that it is the version in use
  return (require('@temporalio/client/package.json') as { version: string }).version;
}
