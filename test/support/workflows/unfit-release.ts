/** A release whose code fails the workflow tasks of all turns and conversations, without harming its worker. */
export function chatTurn(): never {
  // Any error other than a Temporal failure fails the task, not the workflow.
  throw new Error('this release does not fit');
}

export const conversation = chatTurn;
