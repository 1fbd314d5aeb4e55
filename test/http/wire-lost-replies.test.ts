import { afterEach, describe, expect, it } from "@jest/globals";
import { memoryRepository } from "../../src/authority/index.ts";
import type { CollectionName } from "../../src/authority/repository.ts";
import { workosRouter } from "../../src/authority/wire/workos/index.ts";
import { unsteadyRepository } from "../unit/authority/unsteady-repository.ts";
import type { UnsteadyRepository } from "../unit/authority/unsteady-repository.ts";
import type { Received, TestServer } from "../support/servers.ts";
import { bodyOf, json, makeWireWorld, serveRouter } from "../support/wire-world.ts";

const CLIENT = { client_id: "client_orgate", client_secret: "sk_test_0123456789abcdef" };
const REDIRECT_URI = "https://app.example.com/callback";

interface CodeWorld extends UnsteadyRepository {
  readonly code: string;
  exchange(): Promise<Received>;
  renew(exchanged: Received): Promise<Received>;
}

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

/** Issues a code over a repository whose replies about one collection can be lost. */
async function issueCode(collection: CollectionName): Promise<CodeWorld> {
  const unsteady = unsteadyRepository(memoryRepository(), collection);
  const { authority } = makeWireWorld({ repository: unsteady.repository });
  const router = workosRouter(authority, {
    clientId: CLIENT.client_id,
    apiKey: CLIENT.client_secret,
    redirectUris: [REDIRECT_URI],
    signIn: { path: "/sign-in" },
  });
  const server: TestServer = await serveRouter(router);
  closers.push(
    () => server.close(),
    () => authority.close(),
  );
  const query = new URLSearchParams({
    response_type: "code",
    client_id: CLIENT.client_id,
    redirect_uri: REDIRECT_URI,
    provider: "authkit",
  });
  const { headers } = await server.send({ path: `/user_management/authorize?${query.toString()}` });
  const request = new URL(headers.location ?? "", REDIRECT_URI).searchParams.get("authorization_request");
  const { redirectTo } = await router.completeAuthorization(request ?? "", {
    userId: "user_bob",
    authenticationMethod: "Password",
  });
  const code = new URL(redirectTo).searchParams.get("code") ?? "";
  const grant = (fields: object): Promise<Received> =>
    server.send({ path: "/user_management/authenticate", ...json({ ...CLIENT, ...fields }) });
  return {
    ...unsteady,
    code,
    exchange: () => grant({ grant_type: "authorization_code", code }),
    renew: (exchanged) =>
      grant({ grant_type: "refresh_token", refresh_token: bodyOf(exchanged)["refresh_token"] }),
  };
}

describe("an authorization code", () => {
  it.each([["reply lost"], ["reply and next read lost"], ["not carried out"], ["late"]] as const)(
    "R-24: is exchanged once when the write that spends it fails once (%s)",
    async (fate) => {
      const world = await issueCode("authorizations");
      world.fates.push(fate);
      const exchanged = await world.exchange();
      expect(exchanged.status).toBe(200);
      await world.carryOutLateWrites();
      expect((await world.renew(exchanged)).status).toBe(200);
      expect((await world.exchange()).status).toBe(400);
    },
  );

  it("can be exchanged after a 503 when the write that spends it was never carried out", async () => {
    const world = await issueCode("authorizations");
    world.fates.push("not carried out", "not carried out", "not carried out");
    expect((await world.exchange()).status).toBe(503);
    expect((await world.exchange()).status).toBe(200);
  });

  it("can be exchanged after a 503 when the session could not be stored", async () => {
    const world = await issueCode("authorizations");
    const insert = world.repository.insert.bind(world.repository);
    world.repository.insert = async (...document) => {
      if (document[0] !== "sessions") return insert(...document);
      world.repository.insert = insert;
      throw new Error("down");
    };
    expect((await world.exchange()).status).toBe(503);
    expect((await world.exchange()).status).toBe(200);
    expect((await world.exchange()).status).toBe(400);
  });

  it("R-24: has one winner when it is exchanged many times at once and replies are lost", async () => {
    const world = await issueCode("authorizations");
    world.fates.push("reply lost", "reply lost");
    const answers = await Promise.all(Array.from({ length: 8 }, () => world.exchange()));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it("R-24: ends its session when it is used a third time, after the second use could not", async () => {
    const world = await issueCode("sessions");
    const exchanged = await world.exchange();
    world.fates.push("not carried out");
    expect((await world.exchange()).status).toBe(503);
    expect((await world.renew(exchanged)).status).toBe(200);
    expect((await world.exchange()).status).toBe(400);
    expect((await world.renew(exchanged)).status).toBe(400);
  });
});
