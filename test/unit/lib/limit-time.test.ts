import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { once } from "node:events";
import { expect, it } from "@jest/globals";
import { limitTime } from "../../../src/lib/concurrency.ts";
import { settle } from "../../support/timers.ts";

it("counts a reply that arrived in time, though a busy process hears of it when the time is over", async () => {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [[peer]] = await Promise.all([accepted, once(client, "connect")]);
  let signal: AbortSignal | undefined;
  const reply = limitTime(0.02, async (limit) => {
    ({ signal } = limit);
    const [data] = (await once(client, "data")) as [Buffer];
    return data.toString();
  });
  peer.write("in time");
  const busyUntil = performance.now() + 60;
  while (performance.now() < busyUntil);
  expect(await reply).toBe("in time");
  await settle();
  expect(signal?.aborted).toBe(false);
  client.destroy();
  peer.destroy();
  server.close();
});
