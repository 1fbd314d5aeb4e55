import type { OrgateOptions } from "../../src/options/options.ts";
import type { Orgate } from "../../src/orgate.ts";
import type { EstablishOptions } from "../../src/sign-in/establish.ts";
import type { OrganizationSelectionOptions } from "../../src/sign-in/selection.ts";
import type { SignOutOptions } from "../../src/sign-in/sign-out.ts";
import type { SessionStore } from "../../src/store.ts";
import type { Middleware } from "../../src/guards/guard.ts";
import { makeApp } from "./apps.ts";
import type { FrameworkName, Route, TestApp } from "./apps.ts";
import { openBrowser } from "./visitor.ts";
import type { Visitor } from "./visitor.ts";
import { makeWorld } from "./world.ts";
import type { World } from "./world.ts";

/** How an application with every handler of ours is put together. */
export interface TenancyOptions {
  /** @defaultValue Express 5 */
  readonly framework?: FrameworkName;
  /** Whether `app.use(auth)` stands above the handlers. @defaultValue `true` */
  readonly mounted?: boolean;
  readonly overrides?: (real: SessionStore) => Partial<SessionStore>;
  readonly options?: Partial<OrgateOptions>;
  readonly authority?: Parameters<typeof makeWorld>[0];
  readonly selection?: OrganizationSelectionOptions;
  readonly signOut?: SignOutOptions;
  readonly establish?: EstablishOptions;
  /** Runs before everything: body parsers, say. */
  readonly before?: readonly Middleware[];
  readonly routes?: (auth: Orgate, world: World) => readonly Route[];
}

/** An application whose `POST /sign-in` signs in the user that `X-User` names, or throws what `X-Throw` names. */
export interface Tenancy extends TestApp {
  readonly world: World;
  readonly auth: Orgate;
  readonly browser: Visitor;
  /** A browser in which the user has signed in, up to the selection. */
  signIn(userId: string, path?: string): Promise<Visitor>;
  /** Who the browser is signed in as. */
  whoIs(
    visitor: Visitor,
  ): Promise<{ member: string | null; organization: string | null; session: string | null }>;
  /** How many live sessions the user has. */
  countSessions(userId: string): Promise<number>;
}

export const SELECTION = "/select-organization";

/** Puts such an application together. */
export function makeTenancy(options: TenancyOptions = {}): Tenancy {
  const { framework = "Express 5", mounted = true, selection, signOut, establish, before = [] } = options;
  const world = makeWorld(options.authority);
  const store = { ...world.store, ...options.overrides?.(world.store) };
  const auth = world.mount({ signIn: { path: "/sign-in" }, store, ...options.options });
  const app = makeApp(framework, {
    before: [...before, ...(mounted ? [auth] : [])],
    routes: [
      { path: SELECTION, guards: [auth.organizationSelection(selection)] },
      { path: "/switch", guards: [auth.switchOrganization()] },
      { path: "/sign-out", guards: [auth.signOut(signOut)] },
      { path: "/me", guards: [auth, auth.requireAuth()] },
      { path: "/fresh", guards: [auth, auth.requireAuth({ maxTokenAge: 0 })] },
      { path: "/documents", guards: [auth, auth.requirePermission("documents", "read")] },
      {
        path: "/sign-in",
        handler: (request, response, next) => {
          const userId = String(request.headers["x-user"]);
          const authentication = world.authority.authenticate({ userId, authenticationMethod: "Password" });
          return auth.establish(request, response, authentication, establish).catch(next);
        },
      },
      ...(options.routes?.(auth, world) ?? []),
    ],
  });
  const open = (): Visitor => openBrowser(app.listener);
  return {
    ...app,
    world,
    auth,
    browser: open(),
    async signIn(userId, path = "/sign-in") {
      const visitor = open();
      await visitor.post(path, { headers: { Accept: "text/html", "X-User": userId } });
      return visitor;
    },
    async whoIs(visitor) {
      const { status, body } = await visitor.copy().get("/me", { headers: { Accept: "application/json" } });
      return status === 200 ? body : { member: null, organization: null, session: null };
    },
    countSessions: async (userId) => (await world.authority.listSessions({ userId })).length,
  };
}
