import type { OrgateEvent } from "../events.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import {
  type Check,
  PRINTABLE,
  functionLike,
  listWith,
  matching,
  must,
  optional,
  readOptions,
  required,
  schema,
  seconds,
  trueOrFalse,
  withMethods,
} from "../lib/options.ts";
import { GENERATE_PASSWORD, passwords } from "../lib/passwords.ts";
import { type Problems, describeValue } from "../lib/problems.ts";
import { isObject, isText } from "../lib/values.ts";
import { type Policy, type PolicyShape, isPolicy } from "../policy/policy.ts";
import type { JsonWebKey } from "../store.ts";
import { REPOSITORY_TIMEOUT } from "./checked-repository.ts";
import type { Directory } from "./directory.ts";
import type { Repository } from "./repository.ts";
import type { SignInRules } from "./rules/sign-in-rules.ts";
import { findKeyProblem } from "./signing-keys.ts";

/** What an authority is made of. Durations are seconds. */
export interface AuthorityOptions<Role extends string = string> {
  /** `iss` of the access tokens, compared as an exact string: the application's origin. */
  readonly issuer: string;
  /** Who the users, organizations and memberships are. */
  readonly directory: Directory;
  /** Where sessions and signing keys are kept. @defaultValue `memoryRepository()`, which is lost with the process */
  readonly repository?: Repository | undefined;
  /**
   * Seals the signing keys in the repository: at least 32 characters, or several such secrets with the newest first, or several by
   * number, of which the highest seals. Required by `orgate/redis` and `orgate/postgres`. To change it, add the new one as the last of a
   * list; when every process has it, put it first and call `rotateKeys()`. @defaultValue keys are not sealed
   */
  readonly keyEncryption?: KeyEncryption | undefined;
  /** How long one call to the repository may take; a call that takes longer is trouble. @defaultValue 0.8 */
  readonly repositoryTimeout?: number | undefined;
  /**
   * Private keys (RFC 7517) that are not to lie in the repository: the first signs, all verify. RSA from 2048 bits (`RS256`,
   * `PS256`), P-256 (`ES256`) or Ed25519 (`EdDSA`). Several processes must share them.
   *
   * @defaultValue one ES256 key, made when it is first needed and kept in the repository
   */
  readonly keys?: readonly JsonWebKey[] | undefined;
  /** Answers authorization checks, and the middleware where it has no policy of its own. */
  readonly policy?: Policy<PolicyShape, Role> | undefined;
  /** A rule of your own about sessions that begin or go on. @defaultValue the organization's settings decide alone */
  readonly signInRules?: SignInRules | undefined;
  /** @defaultValue 300 */
  readonly accessTokenLifetime?: number | undefined;
  /** From sign-in on; only `sessionDuration` and `sessionDurationMinutes` extend it. @defaultValue 30 days */
  readonly sessionLifetime?: number | undefined;
  /** Ends a session that the store has not been asked about for this long; more than `accessTokenLifetime`. @defaultValue never */
  readonly idleTimeout?: number | undefined;
  /** For this long a rotated refresh token is answered with the same successor. @defaultValue 30 */
  readonly refreshGrace?: number | undefined;
  /** For organization selection; at most 600. @defaultValue 600 */
  readonly pendingLifetime?: number | undefined;
  /** For this long past its `exp` a JWT of a live session renews; `0`: refresh tokens only. @defaultValue `sessionLifetime` */
  readonly expiredTokenRenewal?: number | undefined;
  /**
   * Fields of the user that the sealed session carries beside id and address, the most important first; together at most 1,024 bytes.
   * Those that do not fit are left out, which is reported at sign-in. Everything else is in `auth.profile(req)`.
   *
   * @defaultValue `["name"]`
   */
  readonly seal?: readonly string[] | undefined;
  /** For tests: the time in seconds. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
  /** Hears what the authority notices: `revoked`, `reuse_detected`. @defaultValue the `events` of the middleware it is the store of */
  readonly events?: ((event: OrgateEvent) => void) | undefined;
  /** `false`: no `process.emitWarning` of trouble that needs a developer. @defaultValue `true`, once per reason */
  readonly warnings?: boolean | undefined;
}

/** Secrets of at least 32 characters: one, several with the newest first, or several by number, of which the highest seals. At most five. */
export type KeyEncryption =
  | string
  | readonly (string | undefined)[]
  | Readonly<Record<number, string | undefined>>;

/** The issuer and the durations in force, in seconds. */
export type AuthoritySettings = Omit<ReturnType<typeof resolveSettings>, "clock" | "fleet">;

const YEAR = 366 * 86_400;

const directory: Check<Directory> = (given, report) => {
  for (const name of ["addMembership", "createUser", "onChanged", "seat"] as const) {
    const method: unknown = isObject(given) ? given[name] : undefined;
    if (method !== undefined) functionLike()(method, report.member(name));
  }
  return withMethods<Directory>("a Directory", [
    "user",
    "userByEmailAddress",
    "organization",
    "membership",
    "memberships",
  ])(given, report);
};

const privateKeys: Check<readonly JsonWebKey[]> = (given, report) => {
  if (!Array.isArray(given) || given.length === 0) {
    const message = `must be a non-empty list of private JWKs, but is ${describeValue(given)}.`;
    return report.invalid(message, "Leave it out to have a key made.");
  }
  for (const [index, key] of given.entries()) {
    const problem = findKeyProblem(key);
    if (problem !== undefined) {
      report.problems.invalid(`${report.option}[${index}]`, problem, "Use an ES256 private JWK.");
    }
  }
  return given;
};

function duration(min: number, max: number): Check<number> {
  return seconds({ min, max }, "Durations are seconds.");
}

/** How the options of `createAuthority()` are read. */
export const AUTHORITY_OPTIONS = schema<AuthorityOptions>()({
  issuer: required(
    matching("a non-empty string without spaces", PRINTABLE, 'Use "https://app.example.com".'),
    "Pass the application's origin.",
  ),
  directory: required(directory, "Pass memoryDirectory({...}) or your own."),
  repository: optional(
    withMethods<Repository>("a Repository", [
      "read",
      "insert",
      "compareAndSet",
      "consume",
      "touchIfExists",
      "find",
      "close",
    ]),
  ),
  policy: optional(must("a policy", isPolicy, "Pass definePolicy({...}).")),
  clock: optional(functionLike<Clock>(), systemClock),
  events: optional(functionLike<NonNullable<AuthorityOptions["events"]>>()),
  signInRules: optional(functionLike<SignInRules>()),
  keys: optional(privateKeys),
  keyEncryption: optional(passwords),
  repositoryTimeout: optional(seconds({ above: 0, max: 60 }, "Leave it at 0.8."), REPOSITORY_TIMEOUT),
  warnings: optional(trueOrFalse, true),
  accessTokenLifetime: optional(duration(1, 86_400), 300),
  sessionLifetime: optional(duration(1, YEAR), 30 * 86_400),
  idleTimeout: optional(duration(1, YEAR)),
  refreshGrace: optional(duration(0, 3600), 30),
  pendingLifetime: optional(duration(1, 600), 600),
  expiredTokenRenewal: optional(duration(0, YEAR)),
  seal: optional(
    listWith("names of fields of a user", isText, 'Pass names such as "name", or leave it out.'),
    ["name"],
  ),
});

/**
 * Reads the options of `createAuthority()` and fills in the defaults.
 *
 * @throws ConfigurationError with every problem
 */
export function resolveSettings(options: AuthorityOptions) {
  const example = "Pass { issuer, directory }.";
  const reading = readOptions(AUTHORITY_OPTIONS, options, "createAuthority", example);
  const { idleTimeout, accessTokenLifetime, keyEncryption, keys, repository } = reading.read;
  if (idleTimeout !== undefined && idleTimeout <= (accessTokenLifetime ?? 0)) {
    reading.problems.invalid(
      "idleTimeout",
      "must be longer than accessTokenLifetime.",
      "Otherwise members are signed out while they work: a fresh token is accepted without asking the store.",
    );
  }
  const isSealed = keyEncryption !== undefined || keys !== undefined;
  if (repository?.durability === "shared" && !isSealed && !reading.problems.has("keyEncryption")) {
    reading.problems.missing(
      "keyEncryption",
      `It seals the signing keys in the repository. ${GENERATE_PASSWORD}`,
    );
  }
  const read = reading.complete();
  return {
    issuer: read.issuer,
    accessTokenLifetime: read.accessTokenLifetime,
    sessionLifetime: read.sessionLifetime,
    idleTimeout: read.idleTimeout,
    refreshGrace: read.refreshGrace,
    pendingLifetime: read.pendingLifetime,
    expiredTokenRenewal: read.expiredTokenRenewal ?? read.sessionLifetime,
    seal: read.seal,
    clock: read.clock,
    /** What concerns the repository and the keys in it. */
    fleet: {
      keyEncryption: read.keyEncryption,
      repositoryTimeout: read.repositoryTimeout,
      warnings: read.warnings,
    },
  };
}

/** Reports that no key of the authority can sign the tokens of a wire protocol. */
export function requireRsaKey(canSign: boolean, problems: Problems): void {
  if (canSign) return;
  const suggestion = "Add an RS256 private JWK: the SDKs expect one.";
  problems.invalid("keys", "of the authority hold no RSA key.", suggestion);
}
