import { stytch, type StytchOptions, type StytchStore } from "../../src/stores/stytch/index.ts";
import type { StoreHarness } from "../../src/testing/contract/subject.ts";
import { organizationId, PROJECT_ID, SECRET } from "./fake-stytch-world.ts";
import { startFakeStytch, type FakeStytch } from "./fake-stytch.ts";

/** A store over a fake, in a world that can be moved and broken. */
export interface StytchHarness extends StoreHarness {
  readonly store: StytchStore;
  readonly fake: FakeStytch;
}

export const START = 1_800_000_000;
const EMAILS = { 0: "nora@example.com", 1: "bob@example.com", 2: "ada@example.com" } as const;

export async function makeStytchHarness(options: Partial<StytchOptions> = {}): Promise<StytchHarness> {
  let now = START;
  const clock = (): number => now;
  const fake = await startFakeStytch(clock);
  const store = stytch({ projectId: PROJECT_ID, secret: SECRET, baseUrl: fake.url, clock, ...options });
  return {
    store,
    fake,
    clock,
    // As a sign-in handler goes on from `client.magicLinks.discovery.authenticate()`.
    signIn: async ({ organizations }) => {
      const { body } = fake.world.startDiscovery(EMAILS[organizations]);
      const outcome = await store.continueDiscovery(body);
      if (organizations === 0 && outcome.status === "selection_required")
        return { status: "refused", code: "organization_not_available" };
      return outcome;
    },
    advance(seconds) {
      now += seconds;
    },
    async revoke(sessionId) {
      const session = fake.world.sessions.get(sessionId);
      if (session !== undefined) session.revoked = true;
    },
    breakStore() {
      fake.isDown = true;
    },
    mendStore() {
      fake.isDown = false;
    },
    foreignOrganizationId: organizationId("closed"),
    close: () => fake.close(),
  };
}
