import type { IncomingMessage, ServerResponse } from "node:http";
import { systemClock, type Clock } from "../../src/lib/clock.ts";
import {
  done,
  FakeStytchWorld,
  PROJECT_ID,
  refused,
  SECRET,
  textOf,
  type Answer,
  type Fields,
} from "./fake-stytch-world.ts";
import { publicJwks } from "./tokens.ts";
import { serve } from "./servers.ts";

/** A request as the fake has read it, for a fault to spoil. */
export interface FakeExchange {
  readonly fields: Fields;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Does what was asked, and says what the answer would be: a reply can be lost after that. */
  readonly perform: () => Answer;
  readonly answer: (answer: Answer) => void;
}

type Fault = (exchange: FakeExchange) => void;

/** A server that speaks Stytch's wire, on a port of its own. */
export interface FakeStytch {
  readonly url: string;
  readonly world: FakeStytchWorld;
  /** What was asked, in order: `POST /v1/b2b/sessions/authenticate`. */
  readonly calls: string[];
  /** The bodies of the calls, but for those that fetch keys. */
  readonly sent: Fields[];
  /** Calls but for those that fetch keys. */
  readonly asked: () => string[];
  /** Lets a fault answer the next requests whose call contains the text, in place of the fake. */
  readonly fail: (text: string, fault: Fault, times?: number) => void;
  /** Answers as usual from now on. */
  clearFaults(): void;
  isDown: boolean;
  readonly close: () => void;
}

const AUTHORIZATION = `Basic ${Buffer.from(`${PROJECT_ID}:${SECRET}`).toString("base64")}`;
const JWKS = `GET /v1/b2b/sessions/jwks/${PROJECT_ID}`;
const ORGANIZATION_POLICY = "GET /v1/b2b/rbac/organizations/";

/** Starts a fake. */
export async function startFakeStytch(clock: Clock = systemClock): Promise<FakeStytch> {
  const world = new FakeStytchWorld(clock);
  const faults: { text: string; fault: Fault; left: number }[] = [];
  const calls: string[] = [];
  const sent: Fields[] = [];
  const server = await serve((request, response) => {
    if (fake.isDown) request.socket.destroy();
    else void handle(request, response);
  });
  const fake: FakeStytch = {
    url: server.url,
    world,
    calls,
    sent,
    asked: () => calls.filter((call) => call !== JWKS),
    fail: (text, fault, times = 1) => void faults.push({ text, fault, left: times }),
    clearFaults: () => void faults.splice(0),
    isDown: false,
    close: () => void server.close(),
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fields = await readFields(request);
    const call = `${request.method} ${request.url}`;
    calls.push(call);
    if (call !== JWKS) sent.push(fields);
    const answer = ({ status, body, headers }: Answer): void => {
      response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
      response.end(JSON.stringify(body));
    };
    const perform = (): Answer => route(world, call, fields, request);
    const spoiling = faults.find(({ text, left }) => left > 0 && call.includes(text));
    if (spoiling === undefined) {
      answer(perform());
      return;
    }
    spoiling.left -= 1;
    spoiling.fault({ fields, request, response, perform, answer });
  }
  return fake;
}

async function readFields(request: IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? {} : (JSON.parse(text) as Fields);
}

function route(world: FakeStytchWorld, call: string, fields: Fields, request: IncomingMessage): Answer {
  if (call === JWKS) return done({ ...publicJwks(world.published) });
  if (request.headers.authorization !== AUTHORIZATION) return refused(401, "unauthorized_credentials");
  if (call.startsWith(ORGANIZATION_POLICY)) {
    const policy = world.organizationPolicies.get(decodeURIComponent(call.slice(ORGANIZATION_POLICY.length)));
    return policy === undefined
      ? refused(404, "organization_policy_not_found")
      : done({ org_policy: policy });
  }
  switch (call) {
    case "POST /v1/b2b/sessions/authenticate":
      return world.authenticate(fields);
    case "POST /v1/b2b/sessions/exchange":
      return world.exchange(fields);
    case "POST /v1/b2b/sessions/revoke":
      return world.revoke(fields);
    case "POST /v1/b2b/otps/sms/send":
      return world.sendCode(fields);
    case "POST /v1/b2b/otps/sms/authenticate":
    case "POST /v1/b2b/totp/authenticate":
      return world.authenticateTotp(fields);
    case "GET /v1/b2b/rbac/policy":
      return done({ policy: world.policy });
    case "POST /v1/b2b/discovery/organizations":
      return discover(world, fields);
    case "POST /v1/b2b/discovery/intermediate_sessions/exchange":
      return world.exchangeIntermediate(fields);
    default:
      return refused(404, "route_not_found");
  }
}

function discover(world: FakeStytchWorld, fields: Fields): Answer {
  const token = fields["intermediate_session_token"];
  if (token === undefined) {
    const session = world.find(fields);
    if ("status" in session) return session;
    const { email } = session.member;
    return done({ email_address: email, discovered_organizations: world.discovered(email) });
  }
  const known = world.intermediates.get(textOf(token));
  if (known === undefined || known.expiresAt <= world.clock())
    return refused(404, "intermediate_session_not_found");
  return done({ email_address: known.email, discovered_organizations: world.discovered(known.email) });
}
