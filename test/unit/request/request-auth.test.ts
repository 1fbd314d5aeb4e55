import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import express from "express";
import {
  attach,
  latestRequestAuthOf,
  requestAuthOf,
  type AttachNames,
  type RequestAuth,
  type RequestOwner,
} from "../../../src/request/request-auth.ts";
import type { VerifiedSession } from "../../../src/request/cache.ts";
import type { Credential } from "../../../src/request/read-credential.ts";
import { ANONYMOUS } from "../../../src/model.ts";
import { makeRequest } from "../../support/exchange.ts";

const NAMES: AttachNames = Object.freeze({
  member: "member",
  organization: "organization",
  memberSession: "memberSession",
  verdict: "verdict",
});

const CREDENTIAL: Credential = { kind: "bearer", value: "a.b.c", cookieNames: [] };

const VERDICT = Object.freeze({
  authorized: true,
  grantingRoles: ["admin"],
  resource: "documents",
  action: "read",
  via: "role",
  source: "local",
} as const);

function sessionOf(id: string, organizationId: string | undefined = "org_1"): VerifiedSession {
  return {
    via: "cookie",
    subject: id,
    iat: 0,
    exp: 1,
    checkedEpoch: -1,
    isUnseen: false,
    roles: [],
    member: { id, roles: [] },
    memberSession: {
      id: `session of ${id}`,
      memberId: id,
      authenticationFactors: [],
      roles: [],
      customClaims: null,
    },
    ...(organizationId !== undefined && { organization: { id: organizationId } }),
  };
}

interface Known {
  readonly names?: AttachNames | undefined;
  readonly session?: VerifiedSession | undefined;
  readonly credential?: Credential;
}

/** Attaches what an instance of its own knows of a request: that Ada is signed in, unless told otherwise. */
function attachTo(request: object, known: Known = {}): RequestAuth {
  const { names, session, credential = CREDENTIAL } = { names: NAMES, session: sessionOf("ada"), ...known };
  const owner: RequestOwner = { options: { names }, nextInSequence: () => 0 };
  const auth = attach(request, owner, { status: "found", credential }, true);
  if (session !== undefined) auth.authenticated(session, "local");
  return auth;
}

/** Reads a property that no type knows of. */
function read(request: object, name: string): unknown {
  return Reflect.get(request, name);
}

/** A request the way an Express application hands it on. */
function expressRequest(app = express()): IncomingMessage {
  const request = makeRequest();
  Object.setPrototypeOf(request, app.request);
  return request;
}

describe.each([
  ["node:http", () => makeRequest()],
  ["Express", () => expressRequest()],
])("attach, on a request of %s", (_, make) => {
  it("makes what is known readable, and notes that somebody looked", () => {
    const request = make();
    const record = attachTo(request);
    record.noteVerdict(() => VERDICT);
    expect(record.isUsed).toBe(false);
    expect(read(request, "member")).toBe(record.session?.member);
    expect(record.isUsed).toBe(true);
    expect(read(request, "organization")).toBe(record.session?.organization);
    expect(read(request, "memberSession")).toBe(record.session?.memberSession);
    expect(read(request, "verdict")).toBe(VERDICT);
  });

  it("gives the same object at every reading", () => {
    const request = make();
    attachTo(request);
    expect(read(request, "member")).toBe(read(request, "member"));
  });

  it("gives nothing where nobody is signed in, or no organization was chosen", () => {
    const anonymous = make();
    const nobody = attachTo(anonymous, { session: undefined });
    nobody.refused(ANONYMOUS);
    expect(
      ["member", "organization", "memberSession", "verdict"].map((name) => read(anonymous, name)),
    ).toEqual([undefined, undefined, undefined, undefined]);
    const { organization: _none, ...session } = sessionOf("ada");
    const unchosen = make();
    attachTo(unchosen, { session });
    expect(read(unchosen, "organization")).toBeUndefined();
    expect(read(unchosen, "member")).toEqual({ id: "ada", roles: [] });
  });

  it("tells requests apart that share a prototype", () => {
    const [first, second] = [make(), make()];
    attachTo(first, { session: sessionOf("ada") });
    attachTo(second, { session: sessionOf("bob") });
    expect(read(first, "member")).toMatchObject({ id: "ada" });
    expect(read(second, "member")).toMatchObject({ id: "bob" });
  });

  it("uses other names where it is told to", () => {
    const request = make();
    attachTo(request, { names: { ...NAMES, organization: "tenant", member: "user" } });
    expect(read(request, "tenant")).toMatchObject({ id: "org_1" });
    expect(read(request, "user")).toMatchObject({ id: "ada" });
    expect(read(request, "organization")).toBeUndefined();
  });

  it("attaches nothing where it is told to, and keeps the record all the same", () => {
    const request = make();
    const record = attachTo(request, { names: undefined });
    expect(read(request, "member")).toBeUndefined();
    expect(requestAuthOf(request, record.owner)).toBe(record);
  });

  it("R-42: lets a later assignment shadow it for that request alone, and keeps the record as it was", () => {
    const [request, other] = [make(), make()];
    const record = attachTo(request);
    attachTo(other);
    const forged = { id: "mallory", roles: ["admin"] };
    Reflect.set(request, "member", forged);
    expect(read(request, "member")).toBe(forged);
    Reflect.set(request, "member", { id: "again" });
    expect(read(request, "member")).toEqual({ id: "again" });
    expect(record.session?.member.id).toBe("ada");
    expect(requestAuthOf(request, record.owner)?.session?.member.id).toBe("ada");
    expect(read(other, "member")).toMatchObject({ id: "ada" });
    expect(Reflect.deleteProperty(request, "member")).toBe(true);
    expect(read(request, "member")).toMatchObject({ id: "ada" });
  });

  it("R-42: leaves alone what was assigned before, and does not take it for its own", () => {
    const request = make();
    const foreign = { id: "mallory" };
    Reflect.set(request, "member", foreign);
    const record = attachTo(request);
    expect(read(request, "member")).toBe(foreign);
    expect(requestAuthOf(request, record.owner)?.session?.member.id).toBe("ada");
  });

  it("R-42: finds no record in objects that look like a request", () => {
    const request = make();
    const record = attachTo(request);
    expect(requestAuthOf(Object.assign(makeRequest(), request), record.owner)).toBeUndefined();
    expect(requestAuthOf(Object.create(request) as object, record.owner)).toBeUndefined();
    expect(requestAuthOf(request, {})).toBeUndefined();
  });

  it("R-42: tells a request from another object that shares its stream state", () => {
    const request = make();
    const copy = Object.assign(makeRequest(), request);
    const [own, other] = [attachTo(request), attachTo(copy, { session: sessionOf("bob") })];
    expect([latestRequestAuthOf(request), latestRequestAuthOf(copy)]).toEqual([own, other]);
    expect(read(copy, "member")).toMatchObject({ id: "bob" });
    expect(read(request, "member")).toMatchObject({ id: "ada" });
  });

  it("gives the properties of the instance mounted last, and keeps a record for each", () => {
    const request = make();
    const first = attachTo(request, { session: sessionOf("ada") });
    const second = attachTo(request, { session: sessionOf("bob") });
    expect(read(request, "member")).toMatchObject({ id: "bob" });
    expect([first.isUsed, second.isUsed]).toEqual([false, true]);
    expect(requestAuthOf(request, first.owner)).toBe(first);
    expect(requestAuthOf(request, second.owner)).toBe(second);
    expect(latestRequestAuthOf(request)).toBe(second);
  });

  it("gives each of two instances the names it goes by", () => {
    const request = make();
    attachTo(request, { session: sessionOf("ada"), names: { ...NAMES, member: "staff" } });
    attachTo(request, { session: sessionOf("bob") });
    expect(read(request, "staff")).toMatchObject({ id: "ada" });
    expect(read(request, "member")).toMatchObject({ id: "bob" });
  });

  it("falls back to the instance before, where the last one attaches nothing", () => {
    const request = make();
    attachTo(request, { session: sessionOf("ada") });
    attachTo(request, { session: sessionOf("bob"), names: undefined });
    expect(read(request, "member")).toMatchObject({ id: "ada" });
  });

  it("keeps apart two instances that give one name to different things", () => {
    const [first, second] = [make(), make()];
    attachTo(first, { names: { ...NAMES, member: "owner" } });
    attachTo(second, { names: { ...NAMES, organization: "owner" } });
    expect(read(first, "owner")).toMatchObject({ id: "ada" });
    expect(read(second, "owner")).toMatchObject({ id: "org_1" });
  });

  it("shows nobody to whoever only looks at the request's prototype", () => {
    const request = make();
    attachTo(request);
    expect(read(Object.getPrototypeOf(request) as object, "member")).toBeUndefined();
  });
});

describe("the prototypes of a process", () => {
  it("leave Node's own alone", () => {
    const before = Reflect.ownKeys(IncomingMessage.prototype);
    const request = new IncomingMessage(new Socket());
    attachTo(request);
    expect(Reflect.ownKeys(IncomingMessage.prototype)).toEqual(before);
    expect(request).toBeInstanceOf(IncomingMessage);
    expect(new IncomingMessage(new Socket())).not.toHaveProperty("member");
  });

  it("share one in between for all requests of node:http", () => {
    const [first, second] = [makeRequest(), makeRequest()];
    attachTo(first);
    attachTo(second);
    expect(Object.getPrototypeOf(first)).toBe(Object.getPrototypeOf(second));
  });

  it("get getters once where they are an application's own, and no other application's", () => {
    const app = express();
    const other = express();
    const request = expressRequest(app);
    attachTo(request);
    const own = Object.getOwnPropertyDescriptor(app.request, "member");
    expect(Object.getPrototypeOf(request)).toBe(app.request);
    expect(own).toMatchObject({ get: expect.any(Function), configurable: true });
    const second = expressRequest(app);
    attachTo(second);
    expect(Object.getOwnPropertyDescriptor(app.request, "member")).toEqual(own);
    expect("member" in other.request).toBe(false);
    expect("member" in express.request).toBe(false);
  });

  it("hand the getters down to an application that is mounted in another", () => {
    const app = express();
    const inner = express();
    app.use("/inner", inner);
    const request = expressRequest(app);
    attachTo(request);
    Object.setPrototypeOf(request, inner.request);
    expect(read(request, "member")).toMatchObject({ id: "ada" });
  });
});

describe("the state of a request", () => {
  it("is made from the session once, and frozen", () => {
    const record = attachTo({});
    const state = record.state;
    expect(state).toEqual({
      status: "authenticated",
      via: "cookie",
      member: record.session?.member,
      organization: { id: "org_1" },
      memberSession: record.session?.memberSession,
    });
    expect(Object.isFrozen(state)).toBe(true);
    expect(record.state).toBe(state);
  });

  it("says nothing of an organization where none is chosen", () => {
    const { organization: _none, ...session } = sessionOf("ada");
    expect(attachTo({}, { session }).state).not.toHaveProperty("organization");
  });

  it("is the refusal where nobody is signed in", () => {
    const record = attachTo({}, { session: undefined });
    record.refused(ANONYMOUS);
    expect(record.state).toBe(ANONYMOUS);
  });

  it("is the latest finding", () => {
    const record = attachTo({});
    record.refused({ status: "rejected", code: "session_revoked", via: "cookie" });
    expect([record.state.status, record.session]).toEqual(["rejected", undefined]);
    record.authenticated(sessionOf("bob"), "store");
    expect(record.state).toMatchObject({ status: "authenticated", member: { id: "bob" } });
  });

  it("never makes somebody out of nothing", () => {
    expect(() => attachTo({}, { session: undefined }).state).toThrow(TypeError);
  });

  it("R-44: does not show the credential to whoever prints the request", () => {
    const request = makeRequest();
    const credential = { kind: "bearer", value: "canary.canary.canary", cookieNames: [] } as const;
    attachTo(request, { credential });
    expect(inspect(request, { depth: 9, showHidden: true, getters: true })).not.toContain("canary");
  });
});
