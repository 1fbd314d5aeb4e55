/** What each `--break` changes in the sources: the safeguard that the fault tests must miss. */
export const BREAKS = {
  // A token is read, and not spent in the same step.
  cas: [
    {
      find: "return spendRecord(this.#context, this.#placeOf(token), found, by);",
      replace: 'return Promise.resolve(found.value.spentBy === undefined && by !== "");',
    },
  ],
  // A refresh token that was rotated counts as stolen at once.
  grace: [
    {
      find: "return successorPresentedAt !== undefined && now >= rotatedAt + grace;",
      replace: "return true;",
    },
  ],
  // Every process gets the lease.
  lease: [
    {
      find: 'return lease === undefined ? "taken" : this.#hold(key, lease);',
      replace: "return this.#hold(key, lease ?? { release: () => Promise.resolve() });",
    },
  ],
  // Nobody is told.
  broadcast: [
    {
      find: "const sent = await this.#call((coordinator) => coordinator.publish(message));",
      replace: "const sent: unknown = message.target;",
    },
  ],
};

/** The fault tests that each of them must fail. */
export const TESTS_OF_BREAKS = {
  cas: ["pending"],
  grace: ["crash"],
  lease: ["storm"],
  broadcast: ["revocation"],
};

/** A release whose session records have a field more. */
export const NEWER_RELEASE = [
  {
    find: 'return this.#repository.compareAndSet("sessions", record.id, version, record, writeOptionsOf(record));',
    replace: `const newer = { ...record, addedByNewerRelease: { since: "0.2.0" } };
    return this.#repository.compareAndSet("sessions", record.id, version, newer, writeOptionsOf(record));`,
  },
];
