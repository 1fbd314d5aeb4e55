import type { CollectionName, Repository } from "../../../src/authority/repository.ts";

/** What becomes of a write that changes or deletes a document. */
export type Fate =
  /** It is carried out, and the reply is lost. */
  | "reply lost"
  /** The same, and the next read fails. */
  | "reply and next read lost"
  /** It fails, and is not carried out. */
  | "not carried out"
  /** It fails, and is carried out when the test says so. */
  | "late";

/** A repository with unreliable replies. */
export interface UnsteadyRepository {
  readonly repository: Repository;
  /** The fates of the next writes, in their order; those after them succeed. */
  readonly fates: Fate[];
  /** Every call by method and collection, in their order. */
  readonly calls: string[];
  carryOutLateWrites(): Promise<unknown>;
}

/** Makes the replies to the writes that change or delete documents of one collection unreliable. */
export function unsteadyRepository(real: Repository, unsteady: CollectionName): UnsteadyRepository {
  const fates: Fate[] = [];
  const calls: string[] = [];
  const late: (() => Promise<unknown>)[] = [];
  let failingReads = 0;
  const write = async <Answer>(collection: CollectionName, call: () => Promise<Answer>): Promise<Answer> => {
    const fate = collection === unsteady ? fates.shift() : undefined;
    if (fate === undefined) return call();
    if (fate === "late") late.push(call);
    if (fate === "reply lost" || fate === "reply and next read lost") await call();
    if (fate === "reply and next read lost") failingReads += 1;
    throw new Error("connection reset");
  };
  return {
    fates,
    calls,
    repository: {
      ...real,
      async read(collection, id) {
        calls.push(`read ${collection}`);
        if (collection === unsteady && failingReads > 0) {
          failingReads -= 1;
          throw new Error("connection refused");
        }
        return real.read(collection, id);
      },
      async insert(collection, ...change) {
        calls.push(`insert ${collection}`);
        return real.insert(collection, ...change);
      },
      compareAndSet(collection, ...change) {
        calls.push(`compareAndSet ${collection}`);
        return write(collection, () => real.compareAndSet(collection, ...change));
      },
      consume(collection, id) {
        calls.push(`consume ${collection}`);
        return write(collection, () => real.consume(collection, id));
      },
    },
    carryOutLateWrites: () => Promise.all(late.splice(0).map((call) => call())),
  };
}
