import { fallbackModel, primaryModel } from '../../support/service';
import { type GatewayService, startGatewayService, oneAttempt } from '../gateway-service';
import { type HeldModel, startHeldModel } from '../held-model';

export interface ClientService extends GatewayService {
  readonly heldModel: HeldModel;
}

const target = { provider: 'holysheep' } as const;

/** A gateway as clients find it; one attempt for each target, as what clients repeat is what is looked at. */
export async function startClientService(): Promise<ClientService> {
  const heldModel = await startHeldModel({ firstAttempt: 'regular' });
  const { arms, ...held } = heldModel.configuration;
  const setting = await startGatewayService({
    configuration: {
      ...held,
      arms: {
        ...arms,
        holysheep: {
          targets: [
            { ...target, name: 'holysheep-primary', model: primaryModel },
            { ...target, name: 'holysheep-fallback', model: fallbackModel },
          ],
        },
      },
      retry: oneAttempt,
      breaker: { failures: 1000 },
    },
  });
  return {
    ...setting,
    heldModel,
    stop: async () => {
      heldModel.close();
      await setting.stop();
    },
  };
}
