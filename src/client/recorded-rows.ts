import type { Client } from '@temporalio/client';
import type { Payload, SerializationContext } from '@temporalio/common';
import * as names from '../contract/names';
import type { AuditHead, RecordedRollout } from '../contract/rollout';
import { isGrpcError, isNotFound, translateError } from './errors';

/** A row of the audit trail, as recorded in the history of its rollout's workflow. */
export interface RecordedRow extends AuditHead {
  readonly rollout: string;
}

/** See `RolloutClient.recordedRows`. */
export async function readRecordedRows(
  temporal: Client,
  taskQueue: string,
  rollouts: Iterable<string>,
  withDeadline: <Answer>(call: () => Promise<Answer>) => Promise<Answer>,
): Promise<readonly RecordedRow[]> {
  const runs = new Map<string, { readonly workflowId: string; readonly runId?: string }>();
  // Temporal's list lags behind, so rollouts that are known by name are looked up by name.
  for (const name of rollouts) {
    const workflowId = names.rolloutWorkflowId(name);
    runs.set(workflowId, { workflowId });
  }
  const types = [names.canaryRolloutWorkflowType, names.rolloutByUsersWorkflowType]
    .map((type) => `'${type}'`)
    .join(', ');
  const query = `WorkflowType IN (${types}) AND TaskQueue = '${taskQueue.replaceAll("'", "''")}'`;
  try {
    await withDeadline(async () => {
      for await (const { workflowId, runId } of temporal.workflow.list({ query })) {
        runs.set(runId, { workflowId, runId });
      }
    });
    const rows: RecordedRow[] = [];
    for (const run of runs.values()) {
      const row = await withDeadline(() => newestRecordedRow(temporal, run));
      if (row !== null) rows.push({ rollout: names.rolloutOf(run.workflowId), ...row });
    }
    return rows;
  } catch (error) {
    throw isGrpcError(error) ? translateError(error, 'the histories of rollouts') : error;
  }
}

/** Null if the run recorded none, or Temporal no longer has the run. */
async function newestRecordedRow(
  temporal: Client,
  execution: { workflowId: string; runId?: string },
): Promise<AuditHead | null> {
  const { namespace } = temporal.options;
  const results = new Map<string, Payload | undefined>();
  let nextPageToken: Uint8Array | undefined;
  do {
    const request = { namespace, execution, ...(nextPageToken && { nextPageToken }) };
    const page = await temporal.workflowService.getWorkflowExecutionHistoryReverse(request).catch((error: unknown) => {
      if (isNotFound(error)) return null;
      throw error;
    });
    for (const event of page?.history?.events ?? []) {
      const completed = event.activityTaskCompletedEventAttributes;
      if (completed) results.set(String(completed.scheduledEventId), completed.result?.payloads?.[0]);
      const scheduled = event.activityTaskScheduledEventAttributes;
      const result = results.get(String(event.eventId));
      if (scheduled?.activityType?.name !== names.recordRolloutActivity || !result) continue;
      const context = {
        type: 'activity',
        namespace,
        workflowId: execution.workflowId,
        activityId: scheduled.activityId ?? '',
        isLocal: false,
      } as const;
      const recorded = await decode<RecordedRollout>(temporal, result, context);
      if (recorded.kind === 'recorded' && recorded.row) return recorded.row;
    }
    nextPageToken = page?.nextPageToken?.length ? page.nextPageToken : undefined;
  } while (nextPageToken);
  return null;
}

/** A payload as the client's own codecs and converter read it. */
export async function decode<Value>(temporal: Client, payload: Payload, context: SerializationContext): Promise<Value> {
  const { payloadCodecs, payloadConverter } = temporal.options.loadedDataConverter;
  let payloads = [payload];
  for (const codec of payloadCodecs.toReversed()) payloads = await codec.decode(payloads, context);
  return payloadConverter.fromPayload<Value>(payloads[0] ?? payload, context);
}
