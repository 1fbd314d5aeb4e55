import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { listDocuments } from "../../scripts/render-reference.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BLOCK = /^```ts\n(.*?)^```$/gms;

/** Every TypeScript block of the documents, by document and position. A block without imports goes on from the one before. */
async function readBlocks(): Promise<Map<string, string>> {
  const blocks = new Map<string, string>();
  for (const document of listDocuments()) {
    const text = await readFile(join(ROOT, document), "utf8");
    let before = "";
    for (const [index, match] of [...text.matchAll(BLOCK)].entries()) {
      const code = match[1] ?? "";
      before = /^import /m.test(code) ? code : `${before}\n${code}`;
      blocks.set(`${document.replaceAll(/[^\w]/g, "-")}-${index + 1}.ts`, before);
    }
  }
  return blocks;
}

describe("the code in the documents", () => {
  let folder: string;
  let blocks: Map<string, string>;

  beforeAll(async () => {
    blocks = await readBlocks();
    folder = await mkdtemp(join(ROOT, "test", "docs", ".documents-"));
    for (const [name, code] of blocks) await writeFile(join(folder, name), `${code}\nexport {};\n`);
    const project = {
      extends: join(ROOT, "tsconfig.json"),
      include: [join(folder, "*.ts")],
      compilerOptions: { noUnusedLocals: false },
    };
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(project));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("compiles", async () => {
    expect(blocks.size).toBeGreaterThan(1);
    const compiled = run("npx", ["tsc", "--noEmit", "-p", folder], { cwd: ROOT });
    await expect(compiled.catch((error: { stdout: string }) => error.stdout)).resolves.toMatchObject({
      stdout: "",
    });
  });

  it("starts the quick start, which sends a browser to sign in and leads it to an organization", async () => {
    const server = await start("README-md-1.ts", { COOKIE_PASSWORD: "a password for tests, 32 characters" });
    try {
      const origin = await server.listening;
      const browser = request.agent(origin).set("Accept", "text/html");
      await browser.get("/documents").expect(303).expect("Location", "/sign-in?return_to=%2Fdocuments");
      await browser
        .post("/sign-in?return_to=%2Fdocuments")
        .expect(303)
        .expect("Location", "/select-organization");
      await browser
        .post("/select-organization")
        .type("form")
        .send({ organization_id: "org_globex" })
        .expect(303)
        .expect("Location", "/documents");
      const documents = await browser.get("/documents").expect(200);
      expect(documents.body).toMatchObject({
        member: { userId: "user_ada", roles: ["viewer"] },
        organization: { name: "Globex" },
        verdict: { authorized: true, grantingRoles: ["viewer"] },
      });
    } finally {
      server.stop();
    }
  });

  it("runs the test of an application", async () => {
    const block = [...blocks].find(([, code]) => code.includes("orgate/testing"))?.[0] ?? "";
    await expect(
      run(process.execPath, ["--import", "tsx", join(folder, block)], options({})),
    ).resolves.toBeDefined();
  });

  function options(env: Record<string, string>): { cwd: string; env: NodeJS.ProcessEnv } {
    return { cwd: ROOT, env: { ...process.env, ...env, TSX_TSCONFIG_PATH: join(folder, "tsconfig.json") } };
  }

  /** Starts a block that listens on `PORT`. */
  async function start(
    block: string,
    env: Record<string, string>,
  ): Promise<{ listening: Promise<string>; stop(): void }> {
    const port = await findPort();
    const child = spawn(
      process.execPath,
      ["--import", "tsx", join(folder, block)],
      options({ ...env, PORT: port }),
    );
    const said: string[] = [];
    child.stderr?.on("data", (chunk) => said.push(String(chunk)));
    const ended = once(child, "exit").then(() => Promise.reject(new Error(`it ended: ${said.join("")}`)));
    const origin = `http://localhost:${port}`;
    return { listening: Promise.race([ended, answers(origin)]), stop: () => void child.kill() };
  }
});

/** A port that nothing listens on. */
async function findPort(): Promise<string> {
  const server = createServer().listen(0);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return String(port);
}

/** Resolves with the origin once something listens there. */
async function answers(origin: string): Promise<string> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const response = await fetch(origin).catch(() => undefined);
    if (response !== undefined) return origin;
    await setTimeout(50);
  }
  throw new Error(`nothing listens at ${origin}`);
}
