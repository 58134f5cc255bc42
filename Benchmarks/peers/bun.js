// Bun with its native pub/sub: bun bun.js. Prints "listening on 127.0.0.1:PORT".
//
// Every socket subscribes to one topic and every message is published to it. With REDIS_URL in the environment the
// processes are joined: a message goes to Redis and comes back to everybody, the sender included. With TLS_CERTIFICATE and
// TLS_KEY, two files, it encrypts; with COMPRESS it agrees to permessage-deflate and publishes compressed.
const topic = "bench";
const channel = process.env.REDIS_CHANNEL ?? "bun-bench";
const compress = Boolean(process.env.COMPRESS);
const tls = process.env.TLS_CERTIFICATE
  ? { cert: Bun.file(process.env.TLS_CERTIFICATE), key: Bun.file(process.env.TLS_KEY) }
  : undefined;
let publish = (message) => server.publish(topic, message, compress);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT ?? 0),
  tls,
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("a WebSocket is expected", { status: 426 });
  },
  websocket: {
    perMessageDeflate: compress,
    // No limits that would end a session during a measurement.
    idleTimeout: 0,
    backpressureLimit: 64 * 1024 * 1024,
    open(socket) {
      socket.subscribe(topic);
    },
    message(socket, message) {
      publish(message);
    },
  },
});

if (process.env.REDIS_URL) {
  const commands = new Bun.RedisClient(process.env.REDIS_URL);
  const subscriber = new Bun.RedisClient(process.env.REDIS_URL);
  await commands.connect();
  await subscriber.connect();
  await subscriber.subscribe(channel, (message) => server.publish(topic, message, compress));
  // The client pipelines by itself what is sent in one turn.
  publish = (message) => void commands.publish(channel, message);
}

console.log(`listening on ${server.hostname}:${server.port}`);
