/** A release whose code fails the workflow tasks of all turns and conversations, and does its worker no harm. */
export function chatTurn(): never {
  // Anything but a failure of Temporal's own fails the task and not the workflow.
  throw new Error('this release does not fit');
}

export const conversation = chatTurn;
