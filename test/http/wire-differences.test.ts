/** Sends the request that shows each deliberate difference of the wire routers. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { createTestAuthority } from "orgate/testing";
import { stytchRouter } from "orgate/authority/stytch";
import { workosRouter } from "orgate/authority/workos";
import { STYTCH_WIRE_ROWS, type WireProbe, WORKOS_WIRE_ROWS } from "../differential/wire-rows.ts";
import type { WireMiddleware } from "../../src/authority/wire/router.ts";
import { serve, type TestServer } from "../support/servers.ts";
import { bodyOf, makeRsaKey } from "../support/wire-world.ts";

const CLIENT = { client_id: "client_orgate", client_secret: "sk_test_0123456789abcdef" };
const PROJECT = { projectId: "project-test-1", secret: "secret-test-0123456789abcdef" };

const makeAuthority = () =>
  createTestAuthority({ organizations: [{ id: "org_acme", name: "Acme" }], keys: [makeRsaKey()] });

let server: TestServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function probe(
  router: WireMiddleware,
  authorization: string,
  { method, path, body }: WireProbe,
): Promise<{ status: number; error: unknown }> {
  server = await serve(router);
  const headers = { authorization, ...(body !== undefined && { "content-type": "application/json" }) };
  const sent = body === undefined ? {} : { body: JSON.stringify({ ...CLIENT, ...body }) };
  const answer = await server.send({ method, path, headers, ...sent });
  const told = bodyOf(answer);
  return { status: answer.status, error: told["error_type"] ?? told["code"] ?? told["error"] };
}

const probesOf = (rows: typeof WORKOS_WIRE_ROWS) =>
  rows.flatMap(({ asked, probe: shown }) => (shown === undefined ? [] : [[asked, shown] as const]));

describe("the deliberate differences", () => {
  it.each(probesOf(WORKOS_WIRE_ROWS))("from WorkOS: %s", async (_asked, shown) => {
    const router = workosRouter(makeAuthority(), {
      clientId: CLIENT.client_id,
      apiKey: CLIENT.client_secret,
    });
    const { status, error } = shown;

    expect(await probe(router, `Bearer ${CLIENT.client_secret}`, shown)).toEqual({ status, error });
  });

  it.each(probesOf(STYTCH_WIRE_ROWS))("from Stytch: %s", async (_asked, shown) => {
    const router = stytchRouter(makeAuthority(), PROJECT);
    const { status, error } = shown;
    const authorization = `Basic ${btoa(`${PROJECT.projectId}:${PROJECT.secret}`)}`;

    expect(await probe(router, authorization, shown)).toEqual({ status, error });
  });
});
