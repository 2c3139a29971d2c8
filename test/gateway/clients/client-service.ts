import { fallbackModel, primaryModel } from '../../support/service';
import { type GatewayService, startGatewayService, oneAttempt } from '../gateway-service';

// Regular activities, so that a session's queue is seen by Temporal while its first turn runs.
const target = { provider: 'holysheep', firstAttempt: 'regular' } as const;

/** A gateway as clients find it; one attempt for each target, as what clients repeat is what is looked at. */
export function startClientService(): Promise<GatewayService> {
  return startGatewayService({
    configuration: {
      arms: {
        holysheep: {
          targets: [
            { ...target, name: 'holysheep-primary', model: primaryModel },
            { ...target, name: 'holysheep-fallback', model: fallbackModel },
          ],
        },
      },
      retry: oneAttempt,
      breaker: { failures: 1000 },
      gateway: { requestsPerMinute: 100_000 },
    },
  });
}
