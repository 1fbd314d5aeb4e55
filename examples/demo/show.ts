import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuthState, Denial, Orgate, Policy } from "orgate";
import type { Activity } from "./activity.ts";
import { PERMISSIONS, type policy } from "./company.ts";
import { renderDenial, type DenialContext } from "./denial-page.ts";
import type { Html } from "./html.ts";
import { renderInspector, rolesOf, secondsLeft, type Inspection } from "./inspector.ts";
import { renderPage, type Visitor } from "./layout.ts";
import type { DemoDirectory } from "./storage.ts";

/** The middleware, with the demo's policy in its types. */
export type Auth = Orgate<typeof policy extends Policy<infer Shape> ? Shape : never>;

type SignedInState = Extract<AuthState, { status: "authenticated" }>;

/** What every page needs. */
export interface ShowOptions {
  readonly auth: Auth;
  readonly directory: DemoDirectory;
  readonly activity: Activity;
  readonly now: () => number;
  readonly tokenLifetime: number;
}

/** The content of one page. */
export interface Content {
  readonly title: string;
  readonly main: Html;
  readonly current?: string;
}

/** Answers with pages: the frame, the panel beside them, and the denial page. */
export function createShow(options: ShowOptions) {
  const { auth, directory } = options;

  async function page(request: IncomingMessage, response: ServerResponse, content: Content): Promise<void> {
    const state = auth.state(request);
    const visitor = state.status === "authenticated" ? await describeVisitor(directory, state) : undefined;
    const aside = await renderAside(options, request, state);
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(renderPage({ ...content, visitor, aside }));
  }

  return {
    page,
    /** Gives browsers a page that explains the denial, and everything else orgate's own answer. */
    async denial(denial: Denial, request: IncomingMessage, response: ServerResponse): Promise<void> {
      const isPage = request.headers.accept?.includes("text/html") ?? false;
      if (isPage && (await isStepDue(auth, denial, request))) {
        response.writeHead(303, { Location: "/sign-in/step" }).end();
        return;
      }
      // orgate's own page says more about an invitation that is refused.
      if (!isPage || denial.redirectTo !== undefined || denial.code === "sign_in_failed") {
        denial.respond();
        return;
      }
      response.statusCode = denial.status;
      for (const [name, value] of Object.entries(denial.headers)) response.setHeader(name, value);
      const main = renderDenial(denial, await describeDenial(options, denial, request));
      await page(request, response, { title: denial.title, main });
    },
    /** The counters of the page, for the script. */
    live(request: IncomingMessage) {
      const { memberSession } = auth.session(request);
      const { now, tokenLifetime, activity } = options;
      const left = secondsLeft({ memberSession, now: now(), tokenLifetime });
      return { left, bar: left, roles: rolesOf(memberSession), ...activity.read() };
    },
  };
}

/** Makes the renderer of the demo's pages. */
export type Show = ReturnType<typeof createShow>;

/** Whether an organization demands a further step of the sign-in or the switch that was just denied. */
async function isStepDue(auth: Auth, denial: Denial, request: IncomingMessage): Promise<boolean> {
  if (denial.code !== "reauthentication_required") return false;
  const pending = await auth.pendingAuthentication(request);
  return pending?.stepUp !== undefined && pending.stepUp.reason === denial.extensions["reason"];
}

async function describeVisitor(directory: DemoDirectory, state: SignedInState): Promise<Visitor> {
  const { member, organization, memberSession } = state;
  const memberships = await directory.memberships(member.userId ?? "");
  const places = await Promise.all(memberships.map((one) => directory.organization(one.organizationId)));
  return {
    name: member.name ?? member.id,
    ...(memberSession.impersonator !== undefined && { impersonatedBy: memberSession.impersonator.email }),
    ...(organization !== undefined && {
      organization: { slug: organization.slug ?? "", name: organization.name ?? organization.id },
    }),
    others: places.filter((place) => place !== undefined).filter((place) => place.id !== organization?.id),
  };
}

async function renderAside(
  { auth, activity, now, tokenLifetime }: ShowOptions,
  request: IncomingMessage,
  state: AuthState,
): Promise<Html | undefined> {
  if (state.status !== "authenticated" || state.organization === undefined) return undefined;
  const { memberSession, organization } = state;
  const checks = await Promise.all(
    PERMISSIONS.map(async ([resource, action]) => auth.check(request, resource, action)),
  );
  const { verdict } = request as { verdict?: Inspection["verdict"] };
  return renderInspector({
    memberSession,
    organizationSlug: organization.slug ?? "",
    now: now(),
    tokenLifetime,
    verdict,
    checks,
    activity: activity.read(),
    mayChangeRole: memberSession.impersonator === undefined,
  });
}

async function describeDenial(
  { auth, directory }: ShowOptions,
  { code, extensions }: Denial,
  request: IncomingMessage,
): Promise<DenialContext> {
  const state = auth.state(request);
  const path = request.method === "GET" ? (request as { originalUrl?: string }).originalUrl : undefined;
  const context = { isSignedIn: state.status === "authenticated", path };
  if (state.status !== "authenticated") return context;
  if (code === "permission_denied") {
    const [resource, action] =
      PERMISSIONS.find((pair) => pair[0] === extensions["resource"] && pair[1] === extensions["action"]) ??
      [];
    if (resource === undefined || action === undefined) return context;
    return { ...context, check: await auth.check(request, resource, action) };
  }
  if (code === "organization_mismatch") {
    const slug = (request as { originalUrl?: string }).originalUrl?.split("/")[2];
    const { others } = await describeVisitor(directory, state);
    const places = await Promise.all(others.map(({ id }) => directory.organization(id)));
    return { ...context, elsewhere: places.find((place) => place?.slug === slug) };
  }
  return context;
}
