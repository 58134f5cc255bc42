// Bun with its native pub/sub: bun bun.js. Prints "listening on 127.0.0.1:PORT".
//
// Every socket subscribes to one topic and every message is published to it. With REDIS_URL in the environment the
// processes are joined: a message goes to Redis and comes back to everybody, the sender included.
const topic = "bench";
const channel = process.env.REDIS_CHANNEL ?? "bun-bench";
let publish = (message) => server.publish(topic, message);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT ?? 0),
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("a WebSocket is expected", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
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
  await subscriber.subscribe(channel, (message) => server.publish(topic, message));
  // The client pipelines by itself what is sent in one turn.
  publish = (message) => void commands.publish(channel, message);
}

console.log(`listening on ${server.hostname}:${server.port}`);
