import { Connection } from '@temporalio/client';
import { sharedTemporal } from '../support/temporal';

test('the shared server answers for the test namespace', async () => {
  const { address, namespace } = sharedTemporal();
  const connection = await Connection.connect({ address });
  const described = await connection.workflowService.describeNamespace({ namespace });
  expect(described.namespaceInfo?.name).toBe(namespace);
  await connection.close();
});
