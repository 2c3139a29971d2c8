import { randomUUID } from 'node:crypto';
import type { Delivery, RequestOptions } from '../contract/chat';
import type { Arm, Policy, Target } from '../contract/policy';
import { armOfOperation, operations } from '../contract/operations';
import type { TraceContext } from '../contract/trace';
import type {
  Admission,
  AdmitTurnInput,
  OpenTurnInput,
  PlannedTarget,
  PromptMeasure,
  TurnTags,
} from '../contract/turn';
import { askedThinkingTokens } from '../domain/turn/asked-thinking';
import { questionOf } from '../domain/turn/fingerprints';
import { languageOf } from '../domain/turn/language-of';
import { utf8Length } from '../domain/turn/messages';
import { withHiddenPrompt } from '../domain/turn/hidden-prompt';
import { worstCaseNanoUsd } from '../domain/turn/prices';
import { longestCallMs, rescueTimeMs } from '../domain/turn/retry-schedule';
import { armCalled, chainFor, fallbackNamed, notYetTried, route } from '../domain/turn/routing';
import type { KnownAtAdmission, Reservation, TurnPlan } from '../contract/ledger';
import { attributes, spanNames } from '../tracing/names';
import { noSpans, type Span, traceContextOf, withSpan } from '../tracing/spans';
import type { ActivityDependencies } from './dependencies';
import { inPoolOrder } from './pool-order';
import type { RecentLatency } from './target-health';
import { spanAttributes } from './turn-tags';
import { userBucket } from './user-bucket';

/**
 * A local activity that takes longer than its workflow task's heartbeat (8 s by default) saves nothing and sometimes runs
 * twice. Half of that leaves room for slow answers.
 */
const localWithinMs = 4_000;

/** Bounds what a history gets of a turn's chain, its rescue and its fallbacks. */
const maxPlannedTargets = 60;

type AdmissionDependencies = Pick<ActivityDependencies, 'ledger' | 'policy' | 'owner' | 'spans'> &
  Partial<Pick<ActivityDependencies, 'targets'>> & { readonly configuration?: string };

/** Chooses a turn's arm and targets, checks its budgets and reserves the first call, in one transaction. */
export function admitTurn(
  dependencies: AdmissionDependencies,
  recentLatency: RecentLatency,
  input: AdmitTurnInput & Pick<OpenTurnInput, 'messages'>,
): Promise<Admission> {
  const { spans = noSpans } = dependencies;
  const newSpan = { name: spanNames.admit, parent: input.trace, attributes: spanAttributes(input.turnId) };
  return withSpan(spans, newSpan, async (span) => {
    const admission = await admit(dependencies, recentLatency, input, span);
    if (admission.kind === 'refused') span.setAttribute(attributes.refusedBy, admission.scope);
    if (admission.kind === 'admitted') {
      span.setAttributes({
        ...spanAttributes(input.turnId, admission.tags),
        [attributes.canary]: admission.canary ?? false,
      });
    }
    return admission;
  });
}

async function admit(
  { ledger, policy, owner, targets, configuration }: AdmissionDependencies,
  recentLatency: RecentLatency,
  input: AdmitTurnInput & Pick<OpenTurnInput, 'messages'>,
  span: Span,
): Promise<Admission> {
  const askedAtMs = Date.now();
  const inOrder = orderFor(input, targets);
  const result = await ledger.admit({
    turnId: input.turnId,
    sessionId: input.sessionId,
    userId: input.userId,
    keyId: input.keyId,
    firstRunId: input.firstRunId ?? null,
    language: input.operation === undefined ? languageOf(questionOf(input.messages)) : null,
    plan: (known) => planTurn(policy, input, known, inOrder),
    requestId: randomUUID(),
    owner,
    caps: policy.budgets,
  });
  if (result.kind !== 'admitted') return result;

  const arm = armNamed(policy, result.arm);
  const chain = inOrder(arm);
  const rescue = result.rescueArm === null ? undefined : armCalled(policy, result.rescueArm);
  const fallbacks = (input.fallbacks ?? []).flatMap((name) => fallbackNamed(policy, name) ?? []);
  const others = otherTargets(chain, rescue, fallbacks, inOrder);
  const { delivery = 'whole' } = input;
  const deadlineAtMs = askedAtMs + policy.retry.turnDeadlineMs;
  return {
    kind: 'admitted',
    arm: arm.name,
    canary: result.canary,
    turnName: input.turnId,
    targets: [
      ...chain.map((target) => planned(target, delivery, recentLatency)),
      ...others.map(({ target, ...place }) => ({ ...planned(target, delivery, recentLatency), ...place })),
    ],
    ticket: { attempt: result.attempt, reservedNanoUsd: result.reservedNanoUsd, owner },
    maxAttemptsPerTarget: policy.retry.maxAttemptsPerTarget,
    longestAttemptMs: longestCallMs(policy.retry, [...chain, ...others.map(({ target }) => target)], delivery),
    deadlineAtMs,
    ...(others.length > 0 && { ownDeadlineAtMs: deadlineAtMs - rescueTimeMs(policy.retry) }),
    // A turn that nobody traces begins a trace here, so that its later steps have one to belong to.
    tags: {
      arm: arm.name,
      ...result.countedIn,
      ...(configuration !== undefined && { configuration }),
      ...traceField(input.trace ?? traceContextOf(span)),
    },
  };
}

function traceField(trace: TraceContext | undefined): Pick<TurnTags, 'trace'> {
  return trace === undefined ? {} : { trace };
}

/**
 * Reserves the worst case: every byte is a token, the answer uses all the completion tokens it may request, the model
 * thinks as much beyond them as it can or is asked to, and rejects all of a prediction.
 */
export function reservationFor(
  arm: string,
  target: Target,
  policy: Policy,
  call: { readonly prompt: PromptMeasure } & Pick<RequestOptions, 'maxTokens' | 'modelOptions' | 'operation'>,
): Reservation {
  return {
    arm,
    target: target.name,
    provider: target.provider,
    model: target.model,
    worstCaseNanoUsd: worstCaseNanoUsd(
      target.price,
      withHiddenPrompt(call.prompt, target, call.modelOptions),
      completionLimit(policy, call) +
        thinkingTokens(target, call.modelOptions) +
        rejectedPredictionTokens(call.modelOptions),
      target.maxImageTokens,
    ),
  };
}

function thinkingTokens(
  { maxThinkingTokens, askedThinkingTokens: unnamed }: Target,
  options: RequestOptions['modelOptions'],
): number {
  // It thinks within the limit, or its configuration says how much it thinks at most.
  if (unnamed === null) return maxThinkingTokens;
  return Math.max(maxThinkingTokens, askedThinkingTokens(options, unnamed));
}

/** What a model does not take of a prediction costs as much as an answer. */
function rejectedPredictionTokens(options: RequestOptions['modelOptions']): number {
  const prediction = options?.['prediction'] ?? null;
  return prediction === null ? 0 : utf8Length(JSON.stringify(prediction));
}

/** The requested limit or else the default, up to the hard cap; vectors and moderations have no completion tokens. */
export function completionLimit(
  policy: Policy,
  { maxTokens, operation }: Pick<RequestOptions, 'maxTokens' | 'operation'>,
): number {
  if (operation !== undefined) return 0;
  return Math.min(maxTokens ?? policy.defaults.maxTokens, policy.budgets.maxCompletionTokens);
}

function planTurn(
  policy: Policy,
  input: AdmitTurnInput,
  { previousArm, split }: KnownAtAdmission,
  inOrder: InOrder,
): TurnPlan {
  const { turnId, sessionId, userId } = input;
  // Rollouts decide about neither chains that requests name nor anything but chats.
  const fixedArm = armOfRequest(policy, input) ?? previousArm;
  const { arm, countedIn } =
    fixedArm === null
      ? route(policy, split, userId, userBucket(userId ?? sessionId ?? turnId, split?.salt))
      : { arm: fixedArm, countedIn: null };
  return { reservation: firstCallOf(armNamed(policy, arm), policy, input, inOrder), countedIn };
}

function armOfRequest({ chains }: Policy, { model, operation }: AdmitTurnInput): string | null {
  if (model === undefined) return null;
  if (operation !== undefined) return armOfOperation(operation, model);
  return Object.hasOwn(chains, model) ? model : null;
}

function firstCallOf(arm: Arm, policy: Policy, input: AdmitTurnInput, inOrder: InOrder): Reservation {
  const [first] = inOrder(arm);
  if (!first) throw new Error(`Arm ${arm.name} has no targets. Add one under arms.${arm.name}.targets.`);
  return reservationFor(arm.name, first, policy, input);
}

/** The targets of an arm or chain in the order in which a turn tries them. */
type InOrder = (arm: Arm) => readonly Target[];

/** The order is settled once for each turn, so that what is reserved is what is called. */
function orderFor(
  { model, modelOptions, operation, sessionId, turnId }: AdmitTurnInput,
  targets: AdmissionDependencies['targets'],
): InOrder {
  const cacheKey = modelOptions?.['prompt_cache_key'];
  const stickyKey = typeof cacheKey === 'string' ? cacheKey : (sessionId ?? turnId);
  const isResting = (target: Target) => targets?.rests.isResting(target) ?? false;
  const orders = new Map<Arm, readonly Target[]>();
  return (arm) => {
    const known = orders.get(arm);
    if (known) return known;
    // The model of an operation is a name that is offered, and its targets may have others.
    const chain = operation === undefined ? chainFor(arm.targets, model) : arm.targets;
    const order = inPoolOrder(chain, stickyKey, isResting);
    orders.set(arm, order);
    return order;
  };
}

/** What a turn tries when its own chain has failed: of the rescue and of each fallback in turn, what is not tried before. */
function otherTargets(own: readonly Target[], rescue: Arm | undefined, fallbacks: readonly Arm[], inOrder: InOrder) {
  const others: (Pick<PlannedTarget, 'arm' | 'isFallback'> & { readonly target: Target })[] = [];
  const add = (chain: Arm, mark: Pick<PlannedTarget, 'isFallback'>) => {
    const tried = [...own, ...others.map(({ target }) => target)];
    for (const target of notYetTried(inOrder(chain), tried)) others.push({ arm: chain.name, ...mark, target });
  };
  if (rescue) add(rescue, {});
  for (const fallback of fallbacks) add(fallback, { isFallback: true });
  return others.slice(0, Math.max(0, maxPlannedTargets - own.length));
}

/** A turn that was admitted under an older configuration may belong to an arm that no longer exists; it continues in the default arm. */
function armNamed(policy: Policy, name: string): Arm {
  const isOffered = operations.some((operation) => name.startsWith(armOfOperation(operation, '')));
  const arm = armCalled(policy, name) ?? (isOffered ? undefined : policy.arms[policy.defaultArm]);
  if (isOffered && !arm) {
    throw new Error(`This worker does not offer ${name}. Run all workers and gateways with the same configuration.`);
  }
  if (!arm) throw new Error(`There is no arm named ${name}. Name an existing one under defaultArm.`);
  return arm;
}

function planned(target: Target, delivery: Delivery, recentLatency: RecentLatency): PlannedTarget {
  const { name, provider, model } = target;
  const usualMs = recentLatency.p95(name, delivery) ?? target.usualLatencyMs;
  const firstAttempt =
    target.firstAttempt === 'auto' ? (usualMs <= localWithinMs ? 'local' : 'regular') : target.firstAttempt;
  return { name, provider, model, firstAttempt };
}
