/** Longest name that is compared; anything longer is no slip of the pen. */
const MAX_COMPARED_LENGTH = 64;

/**
 * The known name that a misspelt one was probably meant to be.
 *
 * Differences of case alone always match; otherwise at most one edit (insertion, deletion, substitution or swap of
 * neighbours) in three characters is forgiven. The nearest wins, the first listed among equals.
 *
 * @returns `undefined` when nothing is near enough for a suggestion to help.
 */
export function suggestName(given: string, known: Iterable<string>): string | undefined {
  if (given.length > MAX_COMPARED_LENGTH) return undefined;
  const wanted = given.toLowerCase();
  let nearest: string | undefined;
  let least = Infinity;
  for (const name of known) {
    const limit = Math.max(1, Math.floor(Math.max(given.length, name.length) / 3));
    const distance = countEdits(wanted, name.toLowerCase());
    if (distance <= limit && distance < least) {
      nearest = name;
      least = distance;
    }
  }
  return nearest;
}

/** Optimal string alignment distance: every row is computed from the two before it. */
function countEdits(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const substitution = from[row - 1] === to[column - 1] ? 0 : 1;
      let edits = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + substitution,
      );
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (row > 1 && column > 1 && swapped) edits = Math.min(edits, at(beforeLast, column - 2) + 1);
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity;
}
