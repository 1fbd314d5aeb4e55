import { StoreUnavailableError, type StoreUnavailableErrorInit, isOrgateError } from "../../errors.ts";
import { isObject, isString } from "../../lib/values.ts";

type Trouble = Pick<StoreUnavailableErrorInit, "message" | "retryAfter" | "misconfigured" | "contended"> & {
  readonly reason: string;
};

const NOT_READY: Trouble = {
  reason: "redis_not_ready",
  message: "Redis is starting, fails over, or does not serve every slot",
  retryAfter: 1,
};
const CREDENTIALS_REFUSED: Trouble = {
  reason: "redis_credentials_refused",
  message: "Redis refuses the user name or the password of the client",
  misconfigured: true,
};
const PERMISSION_DENIED: Trouble = {
  reason: "redis_permission_denied",
  message: "The Redis user of the client lacks the right to a command, a key or a channel",
  misconfigured: true,
};
const CLUSTER_CLIENT_REQUIRED: Trouble = {
  reason: "redis_cluster_client_required",
  message: "The server belongs to a Redis Cluster, and the client is none for a cluster",
  misconfigured: true,
};
const REDIS_UNREADABLE: Trouble = {
  reason: "redis_value_unreadable",
  message: "A key with this prefix holds a value that orgate did not write, or that was damaged",
  retryAfter: 5,
  // It concerns one document: the circuit breaker must not open.
  contended: true,
};
const NEWER: Trouble = {
  reason: "redis_value_newer",
  message: "A key with this prefix holds a value that a newer release of orgate wrote",
  retryAfter: 5,
  contended: true,
};
const REDIS_UNREACHABLE: Trouble = {
  reason: "redis_unreachable",
  message: "Redis cannot be reached",
  retryAfter: 1,
};
const CLIENT_CLOSED: Trouble = {
  reason: "redis_client_closed",
  message: "The Redis client is not open: it was closed, or connect() was not called",
  retryAfter: 1,
};
const TIMED_OUT_TROUBLE: Trouble = {
  reason: "redis_timeout",
  message: "Redis did not answer in time",
  retryAfter: 1,
};
const REDIS_FAILED: Trouble = {
  reason: "redis_failed",
  message: "Redis or its client failed",
  retryAfter: 1,
};

/** By the first word of Redis's error. Inside a script it stands further on. */
const BY_ERROR_WORD: ReadonlyMap<string, Trouble> = new Map<string, Trouble>([
  [
    "READONLY",
    {
      reason: "redis_read_only",
      message: "The client is connected to a replica, which takes no writes",
      retryAfter: 1,
    },
  ],
  ["OOM", { reason: "redis_out_of_memory", message: "Redis has no memory for another write", retryAfter: 5 }],
  [
    "MISCONF",
    {
      reason: "redis_cannot_persist",
      message: "Redis takes no writes because it cannot save to disk",
      retryAfter: 5,
    },
  ],
  ["WRONGPASS", CREDENTIALS_REFUSED],
  ["NOAUTH", CREDENTIALS_REFUSED],
  ["NOPERM", PERMISSION_DENIED],
  ["CROSSSLOT", CLUSTER_CLIENT_REQUIRED],
  ["MOVED", CLUSTER_CLIENT_REQUIRED],
  ["WRONGTYPE", REDIS_UNREADABLE],
  ["LOADING", NOT_READY],
  ["BUSY", NOT_READY],
  ["MASTERDOWN", NOT_READY],
  ["CLUSTERDOWN", NOT_READY],
  ["TRYAGAIN", NOT_READY],
  ["NOREPLICAS", NOT_READY],
]);

const ERROR_WORD = /\b[A-Z]{3,12}\b/g;
/** What Redis says of a command that a script calls; elsewhere the error begins with NOPERM. */
const DENIED_IN_SCRIPT = /user executing the script can't|no permissions to/i;
const OLD_PASSWORD_ERROR = /invalid password|invalid username-password|AUTH <password>/i;
const CLOSED = /^(?:The client is closed|Connection is closed)/;
const DISCONNECTED = /closed|connect|socket|writeable|retries|time|startup nodes|root nodes|aborted/i;

/** Makes the error for a value under our prefix that cannot be read; `newer`: a later release wrote it. */
export function unreadableValue(kind: "unreadable" | "newer", cause?: unknown): StoreUnavailableError {
  return failure(kind === "newer" ? NEWER : REDIS_UNREADABLE, cause);
}

/**
 * Makes the error for a call that took too long.
 *
 * @param lastError - what the client last said of its connection, if that is down
 */
export function timedOut(lastError: unknown): StoreUnavailableError {
  return lastError === undefined ? failure(TIMED_OUT_TROUBLE) : redisError(lastError);
}

/** Makes the error for what a client threw. It has no command and no argument, which clients attach to their errors. */
export function redisError(thrown: unknown): StoreUnavailableError {
  if (isOrgateError(thrown) && thrown.code === "store_unavailable") return thrown;
  const { name, code, message } = describeThrown(thrown);
  const cause = Object.assign(new Error(message), { name, ...(code !== undefined && { code }) });
  return failure(classify(message, code), cause);
}

/** Whether Redis does not know the script yet: it was restarted, or its scripts were flushed. */
export function isUnknownScript(thrown: unknown): boolean {
  return describeThrown(thrown).message.startsWith("NOSCRIPT");
}

function failure({ message = "", ...trouble }: Trouble, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError({
    ...trouble,
    message: `${message} (${trouble.reason})`,
    ...(cause !== undefined && { cause }),
  });
}

function classify(message: string, code: string | undefined): Trouble {
  for (const [word] of message.matchAll(ERROR_WORD)) {
    const trouble = BY_ERROR_WORD.get(word);
    if (trouble !== undefined) return trouble;
  }
  if (DENIED_IN_SCRIPT.test(message)) return PERMISSION_DENIED;
  if (OLD_PASSWORD_ERROR.test(message)) return CREDENTIALS_REFUSED;
  if (CLOSED.test(message)) return CLIENT_CLOSED;
  if (code !== undefined) return REDIS_UNREACHABLE;
  return !message.startsWith("ERR ") && DISCONNECTED.test(message) ? REDIS_UNREACHABLE : REDIS_FAILED;
}

interface Described {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
}

const MAX_MESSAGE = 300;

function describeThrown(thrown: unknown): Described {
  const { name, code, message, lastNodeError } = isObject(thrown) ? thrown : {};
  // A cluster's error only says that every node failed.
  if (isObject(lastNodeError)) return describeThrown(lastNodeError);
  const text = isString(message) ? message : String(thrown);
  return {
    name: isString(name) ? name : "Error",
    code: isString(code) ? code : undefined,
    // Redis repeats the arguments of a command that it does not know.
    message: (text.split(", with args beginning")[0] ?? "").slice(0, MAX_MESSAGE),
  };
}
