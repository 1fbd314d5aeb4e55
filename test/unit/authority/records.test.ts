import { describe, expect, it } from "@jest/globals";
import { memoryRepository } from "../../../src/authority/index.ts";
import { createRecords } from "../../../src/authority/records.ts";
import type { AuthenticationRecord } from "../../../src/authority/records.ts";
import { createEventSink } from "../../../src/events.ts";
import type { OrgateEvent } from "../../../src/events.ts";
import { sha256 } from "../../../src/lib/crypto.ts";
import { isOrgateError } from "../../../src/errors.ts";
import { makeWorld, refusal, refusedWith, signInAda, START } from "./set-up.ts";

const EVIDENCE: AuthenticationRecord = {
  authenticationMethod: "Password",
  authenticationFactors: [{ type: "password", lastAuthenticatedAt: "2027-01-15T08:00:00.000Z" }],
  impersonator: { email: "support@example.com", reason: "ticket 7" },
  customClaims: { plan: "pro" },
  client: { id: "client", isPublic: false },
  ipAddress: "192.0.2.1",
  userAgent: "test",
  authenticatedAt: START,
};

const VALID = { version: 1, expiresAt: START + 600 } as const;
const PENDING = { ...VALID, userId: "user_ada", evidence: EVIDENCE };
const INVITATION = {
  ...VALID,
  id: "invitation_1",
  state: "pending" as const,
  emailAddress: "ada@example.com",
  organizationId: "org_acme",
  roles: ["viewer"],
  createdAt: START,
};
const CODE = {
  ...VALID,
  clientId: "client",
  redirectUri: "https://app.example.com/callback",
  signIn: { userId: "user_ada", evidence: EVIDENCE },
};

function makeRecords(): {
  records: ReturnType<typeof createRecords>;
  repository: ReturnType<typeof memoryRepository>;
  events: OrgateEvent[];
  clock: { now: number };
} {
  const clock = { now: START };
  const events: OrgateEvent[] = [];
  const repository = memoryRepository({ clock: () => clock.now });
  const records = createRecords(repository, {
    clock: () => clock.now,
    events: createEventSink((event) => events.push(event)),
  });
  return { records, repository, events, clock };
}

describe("records that are read by a token", () => {
  it("are returned as they were stored, and spent once", async () => {
    const { records } = makeRecords();
    const token = await records.pending.issue(PENDING);
    const found = await records.pending.read(token);
    expect(found).toEqual({ value: PENDING, version: expect.any(Number) });
    if (found === undefined) throw new Error("The record must be there.");
    const spend = (by: string): Promise<boolean> => records.pending.spend(token, found, by);
    expect(await Promise.all([spend("first"), spend("second")])).toEqual([true, false]);
    expect(await records.pending.read(token)).toBeUndefined();
    await records.pending.restore(token, PENDING, "second");
    expect(await records.pending.read(token)).toBeUndefined();
    await records.pending.restore(token, PENDING, "first");
    expect(await records.pending.read(token)).toMatchObject({ value: PENDING });
  });

  it("end at their own time, also in a repository that keeps them longer", async () => {
    const { records, repository, clock } = makeRecords();
    const token = await records.pending.issue(PENDING);
    await repository.touchIfExists("pending", sha256(token), START + 1e6);
    clock.now = START + 599.5;
    expect(await records.pending.read(token)).toBeDefined();
    clock.now = START + 600;
    expect(await records.pending.read(token)).toBeUndefined();
  });

  it.each(["", "short", "A".repeat(44), `${"A".repeat(42)}=`])("have no token such as %j", async (token) => {
    expect(await makeRecords().records.pending.read(token)).toBeUndefined();
  });
});

const KINDS = [
  ["pending", "pending", "", PENDING],
  ["invitations", "invitations", "", INVITATION],
  ["codes", "authorizations", "code:", CODE],
] as const;

describe.each(KINDS)("a stored record of %s", (kind, collection, prefix, record) => {
  const spoilt: [string, unknown][] = [
    ["null", null],
    ["a text", "text"],
    ["a list", []],
    ["a newer version", { ...record, version: 2 }],
    ["an expiry that is no number", { ...record, expiresAt: "soon" }],
    ...Object.keys(record).map((name): [string, unknown] => [
      `no ${name}`,
      Object.fromEntries(Object.entries(record).filter(([other]) => other !== name)),
    ]),
  ];

  it.each(spoilt)("R-37: cannot be read, is kept and is reported: %s", async (_case, value) => {
    const { records, repository, events } = makeRecords();
    const stored: { issue(value: unknown): Promise<string>; read(token: string): Promise<unknown> } =
      records[kind];
    const token = await stored.issue(record);
    const name = prefix + sha256(token);
    const { version = 0 } = (await repository.read(collection, name)) ?? {};
    await repository.compareAndSet(collection, name, version, value, { expiresAt: START + 600 });
    const error = await refusal(stored.read(token));
    expect(error).toMatchObject({
      code: "store_unavailable",
      reason: "record_unreadable",
      contended: true,
    });
    expect(await repository.read(collection, name)).toMatchObject({ value });
    expect(events).toEqual([{ type: "misconfigured", reason: "record_unreadable" }]);
  });
});

describe("an evidence of authentication", () => {
  it.each<[string, object]>([
    ["a factor without a type", { authenticationFactors: [{}] }],
    ["a factor of another order", { authenticationFactors: [{ type: "sso", sequenceOrder: "FIRST" }] }],
    ["a factor whose time is a number", { authenticationFactors: [{ type: "sso", createdAt: 7 }] }],
    ["claims that are a list", { customClaims: [] }],
    ["an impersonator without an address", { impersonator: {} }],
    ["a client without an id", { client: { isPublic: true } }],
    ["an address that is a number", { ipAddress: 7 }],
    ["a time that is a text", { authenticatedAt: "now" }],
  ])("R-37: is not readable with %s", async (_case, spoilt) => {
    const { records } = makeRecords();
    const token = await records.pending.issue({ ...PENDING, evidence: { ...EVIDENCE, ...spoilt } });
    expect(await refusedWith(records.pending.read(token))).toBe("store_unavailable record_unreadable");
  });
});

describe("an authority whose session record is of a newer version", () => {
  it("R-37: is unavailable for everything that reads the session, and can still revoke it", async () => {
    const world = makeWorld();
    const { refreshToken, memberSession } = await signInAda(world);
    const { id } = memberSession;
    const found = await world.repository.read("sessions", id);
    const newer = { ...Object(found?.value), version: 2 };
    const options = { expiresAt: START + 1e6, indexes: ["user:user_ada"] };
    await world.repository.compareAndSet("sessions", id, found?.version ?? 0, newer, options);
    const { authority } = world;
    const attempts = [
      authority.authenticateWithRefreshToken({ refreshToken }),
      authority.exchange({ sessionId: id, organizationId: "org_globex" }),
      authority.listSessions({ userId: "user_ada" }),
    ];
    for (const attempt of attempts) {
      expect(await refusedWith(attempt)).toBe("store_unavailable session_unreadable");
    }
    await authority.revoke({ userId: "user_ada" });
    const after = await refusal(authority.authenticateWithRefreshToken({ refreshToken }));
    expect(isOrgateError(after) && after.code).toBe("session_revoked");
  });
});
