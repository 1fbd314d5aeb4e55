import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { WorkOS } from "@workos-inc/node";
import { defaults, seal as ironSeal } from "iron-webcrypto";
import { systemClock } from "../../../src/lib/clock.ts";
import { createKeySet } from "../../../src/tokens/key-set.ts";
import { createSealer } from "../../../src/lib/crypto.ts";
import { createTokenVerifier } from "../../../src/tokens/verify-token.ts";
import type { SealedSession } from "../../../src/store.ts";
import { workos, type WorkosStore } from "../../../src/stores/workos/index.ts";
import { API_KEY, CLIENT_ID } from "../../support/fake-workos-world.ts";
import { startFakeWorkos, type FakeWorkos } from "../../support/fake-workos.ts";

const PASSWORD = "a cookie password that both of them know";
const OLDER = "the cookie password of the year before that";
const sealer = createSealer({ 1: PASSWORD });

let fake: FakeWorkos;
let store: WorkosStore;
let sdk: WorkOS;

beforeEach(async () => {
  fake = await startFakeWorkos();
  store = workos({ clientId: CLIENT_ID, apiKey: API_KEY, baseUrl: fake.url });
  sdk = new WorkOS(API_KEY, {
    clientId: CLIENT_ID,
    apiHostname: "127.0.0.1",
    port: fake.port,
    https: false,
    maxRetries: 0,
  });
});

afterEach(() => fake.close());

async function signInHere(): Promise<SealedSession> {
  const outcome = await store.authenticateWithPassword({
    emailAddress: "bob@example.com",
    password: "pw-bob",
  });
  if (outcome.status !== "authenticated") throw new Error(outcome.status);
  return outcome.credential;
}

/** Verifies and reads what was sealed, the way of every request. */
async function read(sealed: SealedSession | undefined): Promise<unknown> {
  if (sealed === undefined) return undefined;
  const keys = createKeySet(store.tokens.keys, {
    clock: systemClock,
    events: { wants: () => false, emit: () => undefined },
  });
  const verification = await createTokenVerifier(store.tokens, keys).verify(sealed.accessToken);
  keys.close();
  return verification.status === "verified" ? store.interpret(verification.claims, sealed) : verification;
}

const BOB = {
  member: { id: "user_bob", organizationId: "org_acme", roles: ["viewer"], emailAddress: "bob@example.com" },
  memberSession: { authenticationMethod: "Password" },
  permissions: ["documents:read"],
};

describe("a session sealed by @workos-inc/node", () => {
  it("opens here as the same session", async () => {
    const { sealedSession } = await sdk.userManagement.authenticateWithPassword({
      email: "bob@example.com",
      password: "pw-bob",
      session: { sealSession: true, cookiePassword: PASSWORD },
    });

    expect(await read(sealer.unseal(sealedSession ?? ""))).toMatchObject(BOB);
  });

  it("has the same fields as a session sealed here", async () => {
    const { sealedSession } = await sdk.userManagement.authenticateWithPassword({
      email: "bob@example.com",
      password: "pw-bob",
      session: { sealSession: true, cookiePassword: PASSWORD },
    });
    const theirs = sealer.unseal(sealedSession ?? "");
    const ours = await signInHere();

    // The SDK adds a null where the user has no name.
    expect({ ...ours.user, name: null }).toEqual(theirs?.user);
    expect(Object.keys(ours).toSorted()).toEqual(Object.keys(theirs ?? {}).toSorted());
  });

  it("opens here under an older password that is still configured", async () => {
    const { sealedSession = "" } = await sdk.userManagement.authenticateWithPassword({
      email: "bob@example.com",
      password: "pw-bob",
      session: { sealSession: true, cookiePassword: OLDER },
    });

    expect(await read(createSealer({ 1: OLDER, 2: PASSWORD }).unseal(sealedSession))).toMatchObject(BOB);
    expect(createSealer({ 2: PASSWORD }).unseal(sealedSession)).toBeUndefined();
  });
});

describe("a session sealed by orgate", () => {
  it("opens in the SDK as the same session", async () => {
    const sealed = await sealer.seal(await signInHere());
    const theirs = sdk.userManagement.loadSealedSession({ sessionData: sealed, cookiePassword: PASSWORD });

    expect(await theirs.authenticate()).toMatchObject({
      authenticated: true,
      organizationId: "org_acme",
      role: "viewer",
      permissions: ["documents:read"],
      user: { id: "user_bob", email: "bob@example.com", firstName: "bob" },
      authenticationMethod: "Password",
    });
  });

  it("is refreshed by the SDK, and the result opens here again", async () => {
    const sealed = await sealer.seal({ ...(await signInHere()), theme: "dark" });
    const theirs = sdk.userManagement.loadSealedSession({ sessionData: sealed, cookiePassword: PASSWORD });
    const refreshed = await theirs.refresh();

    expect(refreshed).toMatchObject({ authenticated: true });
    const { sealedSession = "" } = refreshed as { sealedSession?: string };
    expect(await read(sealer.unseal(sealedSession))).toMatchObject(BOB);
  });

  it("opens in the SDK after a change of passwords", async () => {
    const rotated = createSealer({ 1: OLDER, 2: PASSWORD }, store.credential?.passwordId);
    const sessionData = await rotated.seal(await signInHere());
    const theirs = sdk.userManagement.loadSealedSession({ sessionData, cookiePassword: PASSWORD });

    expect(await theirs.authenticate()).toMatchObject({ authenticated: true });
    expect(rotated.unseal(sessionData)).toBeDefined();
  });

  it("has the same impersonator in the SDK", async () => {
    const impersonator = { email: "admin@foocorp.com", reason: "Investigating" };
    fake.world.users.set("user_bob", {
      id: "user_bob",
      email: "bob@example.com",
      password: "pw-bob",
      impersonator,
    });
    const credential = await signInHere();
    const theirs = sdk.userManagement.loadSealedSession({
      sessionData: await sealer.seal(credential),
      cookiePassword: PASSWORD,
    });

    expect(await theirs.authenticate()).toMatchObject({ authenticated: true, impersonator });
    expect(await read(credential)).toMatchObject({ memberSession: { impersonator } });
  });
});

describe("a session sealed by others opens here:", () => {
  const shapes: readonly (readonly [string, (session: SealedSession) => Promise<string>])[] = [
    [
      "authkit-nextjs, with fields that are undefined",
      async ({ accessToken, refreshToken, user, authenticationMethod }) =>
        `${await ironSeal({ accessToken, refreshToken, user, impersonator: undefined, authenticationMethod }, { id: "1", secret: PASSWORD }, defaults)}~2`,
    ],
    [
      "authkit-session, which forgets the method",
      async ({ accessToken, refreshToken, user }) =>
        `${await ironSeal({ accessToken, refreshToken, user, impersonator: undefined }, { id: "1", secret: PASSWORD }, defaults)}~2`,
    ],
    [
      "iron-session, with an expiry of its own and another number for the password",
      async (session) =>
        `${await ironSeal(session, { id: "7", secret: PASSWORD }, { ...defaults, ttl: 14 * 86_400_000 })}~2`,
    ],
    [
      "iron-session's first version",
      async (session) =>
        `${await ironSeal({ persistent: session }, { id: "1", secret: PASSWORD }, defaults)}~1`,
    ],
  ];

  it.each(shapes)("%s", async (_, seal) => {
    const session = await signInHere();
    const opened = sealer.unseal(await seal(session));

    expect(opened?.refreshToken).toBe(session.refreshToken);
    expect(await read(opened)).toMatchObject({ member: BOB.member, permissions: BOB.permissions });
  });
});

describe("the sealed fields of an answer", () => {
  it("are those of WorkOS's SDKs, and no others", async () => {
    const credential = await signInHere();

    expect(JSON.stringify(credential)).not.toContain("canary");
    expect(Object.keys(credential).toSorted()).toEqual(
      ["accessToken", "authenticationMethod", "organizationId", "refreshToken", "user"].toSorted(),
    );
  });

  it("include small metadata, and leave out metadata that would not fit into a cookie", async () => {
    const user = { id: "user_bob", email: "bob@example.com", password: "pw-bob" };
    fake.world.users.set("user_bob", { ...user, metadata: { timezone: "UTC" } });
    expect((await signInHere()).user).toMatchObject({ metadata: { timezone: "UTC" } });

    fake.world.users.set("user_bob", { ...user, metadata: { note: "x".repeat(2000) } });
    expect((await signInHere()).user).not.toHaveProperty("metadata");
  });

  it("are those that the option seal names, beside the id, also after a renewal", async () => {
    store = workos({ clientId: CLIENT_ID, apiKey: API_KEY, baseUrl: fake.url, seal: ["email"] });
    const credential = await signInHere();
    expect(credential.user).toEqual({ id: "user_bob", email: "bob@example.com" });

    const renewed = await store.authenticateWithRefreshToken({ refreshToken: credential.refreshToken ?? "" });
    if (renewed.status !== "authenticated") throw new Error(renewed.status);
    expect(renewed.credential.user).toEqual({ id: "user_bob", email: "bob@example.com" });
  });

  it("have names that WorkOS's users have", () => {
    const options = { clientId: CLIENT_ID, apiKey: API_KEY, seal: ["emial"] as never };
    expect(() => workos(options)).toThrow("seal: must be a list of names of fields of a user");
  });
});
