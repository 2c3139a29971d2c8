import type { ConversationOutline, OutlinedTurn } from '../../contract/chat';
import { limits } from '../../contract/limits';
import { isCall } from './fingerprints';

/** The point up to which a request's history matches what its conversation remembers. */
export interface Place {
  /** The turn that the request follows; null: the messages that the conversation was opened with. */
  readonly after: string | null;
  /** How many of the request's messages are remembered up to there; the later ones were edited, or were never sent here. */
  readonly known: number;
}

/** The messages from a conversation's beginning to the end of a turn. */
interface Path {
  readonly after: string | null;
  /** Its last messages, as many as are compared. */
  readonly tail: readonly string[];
  readonly length: number;
  /** Whether it begins with a client's messages that are only the end of a longer history. */
  readonly isCut: boolean;
}

/**
 * The place of a history in a conversation: the turn up to which both have the same messages. Either may begin later than
 * the other if a model would not see the difference, because the conversation forgets its oldest turns, and clients leave
 * out what no longer fits a model. If a model would see it, the user has deleted the beginning. null: they have nothing
 * in common. The work is bounded, whatever a client sends: by the numbers of turns that are remembered, of messages that
 * a model sees, and of messages that are compared for each of them.
 * @param claimed the fingerprints of the history
 * @param addedCount how many messages the request adds
 */
export function findPlace(claimed: readonly string[], outline: ConversationOutline, addedCount: number): Place | null {
  const paths = pathsOf(outline);
  if (claimed.length === 0) return outline.opening.length === 0 ? { after: null, known: 0 } : null;
  // With more messages after the match, a model would see nothing of what is remembered.
  const fewest = Math.max(1, claimed.length - limits.maxWindowMessages);
  for (let known = claimed.length; known >= fewest; known -= 1) {
    const laterCount = claimed.length - known + addedCount;
    const ending = paths.filter((path) => endsWith(path, claimed, known, laterCount));
    // Clients go back to the first occurrence of a text more often than they shorten their history.
    const found = ending.find((path) => path.length === known) ?? ending[0];
    if (found !== undefined) return { after: found.after, known };
  }
  return null;
}

/** Latest first. */
function pathsOf({ opening, turns }: ConversationOutline): readonly Path[] {
  const begun: Path = { after: null, tail: [], length: 0, isCut: false };
  const isOpeningCut = turns.some(({ behind, isCut }) => behind === 'opening' && isCut);
  const opened = extended({ ...begun, isCut: isOpeningCut }, null, opening);
  const byTurn = new Map<string, Path>();
  for (const turn of turns) {
    const before = (turn.after === null ? undefined : byTurn.get(turn.after)) ?? beginning(turn);
    byTurn.set(turn.turnId, extended(before, turn.turnId, turn.messages));
  }
  return [opened, ...byTurn.values()].toReversed();

  function beginning({ behind, isCut = false }: OutlinedTurn): Path {
    return behind === 'opening' ? opened : { ...begun, isCut };
  }
}

function extended(path: Path, after: string | null, messages: readonly string[]): Path {
  const [first] = messages;
  const isRepeated = first !== undefined && isCall(first) && path.tail.at(-1) === first;
  const added = isRepeated ? messages.slice(1) : messages;
  const tail = [...path.tail, ...added].slice(-limits.maxComparedMessages);
  return { ...path, after, tail, length: path.length + added.length };
}

/** Whether the path and the first `known` messages end alike, as far back as a model sees with `laterCount` messages after them. */
function endsWith(
  { tail, length, isCut }: Path,
  claimed: readonly string[],
  known: number,
  laterCount: number,
): boolean {
  const common = Math.min(known, tail.length);
  if (common === 0) return false;
  for (let back = 1; back <= common; back += 1) {
    if (tail[tail.length - back] !== claimed[known - back]) return false;
  }
  if (known === length) return true;
  const fillsWindow = Math.min(known, length) + laterCount >= limits.maxWindowMessages;
  // A model would not see what is missing from a cut history either.
  return fillsWindow || (isCut && known > length);
}
