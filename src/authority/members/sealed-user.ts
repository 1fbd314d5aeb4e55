/** Bytes of JSON that the chosen fields may take together: a cookie holds 4,096 bytes, and most of it is the tokens. */
export const MAX_SEALED_BYTES = 1024;

/** What every session cookie says of its user. */
interface NamedUser {
  readonly id: string;
  readonly emailAddress: string;
  readonly [field: string]: unknown;
}

/** The fields that go into the session cookie, and the names of those that do not fit. */
export interface SealedFields<User> {
  readonly user: User;
  readonly leftOut: readonly string[];
}

/** Picks the fields of a user for the session cookie: the id, the address and, in this order, the named ones that fit. */
export function sealFields<User extends NamedUser>(user: User, names: readonly string[]): SealedFields<User> {
  const fields = new Map<string, unknown>([
    ["id", user.id],
    ["emailAddress", user.emailAddress],
  ]);
  const leftOut: string[] = [];
  let bytes = 0;
  for (const name of names) {
    const value = user[name];
    if (value === undefined || fields.has(name)) continue;
    const size = Buffer.byteLength(JSON.stringify([name, value]));
    if (bytes + size > MAX_SEALED_BYTES) {
      leftOut.push(name);
    } else {
      bytes += size;
      fields.set(name, value);
    }
  }
  // What is left out is optional.
  return { user: Object.fromEntries(fields) as User, leftOut };
}
