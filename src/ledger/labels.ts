import { type AnswerFlag, answerFlags } from '../contract/user-evidence';

/** Flags as they are stored: in the order of their list, each once, so that equal flags are equal texts. */
export function flagColumn(flags: readonly AnswerFlag[]): string {
  return answerFlags.filter((flag) => flags.includes(flag)).join(',');
}

export function flagsIn(column: string): readonly AnswerFlag[] {
  const labels = column.split(',');
  return answerFlags.filter((flag) => labels.includes(flag));
}
