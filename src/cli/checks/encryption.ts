import type { Settings } from '../../config/settings';
import type { Check } from './check';

/** The keys were checked when the settings were read; here it is said what they are used for. */
export function encryptionCheck({ encryption }: Settings): Check {
  return {
    name: 'Encryption',
    advice: 'See BELLWETHER_ENCRYPTION_KEYS in .env.example.',
    run() {
      if (encryption === undefined) {
        return {
          status: 'skipped',
          detail: 'off: Temporal stores messages as they are',
          advice: 'BELLWETHER_ENCRYPTION_KEYS=my-key:$(openssl rand -base64 32) encrypts them.',
        };
      }
      const older = encryption.keys.size - 1;
      return { status: 'ok', detail: `on, with key ${encryption.activeKeyId}; ${older} more can decrypt` };
    },
  };
}
