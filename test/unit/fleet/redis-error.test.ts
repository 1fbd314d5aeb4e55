import { expect, it } from "@jest/globals";
import {
  isUnknownScript,
  redisError,
  timedOut,
  unreadableValue,
} from "../../../src/fleet/redis/redis-error.ts";

function replyError(message: string): Error {
  return Object.assign(new Error(message), {
    name: "ReplyError",
    command: { name: "evalsha", args: ["id"] },
  });
}

it.each([
  ["MISCONF Redis is configured to save RDB snapshots, but it's currently unable to", "redis_cannot_persist"],
  ["LOADING Redis is loading the dataset in memory", "redis_not_ready"],
  ["MASTERDOWN Link with MASTER is down", "redis_not_ready"],
  ["CLUSTERDOWN The cluster is down", "redis_not_ready"],
  ["TRYAGAIN Multiple keys request during rehashing of slot", "redis_not_ready"],
  ["NOREPLICAS Not enough good replicas to write.", "redis_not_ready"],
  ["BUSY Redis is busy running a script.", "redis_not_ready"],
  ["READONLY You can't write against a read only replica.", "redis_read_only"],
  ["ERR Error running script (call to f_1): @user_script:9: -READONLY You can't write", "redis_read_only"],
  ["OOM command not allowed when used memory > 'maxmemory'.", "redis_out_of_memory"],
  ["NOAUTH Authentication required.", "redis_credentials_refused"],
  ["WRONGPASS invalid username-password pair or user is disabled.", "redis_credentials_refused"],
  ["ERR invalid password", "redis_credentials_refused"],
  ["NOPERM this user has no permissions to run the 'evalsha' command", "redis_permission_denied"],
  ["CROSSSLOT Keys in request don't hash to the same slot", "redis_cluster_client_required"],
  ["MOVED 866 127.0.0.1:7001", "redis_cluster_client_required"],
  ["WRONGTYPE Operation against a key holding the wrong kind of value", "redis_value_unreadable"],
  ["ERR unknown command 'EVALSHA', with args beginning with: 'secret'", "redis_failed"],
  ["Socket closed unexpectedly", "redis_unreachable"],
  ["Connection is closed.", "redis_client_closed"],
  ["The client is closed", "redis_client_closed"],
])("takes %j for %s", (message, reason) => {
  const error = redisError(replyError(message));
  expect(error).toMatchObject({ code: "store_unavailable", reason, cause: { name: "ReplyError" } });
  expect(error.cause).not.toHaveProperty("command");
  expect((error.cause as Error).message).not.toContain("secret");
});

it("reads why every node of a cluster failed", () => {
  const thrown = Object.assign(new Error("Failed to refresh slots cache."), {
    lastNodeError: replyError("WRONGPASS invalid username-password pair"),
  });
  expect(redisError(thrown).reason).toBe("redis_credentials_refused");
});

it("takes an error with a code of the network for unreachable, and any other value for a failure", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
  expect(redisError(refused)).toMatchObject({ reason: "redis_unreachable", cause: { code: "ECONNREFUSED" } });
  expect(redisError(undefined).reason).toBe("redis_failed");
  expect(redisError(new TypeError("x is not a function")).reason).toBe("redis_failed");
});

it("leaves its own errors as they are", () => {
  const error = unreadableValue("newer");
  expect(redisError(error)).toBe(error);
  expect(error.reason).toBe("redis_value_newer");
});

it("says why a call timed out where the client has told", () => {
  expect(timedOut(undefined).reason).toBe("redis_timeout");
  expect(timedOut(replyError("NOAUTH Authentication required.")).reason).toBe("redis_credentials_refused");
});

it("recognizes a script that the server does not know", () => {
  expect(isUnknownScript(replyError("NOSCRIPT No matching script. Please use EVAL."))).toBe(true);
  expect(isUnknownScript(replyError("ERR no"))).toBe(false);
});
